from dataclasses import replace

import numpy as np
import pytest
from synthetic import dem

from demsr.dem.dem import Dem
from demsr.dem.geotiff import write_dem
from demsr.dem.grid import Grid
from demsr.dem.read.declared import Declared
from demsr.dem.read.identity import LAND_SIGMA_M
from demsr.errors import GridError, VoidError
from demsr.pairs.degradations.gebco import gaussian_blur
from demsr.pairs.fit_gaussian import fit_gaussian, fit_gaussians
from demsr.sources.sea_floor import synthetic_sea_floor

SIDE = 400
ARCSEC = 1 / 3600


def terrain(*, north: float = 45.0) -> Dem:
    """Hills of a few hundred metres on 3 arc-second nodes."""
    heights = synthetic_sea_floor(SIDE, SIDE, pixel_size_m=(65.0, 92.0), seed=3)
    return dem(heights - heights.min(), north=north)


def sampled(hr: Dem, *, sigma_m: float = LAND_SIGMA_M, down: int = 0, right: int = 0, rounding_m: float = 1.0) -> Dem:
    """LR whose cells are blurred HR at the middle of each block, moved by half a pixel and more by whole ones."""
    blurred = gaussian_blur(hr.elevation_m.astype(float), hr.grid, sigma_m=sigma_m)
    lr = blurred[2 + down : SIDE - 3 + down : 5, 2 + right : SIDE - 3 + right : 5]
    lr = np.round(lr / rounding_m) * rounding_m if rounding_m else lr
    size, half = 15 * ARCSEC, 1.5 * ARCSEC  # the middle of a cell lies half a pixel north-east of its block's
    grid = Grid(
        rows=lr.shape[0],
        cols=lr.shape[1],
        west=hr.grid.west + half,
        north=hr.grid.north + half,
        pixel_width=size,
        pixel_height=size,
        crs=hr.grid.crs,
    )
    return Dem(elevation_m=lr.astype(np.float32), grid=grid, vertical_datum="MSL", source="lr")


def test_the_law_of_gebco_is_found_and_recognised():
    hr = terrain()
    found = fit_gaussian(sampled(hr), hr)
    assert found.sigma_m == pytest.approx(LAND_SIGMA_M, abs=1)
    assert (found.east_arcsec, found.north_arcsec) == pytest.approx((-1.5, -1.5), abs=0.03)
    assert found.rounding_m == 1
    assert found.residual_m == pytest.approx(0.37, abs=0.02)
    assert 0 < found.sigma_error_m < 1
    assert 0 < found.offset_error_arcsec < 0.03
    assert found.objection is None


@pytest.mark.parametrize("sigma_m", [90.0, 300.0])
def test_any_gaussian_shift_and_rounding_is_found(sigma_m):
    hr = terrain()
    found = fit_gaussian(sampled(hr, sigma_m=sigma_m, down=-1, right=2, rounding_m=0.1), hr)
    assert found.sigma_m == pytest.approx(sigma_m, rel=0.01)
    assert (found.east_arcsec, found.north_arcsec) == pytest.approx((4.5, 1.5), abs=0.03)
    assert found.rounding_m == pytest.approx(0.1)
    assert found.objection == "elevations are not whole metres"


def test_another_gaussian_or_place_is_not_the_law():
    hr = terrain()
    assert "its Gaussian has 164 m" in str(fit_gaussian(sampled(hr, sigma_m=200), hr).objection)
    assert "west and south of the middle" in str(fit_gaussian(sampled(hr, right=1), hr).objection)


def test_standard_errors_cover_the_truth_under_correlated_noise():
    hr = terrain()
    lr = sampled(hr, rounding_m=0)
    rng, scaled = np.random.default_rng(0), []
    for _ in range(6):
        noise = np.kron(rng.standard_normal((20, 20)), np.ones((4, 4)))[: lr.grid.rows, : lr.grid.cols]
        found = fit_gaussian(replace(lr, elevation_m=lr.elevation_m + np.float32(3) * noise.astype(np.float32)), hr)
        scaled.append((found.sigma_m - LAND_SIGMA_M) / found.sigma_error_m)
    assert 0.3 < np.sqrt(np.mean(np.square(scaled))) < 2.5


def test_a_larger_step_of_the_raster_holds_an_odd_multiple_of_hr():
    hr = terrain()
    blurred = gaussian_blur(hr.elevation_m.astype(float), hr.grid, sigma_m=250)
    lr = sampled(hr)
    wide = replace(
        lr,
        elevation_m=blurred[4 : SIDE - 5 : 9, 4 : SIDE - 5 : 9].astype(np.float32),
        grid=replace(lr.grid, rows=44, cols=44, pixel_width=27 * ARCSEC, pixel_height=27 * ARCSEC),
    )
    found = fit_gaussian(wide, hr)
    assert found.sigma_m == pytest.approx(250, rel=0.01)
    assert found.north_arcsec == pytest.approx(-1.5, abs=0.05)


def test_flat_ground_and_small_overlaps_are_refused():
    hr = terrain()
    lr = sampled(hr)
    flat = replace(hr, elevation_m=np.zeros_like(hr.elevation_m))
    with pytest.raises(VoidError, match="0 cells with relief are measured in both, not 300"):
        fit_gaussian(lr, flat)
    with pytest.raises(GridError, match="give LR first and HR second"):
        fit_gaussian(hr, lr)


def test_of_several_files_each_15_arcsec_grid_is_fitted_to_finer_rasters_of_the_same_ground(tmp_path):
    hr = terrain()
    elsewhere = replace(hr, grid=replace(hr.grid, west=-60.0))
    for name, raster in {"gebco": sampled(hr), "survey": hr, "elsewhere": elsewhere}.items():
        write_dem(tmp_path / f"{name}.tif", raster)
    paths = [tmp_path / f"{name}.tif" for name in ("survey", "gebco", "elsewhere")]
    ((where, found),) = fit_gaussians(paths, Declared())
    assert where == "gebco.tif from survey.tif"
    assert found.objection is None
