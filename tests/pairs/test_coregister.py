import os
import pickle
import subprocess
import sys

import numpy as np
import pyproj
import pytest
import rasterio
from synthetic import dem, plane, rough

from demsr.dem.average import average
from demsr.dem.dem import Dem
from demsr.dem.grid import Grid
from demsr.errors import GridError
from demsr.pairs.coregister import Coregistration, coregister
from demsr.pairs.degrade import block_mean
from demsr.sources.sea_floor import synthetic_sea_floor

ARCSEC_15 = 15 / 3600
FINE, MARGIN = 10, 6  # cells of the made terrain to one LR cell; LR cells around the LR grid
SHIFTS = [(0.3, -0.6), (-0.5, 0.4), (1.4, 0.0), (-1.0, 1.4)]


def sea_floor(*, cells: int = 40, seed: int = 3) -> np.ndarray:
    side = (cells + 2 * MARGIN) * FINE
    return synthetic_sea_floor(side, side, pixel_size_m=(46.0, 46.0), seed=seed)


def displaced(
    terrain: np.ndarray, east_px: float, north_px: float, *, north: float = 45.0, bias_m: float = 0.0
) -> tuple[Dem, Dem]:
    """Return LR, which shows the terrain moved east and north by LR pixels and lifted, and HR, which does not."""
    row, col = round((MARGIN + north_px) * FINE), round((MARGIN - east_px) * FINE)
    side = terrain.shape[0] - 2 * MARGIN * FINE
    lr = block_mean(terrain[row : row + side, col : col + side], scale=FINE) + np.float32(bias_m)
    hr = block_mean(terrain, scale=2)
    edge, fine = MARGIN * ARCSEC_15, ARCSEC_15 * 2 / FINE
    return (
        dem(lr, west=10.0, north=north, pixel_width=ARCSEC_15, pixel_height=ARCSEC_15),
        dem(hr, west=10.0 - edge, north=north + edge, pixel_width=fine, pixel_height=fine),
    )


def with_elevation(raster: Dem, elevation: np.ndarray) -> Dem:
    return Dem(elevation_m=elevation, grid=raster.grid, vertical_datum=raster.vertical_datum, source=raster.source)


def whole_metres(raster: Dem) -> Dem:
    return with_elevation(raster, np.round(raster.elevation_m))


def shift_px(found: Coregistration, lr: Dem) -> np.ndarray:
    return np.array([found.east_m, found.north_m]) / lr.grid.pixel_size_m()


@pytest.mark.parametrize("shift", SHIFTS)
def test_known_shift_and_bias_are_recovered(shift):
    lr, hr = displaced(sea_floor(), *shift, bias_m=2.5)
    found = coregister(lr, hr)
    np.testing.assert_allclose(shift_px(found, lr), shift, atol=0.02)
    assert found.bias_m == pytest.approx(2.5, abs=0.01)
    assert found.applied
    assert found.std_after_m < 0.01 * found.std_before_m


@pytest.mark.parametrize("shift", SHIFTS)
def test_known_shift_and_bias_are_recovered_from_whole_metres(shift):
    lr, hr = displaced(sea_floor(), *shift, bias_m=2.3)
    found = coregister(whole_metres(lr), hr)
    np.testing.assert_allclose(shift_px(found, lr), shift, atol=0.05)
    assert found.bias_m == pytest.approx(2.3, abs=0.05)
    assert found.std_after_m == pytest.approx(1 / np.sqrt(12), abs=0.02)


def test_shift_is_in_metres_of_the_place_at_latitude_60():
    lr, hr = displaced(sea_floor(), 0.5, -0.5, north=60.0)
    found = coregister(whole_metres(lr), hr)
    assert found.shift_m == (found.east_m, found.north_m)
    np.testing.assert_allclose(found.shift_m, (0.5 * 15 * 15.51, -0.5 * 15 * 30.95), rtol=0.02)  # metres of a second


def test_hr_moved_and_lifted_agrees_with_lr():
    lr, hr = displaced(sea_floor(), 0.3, -0.6, bias_m=-7.0)
    found = coregister(lr, hr)
    moved = average(hr, lr.grid, shift_m=found.shift_m).elevation_m + np.float32(found.bias_m)
    assert np.sqrt(np.mean(np.square(moved - lr.elevation_m))) < 0.2
    assert (
        found.verdict == f"applied: standard deviation falls from {found.std_before_m:.1f} to {found.std_after_m:.1f} m"
    )


def test_voids_in_both_do_not_disturb():
    lr, hr = displaced(sea_floor(), 0.3, -0.6, bias_m=2.5)
    void = np.zeros(hr.elevation_m.shape, bool)
    void[60:100, 80:120] = True
    lr = lr.without(np.random.default_rng(0).random(lr.elevation_m.shape) < 0.1)
    found = coregister(lr, hr.without(void))
    np.testing.assert_allclose(shift_px(found, lr), (0.3, -0.6), atol=0.02)
    assert found.bias_m == pytest.approx(2.5, abs=0.02)
    assert found.cells == pytest.approx(0.9 * (40 * 40 - 8 * 8), rel=0.02)


def test_lr_cells_outside_hr_do_not_count():
    lr, hr = displaced(sea_floor(), 0.3, -0.6)
    edge = 5 * (MARGIN + 10)
    found = coregister(lr, hr.window(edge, edge, 100, 100))
    np.testing.assert_allclose(shift_px(found, lr), (0.3, -0.6), atol=0.02)
    assert found.cells == 20 * 20


def test_gross_errors_of_a_survey_do_not_decide():
    lr, hr = displaced(sea_floor(), 0.3, -0.6, bias_m=2.5)
    wrong = lr.elevation_m.copy()
    wrong[5:17, 10:20] += 150
    found = coregister(with_elevation(lr, wrong), hr)
    np.testing.assert_allclose(shift_px(found, lr), (0.3, -0.6), atol=0.02)
    assert found.bias_m == pytest.approx(2.5, abs=0.1)


def test_aligned_grids_stay_and_their_bias_is_told():
    lr, hr = displaced(sea_floor(), 0.0, 0.0, bias_m=2.5)
    found = coregister(whole_metres(lr), hr)
    assert found.verdict.startswith("not applied: already aligned, a shift of 0.00 LR pixels leaves 99.9% of")
    assert not found.applied
    assert not found.unusable
    assert found.shift_m == (0.0, 0.0)
    assert found.bias_m == pytest.approx(2.5, abs=0.05)


def test_a_large_shift_is_refused():
    lr, hr = displaced(sea_floor(), 3.0, -4.0)
    found = coregister(lr, hr)
    np.testing.assert_allclose(shift_px(found, lr), (3.0, -4.0), atol=0.02)
    assert found.verdict == "not applied: shift of 5.0 is beyond 2 LR pixels, check both grids"
    assert found.unusable
    assert found.shift_m == (0.0, 0.0)


def test_flat_terrain_is_not_moved():
    noise = rough(40, 40, level=-20.0, rms=1.0)
    lr, hr = displaced(np.full_like(sea_floor(), -20.0), 0.0, 0.0)
    for heights in (lr.elevation_m, np.round(noise)):
        found = coregister(with_elevation(lr, heights), hr)
        assert found.verdict.startswith("not applied: too flat or too unlike to tell")
        assert found.bias_m == pytest.approx(0, abs=0.5)


def test_unlike_terrain_is_not_moved():
    lr, _ = displaced(sea_floor(seed=3), 0.0, 0.0)
    _, hr = displaced(sea_floor(seed=4), 0.0, 0.0)
    found = coregister(lr, hr)
    assert found.unusable
    assert found.verdict.startswith("not applied: unlike, they differ by")


@pytest.mark.parametrize("wrong", [lambda z: -z, lambda z: z / 0.3048, lambda z: z[:, ::-1], lambda z: z[::-1]])
def test_lr_with_a_wrong_sign_unit_or_place_makes_no_pair(wrong):
    lr, hr = displaced(sea_floor(seed=3), 0.0, 0.0)
    found = coregister(with_elevation(lr, np.ascontiguousarray(wrong(lr.elevation_m))), hr)
    assert found.unusable
    assert found.verdict.startswith("not applied: unlike")


def test_an_even_slope_is_not_moved_since_it_hides_the_shift_in_the_bias():
    lr, hr = displaced(plane(520, 520, per_row=0.5, per_col=0.3), 0.5, 0.5)
    assert coregister(lr, hr).verdict.startswith("not applied: too flat or too unlike to tell")


def test_a_few_cells_are_not_moved():
    lr, hr = displaced(sea_floor(), 0.3, -0.6)
    found = coregister(lr.window(0, 0, 9, 11), hr)
    assert found.verdict == "not applied: too few common cells, 99 of the 100 needed"
    assert (found.shift_m, found.bias_m, found.cells) == ((0.0, 0.0), 0.0, 99)
    assert np.isnan(found.std_before_m)


def test_hundred_cells_are_enough_on_steep_ground():
    lr, hr = displaced(sea_floor(), 0.3, -0.6)
    found = coregister(lr.window(10, 10, 10, 10), hr)
    np.testing.assert_allclose(shift_px(found, lr), (0.3, -0.6), atol=0.02)


def test_projected_hr_is_moved_in_metres():
    def ground(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return 80 * np.sin(lon * 190) + 60 * np.sin(lat * 230 + lon * 90) + 40 * np.cos(lat * 150 - lon * 130)

    utm = {"west": 500_000.0, "north": 5_000_000.0, "pixel_width": 90.0, "pixel_height": 90.0, "crs": "EPSG:32632"}
    x, y = np.meshgrid(500_045.0 + 90 * np.arange(250), 4_999_955.0 - 90 * np.arange(250))
    hr = dem(ground(*pyproj.Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True).transform(x, y)), **utm)
    place = Grid(
        rows=30, cols=30, west=9.05, north=45.1, pixel_width=ARCSEC_15, pixel_height=ARCSEC_15, crs="EPSG:4326"
    )
    fine = place.refine(5)
    lon, lat = np.meshgrid(*(np.array([fine.centre(i, i)[axis] for i in range(150)]) for axis in (0, 1)))
    lr = block_mean(ground(lon - 0.4 * ARCSEC_15, lat + 0.3 * ARCSEC_15).astype(np.float32), scale=5)
    lr = Dem(elevation_m=lr, grid=place, vertical_datum="EGM96", source="made")
    np.testing.assert_allclose(shift_px(coregister(lr, hr), lr), (0.4, -0.3), atol=0.02)


def test_hr_coarser_than_lr_is_refused():
    lr, hr = displaced(sea_floor(), 0.3, -0.6)
    with pytest.raises(GridError, match="target"):
        coregister(hr, lr)


def test_gebco_lies_off_the_multibeam_grid_of_balanus_seamount(shared):
    place = Grid(
        rows=192, cols=192, west=-65.8, north=39.8, pixel_width=ARCSEC_15, pixel_height=ARCSEC_15, crs="EPSG:4326"
    )
    with rasterio.open(shared / "data/gebco/gebco_2024_n39.8_s39.0_w-65.8_e-65.0.nc") as file:
        gebco = Dem(elevation_m=file.read(1).astype(np.float32), grid=place, vertical_datum="MSL", source="GEBCO_2024")
    with rasterio.open(shared / "data/marine/gmrt_balanus_seamount.tif") as file:
        at = file.transform
        size = {"west": at.c, "north": at.f, "pixel_width": at.a, "pixel_height": -at.e}
        gmrt = dem(file.read(1), vertical_datum="MSL", **size)
    found = coregister(gebco, gmrt)
    np.testing.assert_allclose(shift_px(found, gebco), (0.71, -0.43), atol=0.02)
    assert found.verdict == "applied: standard deviation falls from 34.7 to 5.8 m"


def test_last_bits_depend_neither_on_blas_kernels_nor_on_threads():
    lr, hr = displaced(sea_floor(), 0.3, -0.6)
    script = (
        "import pickle, sys; from demsr.pairs.coregister import coregister\n"
        "print(coregister(*pickle.load(sys.stdin.buffer)))"
    )
    found = set()
    for kernel, threads in (("Nehalem", "1"), ("Haswell", "2")):
        changes = {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, input=pickle.dumps((lr, hr)), env=os.environ | changes, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        found.add(done.stdout)
    assert len(found) == 1
