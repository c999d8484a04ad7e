from collections import Counter
from typing import Any

import numpy as np
import pytest
from synthetic import dem, plane, rough

from demsr.dem.dem import Dem
from demsr.pairs.cut import CutRule, Patch, cut_patches
from demsr.pairs.degradations.block_mean import BlockMean
from demsr.pairs.degrade import block_mean
from demsr.pairs.split import Region

RULE: dict[str, Any] = {"patch_lr": 2, "stride_hr": 10, "gap_lr": 1, "max_void_share": 0.2, "min_relief_m": 1.0}


def cut(
    raster: Dem, *, region: Region | None = None, away: Any = (), **changes: Any
) -> tuple[list[Patch], Counter[str]]:
    left_out: Counter[str] = Counter()
    chosen = region or Region("r", "train", 0, 0, raster.grid)
    part = raster.window(chosen.row, chosen.col, chosen.grid.rows, chosen.grid.cols)
    lr = BlockMean().region_lr(chosen, part, scale=5, seed=0)
    rule = CutRule(**{**RULE, **changes})
    return list(cut_patches(lr, rule, keep_away_from=away, left_out=left_out)), left_out


def test_lr_of_a_patch_is_the_block_mean_of_its_hr():
    patches, left_out = cut(dem(rough(30, 30)), stride_hr=3)
    assert len(patches) == 49
    assert not left_out
    for patch in patches:
        np.testing.assert_array_equal(patch.lr, block_mean(patch.hr, scale=5))


def test_patch_knows_its_pixels_and_its_place():
    raster = dem(rough(60, 50))
    region = Region("r", "train", 20, 10, raster.grid.window(20, 10, 30, 40))
    patches, _ = cut(raster, region=region)
    assert [(patch.row, patch.col) for patch in patches] == [
        (row, col) for row in (20, 30, 40) for col in (10, 20, 30, 40)
    ]
    for patch in patches:
        np.testing.assert_array_equal(patch.hr, raster.elevation_m[patch.row :, patch.col :][:10, :10])
        assert patch.grid.centre(0, 0) == pytest.approx(raster.grid.centre(patch.row, patch.col))
        assert (patch.grid.rows, patch.grid.cols) == (10, 10)


def test_patches_at_full_stride_cover_every_pixel_once():
    patches, _ = cut(dem(rough(30, 40)))
    covered = np.zeros((30, 40), int)
    for patch in patches:
        covered[patch.row :, patch.col :][:10, :10] += 1
    assert (covered == 1).all()


def test_region_smaller_than_a_patch_gives_none_and_says_so():
    patches, left_out = cut(dem(rough(9, 40)))
    assert not patches
    assert left_out == {"region smaller than one patch of 10 x 10 HR pixels": 1}


def test_wholly_void_patch_is_left_out():
    elevation = rough(10, 20)
    elevation[:, 10:] = np.nan
    patches, left_out = cut(dem(elevation))
    assert [patch.col for patch in patches] == [0]
    assert left_out == {"wholly void": 1}


@pytest.mark.parametrize(("void", "kept"), [(20, True), (21, False)])
def test_patch_with_too_much_void_is_left_out(void, kept):
    elevation = rough(10, 10)
    elevation.reshape(-1)[:void] = np.nan
    patches, left_out = cut(dem(elevation))
    assert bool(patches) == kept
    assert left_out == ({} if kept else {"more than 20% void": 1})


@pytest.mark.parametrize(("relief", "kept"), [(0.9, False), (1.5, True)])
def test_patch_without_relief_is_left_out(relief, kept):
    elevation = np.full((10, 10), 100, np.float32)
    elevation[3, 3] += relief
    patches, left_out = cut(dem(elevation))
    assert bool(patches) == kept
    assert left_out == ({} if kept else {"relief below 1 m": 1})


def test_patch_near_a_held_out_region_is_left_out():
    raster = dem(rough(10, 40))
    box = raster.grid.window(0, 30, 10, 10).lonlat_bounds()
    patches, left_out = cut(raster, away=[box])
    assert [patch.col for patch in patches] == [0, 10]  # column 20 touches the region
    assert left_out == {"too close to a held-out region": 2}


def test_patch_without_any_lr_pixel_is_left_out():
    elevation = rough(10, 10)
    elevation.reshape(10, 2, 5)[:, :, :3] = np.nan  # each block is 60 % void
    patches, left_out = cut(dem(elevation), max_void_share=0.9)
    assert not patches
    assert left_out == {"no LR pixel measured, or with half of its block measured": 1}


def test_lr_has_no_void_and_hr_is_not_scored_under_a_filled_one():
    elevation = plane(10, 10)
    elevation[:5, :3] = np.nan  # 15 of the 25 pixels of the first block
    elevation[9, 9] = np.nan
    (patch,), _ = cut(dem(elevation))
    assert np.isfinite(patch.lr).all()
    expected = np.isnan(elevation)
    expected[:5, :5] = True
    np.testing.assert_array_equal(np.isnan(patch.hr), expected)
    np.testing.assert_array_equal(patch.hr[~expected], elevation[~expected])
