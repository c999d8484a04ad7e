from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import dem, plane, rough

from demsr.dem.dem import Dem
from demsr.dem.read.identity import LAND_SIGMA_M
from demsr.dem.read.raster import read_dem
from demsr.errors import ParamsError
from demsr.pairs.degradations.gebco import GebcoLand, as_gebco, fill_water, gaussian_blur
from demsr.pairs.fit_gaussian import fit_gaussian
from demsr.pairs.split import Region
from demsr.runtime.seeding import generator


def degraded(raster: Dem, **options: float) -> np.ndarray:
    return GebcoLand(**options).degrade(raster, random=generator(0))


def test_a_plane_stays_a_plane_inside():
    slope = plane(60, 60)
    inside = np.s_[12:-12, 12:-12]
    np.testing.assert_allclose(degraded(dem(slope), rounding_m=0)[inside], slope[inside], atol=1e-3)
    assert np.abs(degraded(dem(slope))[inside] - slope[inside]).max() <= 0.5


@pytest.mark.parametrize("north", [0.05, 60.0])
def test_a_spike_becomes_a_gaussian_of_as_many_metres_in_both_directions(north):
    spike = np.zeros((121, 121), np.float32)
    spike[60, 60] = 1000
    raster = dem(spike, north=north)
    blurred = gaussian_blur(spike.astype(float), raster.grid, sigma_m=LAND_SIGMA_M)
    offset = np.arange(121) - 60
    for axis, size_m in zip((0, 1), raster.grid.pixel_size_m(), strict=True):
        variance = blurred.sum(axis=axis) @ (offset * size_m) ** 2 / blurred.sum()
        assert np.sqrt(variance) == pytest.approx(LAND_SIGMA_M, rel=1e-2)


def test_lr_of_a_patch_is_sampled_in_the_middle_of_its_blocks_wherever_it_begins():
    raster = dem(rough(40, 45))
    region = GebcoLand().region_lr(Region("r", "train", 0, 0, raster.grid), raster, scale=5, seed=0)
    lr = region.patch_lr(3, 7, 4, 5)
    np.testing.assert_array_equal(lr, degraded(raster)[5:23:5, 9:27:5])
    assert np.array_equal(lr, np.round(lr))
    assert region.area.degradation == "gebco"


def test_voids_are_water_at_the_level_of_their_shore():
    terrain = plane(20, 30, level=100, per_row=0, per_col=1)
    terrain[5:9, 10:14] = np.nan
    filled = fill_water(terrain.astype(float))
    assert (filled[5:9, 10:14] == 109).all()
    assert np.array_equal(filled[~np.isnan(terrain)], terrain[~np.isnan(terrain)])
    assert np.isnan(fill_water(np.full((3, 3), np.nan))).all()


def test_a_cell_is_land_as_often_as_land_has_a_share_of_its_gaussian():
    terrain = np.full((2000, 40), 2, np.float32)
    terrain[:, 20:] = np.nan
    raster = dem(terrain)
    lr = degraded(raster)
    assert (lr[:, :8] == 2).all()
    assert (lr[:, 32:] == 0).all()
    land_share = gaussian_blur(raster.valid.astype(float), raster.grid, sigma_m=LAND_SIGMA_M)
    assert land_share[:, 20].min() > 0.3
    np.testing.assert_allclose((lr > 0).mean(axis=0), land_share[1000], atol=0.05)
    assert np.array_equal(lr, degraded(raster))
    assert not np.array_equal(lr, GebcoLand().degrade(raster, random=generator(1)))
    lake = np.full((40, 40), 200, np.float32)
    lake[15:25, 15:25] = np.nan
    assert (degraded(dem(lake)) == 200).all()


def test_the_gaussian_weighs_land_alone_up_to_the_coast_and_lakes_like_land():
    cliff = np.full((40, 60), 300, np.float32)
    cliff[:, 30:] = np.nan
    cliff[:, 29] = 2  # the shore, from which the level of the water is taken
    lr = degraded(dem(cliff))
    weights = np.exp(-0.5 * (np.arange(60) * dem(cliff).grid.pixel_size_m()[0] / LAND_SIGMA_M) ** 2)
    expected = [np.sum(weights[np.abs(np.arange(30) - col)] * cliff[0, :30]) for col in range(30)]
    expected /= np.array([np.sum(weights[np.abs(np.arange(30) - col)]) for col in range(30)])
    np.testing.assert_allclose(np.max(lr[10:30, 15:30], axis=0), expected[15:], atol=0.6)  # of the cells of land
    lake = cliff.copy()
    lake[:, 30:] = 280
    lake[:, 29] = 280
    as_measured = degraded(dem(lake.copy()))
    lake[:, 30:] = np.nan
    np.testing.assert_array_equal(degraded(dem(lake)), as_measured)


def test_a_gaussian_without_width_is_refused():
    with pytest.raises(ParamsError, match="sigma_m=0"):
        GebcoLand(sigma_m=0)


def law_residual(data: Path, lr: str, hr: str) -> np.ndarray:
    """Return GEBCO minus the law on common land cells, metres."""
    return law_residuals(data, lr, read_dem(data / "land" / hr, vertical_datum="EGM96"))[0]


def law_residuals(data: Path, lr: str, truth: Dem) -> tuple[np.ndarray, np.ndarray]:
    """Return GEBCO minus the law on common land cells, and the share of land under the Gaussian of each."""
    grid = read_dem(data / "gebco" / lr, vertical_datum="MSL", within=truth.grid.lonlat_bounds())
    by_law = GebcoLand().degrade(truth, random=generator(0))
    first_row, first_col = truth.grid.index(*grid.grid.centre(0, 0))
    rows = np.rint(first_row + 0.5 + 5 * np.arange(grid.grid.rows)).astype(int)  # 1.5 arc-seconds south
    cols = np.rint(first_col - 0.5 + 5 * np.arange(grid.grid.cols)).astype(int)
    inside = (rows >= 8) & (rows < by_law.shape[0] - 8), (cols >= 12) & (cols < by_law.shape[1] - 12)
    cells = grid.elevation_m[np.ix_(*inside)] - by_law[np.ix_(rows[inside[0]], cols[inside[1]])]
    land = (grid.elevation_m[np.ix_(*inside)] > 0) & truth.valid[np.ix_(rows[inside[0]], cols[inside[1]])]
    share = gaussian_blur(truth.valid.astype(float), truth.grid, sigma_m=LAND_SIGMA_M)
    return cells[land], share[np.ix_(rows[inside[0]], cols[inside[1]])][land]


def test_gebco_has_the_mean_of_the_land_alone_along_a_steep_coast(shared):
    srtm = read_dem(shared / "data/land/srtm3_N39E002_mallorca.tif", vertical_datum="EGM96")
    truth = replace(srtm, elevation_m=np.where(srtm.elevation_m > 0, srtm.elevation_m, np.float32(np.nan)))
    residual, share = law_residuals(shared / "data", "gebco15s_mallorca.tif", truth)
    coast = (share > 0.6) & (share < 0.95)
    assert coast.sum() > 150
    assert abs(np.median(residual[coast])) < 2  # 10 m if the sea were 0 m under the Gaussian


@pytest.mark.parametrize(
    ("lr", "hr", "largest_m"),
    [
        ("gebco15s_liguria_tuscany.tif", "srtm3_N44E009_ligurian_apennines.tif", 0.40),
        ("gebco15s_sulawesi.tif", "srtm3_S03E119_sulawesi_mamasa.tif", 0.40),
        ("gebco_2020_cantabria.tif", "srtm3_N43W004_cantabria.tif", 0.40),
        ("gebco_2024_kyushu_ryukyu.tif", "srtm3_N32E131_kyushu_sobo_miyazaki.tif", 0.40),
        ("gebco15s_chile_valparaiso.tif", "srtm3_S33W071_aconcagua_andes.tif", 0.50),
    ],
)
def test_the_law_leaves_the_rounding_where_gebco_carries_srtm(shared, lr, hr, largest_m):
    residual = law_residual(shared / "data", lr, hr)
    assert residual.size > 3000
    assert 1.4826 * np.median(np.abs(residual - np.median(residual))) <= largest_m
    assert np.mean(np.abs(residual) <= 5 * largest_m) >= 0.95


@pytest.mark.parametrize(
    ("lr", "hr"),
    [
        ("gebco15s_oresund.tif", "srtm3_N55E013_oresund.tif"),
        ("gebco15s_north_germany.tif", "srtm3_N54E009_north_germany.tif"),
        ("gebco15s_dover_strait.tif", "srtm3_N50E001_dover_strait.tif"),
    ],
)
def test_the_law_does_not_hold_where_gebco_has_another_source(shared, lr, hr):
    residual = law_residual(shared / "data", lr, hr)
    assert 1.4826 * np.median(np.abs(residual - np.median(residual))) > 0.9


def test_cells_as_gebco_follow_its_law_and_lie_north_east_of_the_terrain():
    hr = dem(rough(253, 253, rms=100.0))
    lr = as_gebco(hr)
    assert (lr.grid.rows, lr.grid.cols, lr.grid.pixel_width) == (50, 50, 5 * hr.grid.pixel_width)
    assert lr.grid.west - hr.grid.west == pytest.approx(1.5 / 3600)
    assert lr.grid.north - hr.grid.north == pytest.approx(1.5 / 3600)
    assert fit_gaussian(lr, hr).objection is None
