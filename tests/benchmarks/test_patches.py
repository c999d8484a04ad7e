from dataclasses import replace

import numpy as np
import pytest
from protocol.patches import (
    BlindSource,
    Patches,
    RasterSource,
    SceneSource,
    Source,
    read_rasters,
    whole_pairs,
)
from protocol.scenes import Scene
from synthetic import ARCSEC_3, dem, plane, rough

from demsr.dem.geotiff import write_dem
from demsr.dem.grid import Grid
from demsr.dem.read.identity import LAND_SIGMA_M
from demsr.pairs.degradations.blind import Blind
from demsr.pairs.degradations.gebco import GebcoLand
from demsr.pairs.degrade import block_mean
from demsr.runtime.seeding import generator

POINTS = Blind(blur_lr_px=(0.01, 0.011), shift_lr_px=0, sparse_share=0, noisy_share=0, step=0, rounding_m=((0.0, 1.0),))
"""Degradation that leaves the pixel in the middle of each block as it is."""
RANDOM = np.random.default_rng


def draws(source: Source, count: int, *, seed: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    random = RANDOM(seed)
    return [pair for pair in (source.draw(random) for _ in range(count)) if pair is not None]


def where(hr: np.ndarray, raster: np.ndarray) -> tuple[int, int]:
    """Return the corner of a patch in a raster without equal pixels."""
    (row,), (col,) = np.nonzero(raster == hr[0, 0])
    np.testing.assert_array_equal(hr, raster[row : row + hr.shape[0], col : col + hr.shape[1]])
    return int(row), int(col)


def scene(rows_lr: int, cols_lr: int, *, off: float = 0.0) -> Scene:
    """LR of noise, and its cells repeated as HR with an offset in level."""
    lr = rough(rows_lr, cols_lr, level=-900)
    return Scene("made", lr, np.kron(lr, np.ones((5, 5), np.float32)) + np.float32(off), 60.0, 90.0)


def test_a_patch_depends_on_seed_epoch_and_index_alone():
    sources = {RasterSource([dem(rough(200, 230))], "mean"): 0.5, SceneSource([scene(40, 50)]): 0.5}
    patches = Patches(sources, count=8, seed=3)
    first = patches[2, 5]
    for key in ((2, 4), (3, 5), (0, 0)):
        assert not np.array_equal(patches[key][0], first[0])
    for again in (patches[2, 5], Patches(sources, count=99, seed=3)[2, 5]):
        np.testing.assert_array_equal(again[0], first[0])
        np.testing.assert_array_equal(again[1], first[1])
    assert not np.array_equal(Patches(sources, count=8, seed=4)[2, 5][0], first[0])
    assert (len(patches), first[0].shape, first[1].shape) == (8, (1, 32, 32), (1, 160, 160))


def test_lr_and_hr_are_turned_together_into_eight_orientations():
    whole = scene(32, 32)
    turned = set()
    for index in range(60):
        lr, hr = (image.numpy()[0] for image in Patches({SceneSource([whole]): 1.0}, count=60, seed=0)[0, index])
        np.testing.assert_allclose(hr, np.kron(lr, np.ones((5, 5))), atol=1e-3)
        turned.add(lr.tobytes())
    assert len(turned) == 8
    assert {np.rot90(image, turns).tobytes() for image in (whole.lr, whole.lr[:, ::-1]) for turns in range(4)} == turned


def test_sources_have_their_share_of_the_patches():
    sources = {SceneSource([scene(32, 32)]): 3.0, RasterSource([dem(rough(160, 160, level=9000))], "mean"): 1.0}
    patches = Patches(sources, count=200, seed=0)
    of_raster = sum(float(patches[0, index][0].mean()) > 0 for index in range(200))
    assert 30 < of_raster < 70


@pytest.mark.parametrize("sigma_m", [LAND_SIGMA_M, 60.0])
def test_gebco_patches_are_the_law_at_the_middle_of_each_block(sigma_m):
    raster = dem(rough(190, 200, rms=300))
    law = GebcoLand(sigma_m=sigma_m).degrade(raster, random=generator(0, "coast", 0))
    corners = set()
    for lr, hr in draws(RasterSource([raster], "gebco", sigma_m=sigma_m), 8):
        row, col = where(hr, raster.elevation_m)
        np.testing.assert_array_equal(lr, law[row + 2 : row + 160 : 5, col + 2 : col + 160 : 5])
        np.testing.assert_array_equal(lr, np.round(lr))
        corners.add((row % 5, col % 5))
    assert len(corners) > 3  # patches need not lie on one lattice of blocks


def test_mean_patches_are_block_means_half_of_them_rounded():
    raster = dem(rough(165, 170, rms=300))
    rounded = flattened = 0
    found = draws(RasterSource([raster], "mean"), 200)
    for lr, hr in found:
        means = block_mean(hr, scale=5)
        is_rounded = np.array_equal(lr, np.round(lr))
        np.testing.assert_array_equal(lr, np.round(means) if is_rounded else means)
        rounded += is_rounded
        if is_rounded and hr[0, 0] not in raster.elevation_m:
            flattened += 1
        else:
            where(hr, raster.elevation_m)
    assert len(found) == 200
    assert 70 < rounded < 130
    assert 20 < flattened < 75


def test_large_rasters_are_drawn_from_more_often_and_small_ones_never():
    sizes = {1000: (320, 320), 2000: (160, 160), 3000: (159, 500)}
    source = RasterSource([dem(rough(*size, level=level, rms=5)) for level, size in sizes.items()], "gebco")
    np.testing.assert_allclose(source.shares, [0.8, 0.2, 0])
    levels = [round(float(lr.mean()), -3) for lr, _ in draws(source, 100)]
    assert 65 <= levels.count(1000) <= 95
    assert levels.count(3000) == 0


@pytest.mark.parametrize("operator", ["mean", "gebco"])
def test_flat_and_mostly_void_ground_is_not_drawn(operator):
    void = rough(160, 160)
    void[:70] = np.nan  # 44 %
    for elevation in (np.full((160, 160), 7.0), void):
        assert RasterSource([dem(elevation)], operator).draw(RANDOM(0)) is None


def test_hr_is_void_where_a_block_is_void():
    elevation = rough(160, 160)
    elevation[:30, :50] = np.nan
    ((lr, hr),) = draws(RasterSource([dem(elevation)], "mean"), 1)
    assert np.isfinite(lr).all()
    np.testing.assert_array_equal(np.isnan(hr), np.isnan(elevation))


def test_blind_patches_lie_on_their_lr():
    """HR is a stretched and flattened piece of the raster; its relief is that of a plane."""
    raster = dem(plane(400, 420, per_row=3, per_col=5))
    found = draws(BlindSource([raster], POINTS), 12)
    ratios = []
    for lr, hr in found:
        np.testing.assert_allclose(lr, hr[2::5, 2::5], atol=2e-3)
        down, right = (float(np.diff(hr, axis=axis).mean()) for axis in (0, 1))
        assert down / right == pytest.approx(3 / 5, rel=0.02)
        assert -4000 - 2000 < hr.mean() < 2000
        ratios.append(right / 5)
    assert len(found) == 12
    assert max(ratios) <= 1.01
    assert min(ratios) < 0.3  # flatter than the terrain of the raster


def test_blind_patches_need_whole_terrain():
    with_void = rough(260, 260)
    with_void[130, 130] = np.nan  # in every square of 241 pixels
    assert BlindSource([dem(with_void)], Blind()).draw(RANDOM(0)) is None
    assert len(BlindSource([dem(rough(150, 900)), dem(rough(300, 300))], Blind()).elevation) == 1


def test_scene_patches_are_moved_to_the_level_of_their_lr():
    for lr, hr in draws(SceneSource([scene(40, 50, off=-77)]), 5):
        np.testing.assert_allclose(hr, np.kron(lr, np.ones((5, 5))), atol=1e-3)


def test_small_scenes_are_extended_by_reflection_and_not_measured_there():
    small = scene(30, 20)
    ((lr, hr),) = draws(SceneSource([small]), 1)
    np.testing.assert_array_equal(lr[:30, :20], small.lr)
    np.testing.assert_array_equal(lr[30, :20], small.lr[28])
    assert np.isfinite(hr[:150, :100]).all()
    assert np.isnan(hr[150:]).all()
    assert np.isnan(hr[:, 100:]).all()


def test_scenes_are_drawn_where_they_are_measured():
    whole, empty = scene(32, 32), scene(32, 32)
    empty.hr[:, 30:] = np.nan
    assert SceneSource([empty]).draw(RANDOM(0)) is None
    source = SceneSource([whole, empty])
    np.testing.assert_allclose(source.shares[1] / source.shares[0], np.sqrt(30 / 160))


@pytest.mark.parametrize("side", ["north", "west"])
def test_ground_near_a_box_is_void(tmp_path, side):
    write_dem(tmp_path / "a.tif", dem(rough(80, 90)))
    north, west = 50.0, 10.0
    boxes = {
        "north": (west - 1, north - 20 * ARCSEC_3, west + 1, north + 1),
        "west": (west - 1, north - 1, west + 20 * ARCSEC_3, north + 1),
    }
    (found,) = read_rasters([tmp_path / "a.tif"], [boxes[side], (100.0, 0.0, 101.0, 1.0)])
    void = np.isnan(found.elevation_m if side == "north" else found.elevation_m.T)
    assert void[:30].all()
    assert not void[31:].any()


def test_a_box_in_degrees_is_found_in_a_projected_raster(tmp_path):
    grid = Grid(rows=100, cols=100, west=500_000, north=5_000_000, pixel_width=90, pixel_height=90, crs="EPSG:32632")
    write_dem(tmp_path / "utm.tif", replace(dem(rough(100, 100)), grid=grid))
    inner = grid.window(40, 40, 20, 20).lonlat_bounds()
    (found,) = read_rasters([tmp_path / "utm.tif"], [inner])
    void = np.isnan(found.elevation_m)
    assert void[30:70, 30:70].all()
    assert not void[:27].any()
    assert not void[:, 73:].any()


def test_whole_rasters_are_degraded_alike():
    raster = dem(rough(63, 54, rms=300))
    ((lr, hr),) = whole_pairs([raster], "mean")
    np.testing.assert_array_equal(hr, raster.elevation_m[:60, :50])
    np.testing.assert_array_equal(lr, block_mean(hr, scale=5))
    ((lr, _),) = whole_pairs([raster], "gebco")
    np.testing.assert_array_equal(lr, GebcoLand().degrade(raster.window(0, 0, 60, 50), random=generator(0))[2::5, 2::5])
    assert list(whole_pairs([dem(np.full((50, 50), np.nan)), dem(np.full((50, 50), 3.0))], "mean")) == []
