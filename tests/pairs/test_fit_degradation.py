from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from real_lr import CELL, NORTH, SECOND, hr_raster, lr_raster
from synthetic import rough

from demsr.dem.geotiff import write_dem
from demsr.dem.grid import metres_per_degree
from demsr.dem.read.raster import read_dem
from demsr.errors import GridError, VoidError
from demsr.pairs.degradations.fitted import FittedDegradation
from demsr.pairs.fit_degradation import fit_degradation, fit_degradation_to_rasters
from demsr.runtime.seeding import generator
from demsr.sources.sea_floor import synthetic_sea_floor

NOTHING = FittedDegradation(0.0, 1.0, 0.0)


def sea_floor(*, seed: int = 1) -> np.ndarray:
    return synthetic_sea_floor(128, 128, pixel_size_m=(460.0, 460.0), seed=seed)


def holed() -> np.ndarray:
    terrain = sea_floor()
    terrain[20:30, 40:70] = np.nan
    return terrain


@pytest.mark.parametrize(
    ("truth", "terrain"),
    [
        (FittedDegradation(0.5, 1.0, 1.0), sea_floor()),
        (FittedDegradation(1.5, 1.0, 0.0), holed()),
        (FittedDegradation(0.3, 0.7, 1.0), sea_floor()),
        (FittedDegradation(0.5, 0.3, 1.0), holed()),
        (FittedDegradation(1.0, 0.1, 1.0), sea_floor()),
    ],
    ids=["blurred", "very blurred, holed", "nearly all sounded", "sparse, holed", "blurred and very sparse"],
)
def test_fit_recovers_the_model(truth, terrain):
    fitted = fit_degradation(truth.degrade(terrain, random=generator(7, "other soundings")), terrain)
    assert fitted.blur_lr_px == pytest.approx(truth.blur_lr_px, abs=0.1)
    assert 1 / 1.5 < fitted.sounding_share / truth.sounding_share < 1.5
    assert fitted.rounding_m == truth.rounding_m


def test_slight_blur_is_not_told_from_none_where_soundings_are_sparse():
    truth = FittedDegradation(0.0, 0.5, 1.0)
    fitted = fit_degradation(truth.degrade(sea_floor(), random=generator(7, "other soundings")), sea_floor())
    assert fitted.blur_lr_px < 0.25
    assert 1 / 1.5 < fitted.sounding_share / 0.5 < 1.5


def test_clean_block_means_fit_nothing():
    assert fit_degradation(sea_floor(), sea_floor()) == NOTHING


def test_bias_does_not_change_the_fit():
    terrain = sea_floor()
    lr = FittedDegradation(0.5, 1.0, 1.0).degrade(terrain, random=generator(7))
    assert fit_degradation(lr + 40, terrain) == fit_degradation(lr, terrain)


def test_cells_void_in_lr_are_left_out():
    terrain = sea_floor()
    lr = np.where(np.isnan(holed()), np.nan, FittedDegradation(0.5, 1.0, 1.0).degrade(terrain, random=generator(7)))
    fitted = fit_degradation(lr, terrain)
    assert (fitted.blur_lr_px, fitted.rounding_m) == (pytest.approx(0.5, abs=0.1), 1.0)


def test_surroundings_without_hr_do_not_count():
    terrain = sea_floor()
    lr = FittedDegradation(0.5, 1.0, 1.0).degrade(terrain, random=generator(7))
    wide_lr, wide_terrain = np.pad(lr, 20, constant_values=-3000), np.pad(terrain, 20, constant_values=np.nan)
    assert fit_degradation(wide_lr, wide_terrain) == fit_degradation(lr, terrain)


def test_grids_that_differ_are_refused():
    with pytest.raises(GridError, match=r"LR has shape \(50, 50\), block means have \(50, 40\); average HR onto"):
        fit_degradation(rough(50, 50), rough(50, 40))


def test_a_small_region_is_refused():
    with pytest.raises(VoidError, match="900 cells are measured in LR and in HR; the fit needs 1000"):
        fit_degradation(rough(30, 30), rough(30, 30))


def blundering(lr: Path) -> None:
    """Raise a few cells by what no model explains."""
    raster = read_dem(lr)
    wrong = np.random.default_rng(4).random(raster.elevation_m.shape) < 0.004
    write_dem(
        lr, replace(raster, elevation_m=np.where(wrong, raster.elevation_m + np.float32(150.25), raster.elevation_m))
    )


@pytest.mark.parametrize("gross", [False, True])
def test_model_of_whole_metres_is_found_once_hr_lies_on_lr(tmp_path, gross):
    lr = lr_raster(tmp_path, shape=(40, 40), place=(0, 0), whole_metres=True)
    if gross:
        blundering(lr)
    hr = read_dem(hr_raster(tmp_path, shape=(44, 44), place=(-2, -2)))
    model, found = fit_degradation_to_rasters(read_dem(lr), hr)
    lon_m, lat_m = metres_per_degree(NORTH - 20 * CELL)
    assert found.applied
    assert found.shift_m == pytest.approx((4 * SECOND * lon_m, -7 * SECOND * lat_m), abs=10)
    assert (model.rounding_m, model.blur_lr_px) == (1.0, pytest.approx(0, abs=0.25))
    assert model.sounding_share > 0.8


def test_model_of_grids_that_do_not_fit_is_refused(tmp_path):
    hr = read_dem(hr_raster(tmp_path, shape=(34, 34), place=(0, 0)))
    off = read_dem(lr_raster(tmp_path, "off", shape=(34, 34), place=(0, 0), moved_s=(45, -60)))
    with pytest.raises(GridError, match="not applied: shift of 5.0 is beyond 2 LR pixels, check both grids"):
        fit_degradation_to_rasters(off, hr)
    with pytest.raises(GridError, match="its CRS 'EPSG:4301' lies metres from WGS 84; warp it to WGS 84 first"):
        fit_degradation_to_rasters(replace(off, grid=replace(off.grid, crs="EPSG:4301")), hr)
    small = read_dem(lr_raster(tmp_path, "small", shape=(20, 20), place=(4, 4)))
    with pytest.raises(VoidError, match="39[0-9] cells are measured in LR and in HR; the fit needs 1000"):
        fit_degradation_to_rasters(small, hr)
