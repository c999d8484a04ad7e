from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from real_lr import (
    FITTED,
    RULE,
    at,
    build,
    corners,
    degradations,
    hr_raster,
    lr_raster,
    made,
    on_grid,
    pieces,
    quarters,
)
from synthetic import dem

from demsr import options
from demsr.dem.geotiff import write_dem
from demsr.dem.read.raster import read_dem
from demsr.evaluation.scoring import group_slug
from demsr.pairs.area import BLOCK_MEAN, REAL
from demsr.pairs.degrade import block_mean
from demsr.pairs.pair_file import PairFile
from demsr.runtime.seeding import generator


@pytest.mark.parametrize(("kind", "arcsec"), [(BLOCK_MEAN, 3), ("fitted", 3), (REAL, 3), (REAL, 1)])
def test_training_keeps_the_gap_to_a_held_out_region(tmp_path, kind, arcsec):
    """The test region begins one cell of LR behind the training region; two are asked for."""
    columns = {"train": 0, "test": 21, "valid": 45}
    rasters = [hr_raster(tmp_path, f"{split}_tile", arcsec=arcsec, place=(0, col)) for split, col in columns.items()]
    given = degradations(lr_raster(tmp_path, shape=(26, 75), moved_s=(0, 0), whole_metres=True), kinds=(kind,))
    summary = build(rasters, tmp_path, given, rule=replace(RULE, stride_hr=5))
    end = max(col + 8 for _, col in corners(PairFile(tmp_path / "pairs" / "train.h5")))
    assert end == columns["test"] - 2
    assert summary["left_out"]["too close to a held-out region"] > 0


def test_every_fitted_lr_is_cut_from_one_degraded_region(tmp_path):
    hr = hr_raster(tmp_path, shape=(22, 22))
    raster = read_dem(hr)
    found = pieces(tmp_path, hr, degradations(kinds=("fitted",)), split=quarters, seed=7)
    assert [piece.count for piece in found] == [4, 4, 1, 1]
    for piece, region in zip(found, quarters("hr", "hr", raster.grid), strict=True):
        own = raster.elevation_m[region.row : region.row + 50, region.col : region.col + 50]
        degraded = FITTED.degrade(block_mean(own, scale=5), random=generator(7, "soundings", region.name))
        pairs = PairFile(piece.path)
        for index, (row, col) in enumerate(zip(pairs.samples["row"], pairs.samples["col"], strict=True)):
            lr, hr = pairs.pair(index)
            np.testing.assert_array_equal(hr[0], raster.elevation_m[row : row + 40, col : col + 40])
            np.testing.assert_array_equal(lr[0], at(degraded, ((row - region.row) // 5, (col - region.col) // 5)))
            assert (lr[0] != block_mean(hr[0], scale=5)).any()


@pytest.mark.parametrize(("stride_hr", "step"), [(7, 10), (10, 10), (11, 15)])
@pytest.mark.parametrize("kind", ["fitted", "real"])
def test_strides_of_a_given_lr_are_whole_cells_rounded_up(tmp_path, kind, stride_hr, step):
    given = degradations(lr_raster(tmp_path, moved_s=(0, 0)), kinds=(kind,))
    pairs = made(tmp_path, hr_raster(tmp_path), given, rule=replace(RULE, stride_hr=stride_hr))
    assert sorted(set(pairs.samples["row"])) == sorted(set(pairs.samples["col"])) == list(range(0, 61, step))


def test_another_seed_or_model_gives_another_fitted_lr(tmp_path):
    hr, given = hr_raster(tmp_path, shape=(10, 10)), degradations(kinds=("fitted",))
    other = [replace(FITTED, blur_lr_px=2.0)]
    lr = [made(tmp_path, hr, choice, seed=seed).pair(0)[0] for choice, seed in ((given, 3), (given, 4), (other, 3))]
    assert (lr[0] != lr[1]).any()
    assert (lr[0] != lr[2]).any()


def test_region_too_narrow_for_fitted_soundings_is_left_out_with_the_reason(tmp_path):
    elevation = np.full((60, 60), np.nan, np.float32)
    elevation[20:25] = -5
    write_dem(tmp_path / "hr.tif", dem(elevation, **on_grid(3, (0, 0))))
    (piece,) = pieces(tmp_path, tmp_path / "hr.tif", degradations(kinds=("fitted",)))
    (reason,) = piece.left_out
    assert "soundings span no area; give a larger region or share of soundings" in reason
    assert (piece.path, piece.count) == (None, 0)


def test_degradations_of_one_region_differ_in_name_and_never_share_a_group(tmp_path):
    given = degradations(lr_raster(tmp_path), kinds=get_args(options.Degradation))
    areas = [PairFile(piece.path).areas[0] for piece in pieces(tmp_path, hr_raster(tmp_path), given)]
    names = ["hr", "hr, as GEBCO", "hr, blind", "hr, fitted degradation", "hr, LR real"]
    assert [area.name for area in areas] == names
    assert [area.degradation for area in areas] == list(get_args(options.Degradation))
    assert [area.lr_source for area in areas] == [
        "mean of each block",
        "Gaussian of 164 m at the middle of each block, steps of 1 m",
        "drawn at random, in parts",
        "blur 0.6 LR px, 50.0% sounded, steps of 1 m",
        "real",
    ]
    groups = [group_slug("marine", area) for area in areas]
    assert groups == ["marine_3arcsec", *(f"marine_3arcsec_{kind}" for kind in ("gebco", "blind", "fitted", "real"))]


@pytest.mark.parametrize("suffix", [".h5", ".json"])
def test_damaged_pairs_of_a_finished_job_are_cut_again(tmp_path, suffix):
    hr, given = hr_raster(tmp_path, shape=(10, 10)), degradations(kinds=("block mean",))
    (piece,) = pieces(tmp_path, hr, given)
    whole = piece.path.read_bytes()
    damaged = piece.path.with_suffix(suffix)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert pieces(tmp_path, hr, given) == [piece]
    assert piece.path.read_bytes() == whole
