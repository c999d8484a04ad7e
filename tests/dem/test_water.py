import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from synthetic import dem, plane, rough

from demsr.dem.read.raster import read_dem
from demsr.dem.water import find_water, read_water_mask
from demsr.errors import RasterError
from demsr.sources.sample import land

HECTARES = {"crs": "EPSG:32632", "pixel_width": 100.0, "pixel_height": 100.0, "west": 500_000.0, "north": 5_000_000.0}
KM2_OF_PIXEL = 0.01


def water_of(elevation, *, min_pixels=20, sea_level_m=None):
    """Find water in a raster whose pixels are squares of 100 m."""
    area_km2 = (min_pixels - 0.5) * KM2_OF_PIXEL
    return find_water(dem(elevation, **HECTARES), sea_level_m=sea_level_m, min_area_km2=area_km2)


def disc(rows, cols, row, col, radius):
    rows_at, cols_at = np.indices((rows, cols))
    return (rows_at - row) ** 2 + (cols_at - col) ** 2 <= radius**2


def with_lake(elevation, lake):
    """Flatten a lake 1 m below the lowest ground beside it."""
    shore = ndimage.binary_dilation(lake) & ~lake
    return np.where(lake, elevation[shore].min() - 1, elevation)


def slow_water(elevation, *, min_pixels, sea_level_m):
    """Find the same by walking from pixel to pixel."""
    water, seen = np.zeros(elevation.shape, bool), np.isnan(elevation)
    for start in np.argwhere(~seen):
        area, to_do, lower = set(), [tuple(start)], 0
        while to_do:
            row, col = place = to_do.pop()
            if place in area:
                continue
            area.add(place)
            for beside in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
                if min(beside) < 0 or beside[0] >= elevation.shape[0] or beside[1] >= elevation.shape[1]:
                    continue
                lower += elevation[beside] < elevation[place]
                if elevation[beside] == elevation[place]:
                    to_do.append(beside)
        at_sea = elevation[tuple(start)] == sea_level_m
        if len(area) >= min_pixels and (at_sea or lower <= len(area) ** 0.5):
            water[tuple(np.array(list(area)).T)] = True
    return water


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sea_level_m", [None, 1])
def test_water_is_what_a_walk_from_pixel_to_pixel_finds(seed, sea_level_m):
    random = np.random.default_rng(seed)
    elevation = np.kron(random.integers(0, 4, (6, 5)), np.ones((3, 4))).astype(np.float32)
    elevation[random.random(elevation.shape) < 0.1] = np.nan
    found = water_of(elevation, min_pixels=8, sea_level_m=sea_level_m)
    np.testing.assert_array_equal(found, slow_water(elevation, min_pixels=8, sea_level_m=sea_level_m))
    assert 0 < found.sum() < np.isfinite(elevation).sum()


def test_lake_in_a_slope_is_water_and_its_islands_are_not():
    lake = disc(60, 70, 30, 35, 15) & ~disc(60, 70, 30, 40, 3) & ~disc(60, 70, 24, 30, 0)
    np.testing.assert_array_equal(water_of(with_lake(np.rint(plane(60, 70)), lake)), lake)


def test_lake_of_metres_with_fractions_is_water_and_rough_ground_is_not():
    lake = disc(40, 40, 20, 20, 9)
    np.testing.assert_array_equal(water_of(np.where(lake, 372.25, rough(40, 40, rms=3))), lake)


def test_lake_at_the_edge_of_the_raster_is_water():
    lake = disc(40, 40, 0, 3, 12)
    np.testing.assert_array_equal(water_of(with_lake(plane(40, 40), lake)), lake)


def test_voids_are_neither_water_nor_shore():
    lake, void = disc(40, 40, 20, 20, 12), np.zeros((40, 40), bool)
    void[:, 19:21] = True
    elevation = np.where(void, np.nan, with_lake(plane(40, 40), lake))
    np.testing.assert_array_equal(water_of(elevation), lake & ~void)


def test_each_of_two_lakes_at_one_level_counts_alone():
    large, small = disc(40, 60, 20, 15, 6), disc(40, 60, 20, 40, 2)
    elevation = np.where(large | small, np.float32(99), rough(40, 60, rms=2) + 20)
    np.testing.assert_array_equal(water_of(elevation, min_pixels=small.sum() + 1), large)
    np.testing.assert_array_equal(water_of(elevation, min_pixels=small.sum()), large | small)


def test_river_is_water_in_each_of_its_steps():
    row, col = np.indices((21, 160))
    river = abs(row - 10) <= 1
    elevation = 100 + 2 * abs(row - 10) - col // 40
    np.testing.assert_array_equal(water_of(np.where(river, elevation[10] - 2, elevation)), river)


@pytest.mark.parametrize(("lower_sides", "is_water"), [(0, True), (10, True), (11, False), (40, False)])
def test_lower_ground_may_border_as_much_of_a_lake_as_the_side_of_a_square(lower_sides, is_water):
    elevation = np.full((12, 12), 101, np.float32)
    beside = [(0, k) for k in range(1, 11)] + [(11, k) for k in range(1, 11)]
    beside += [(k, 0) for k in range(1, 11)] + [(k, 11) for k in range(1, 11)]
    for place in beside[:lower_sides]:
        elevation[place] = 99
    elevation[1:11, 1:11] = 100
    assert water_of(elevation, min_pixels=100)[1:11, 1:11].all() == is_water


@pytest.mark.parametrize("seed", range(3))
def test_plain_in_whole_metres_stays(seed):
    slope = 100 + 0.01 * np.indices((300, 300))[1]
    elevation = np.rint(slope + rough(300, 300, seed=seed, level=0, rms=0.8)).astype(np.float32)  # noisy as SRTM is
    labels, _ = ndimage.label(elevation == 102)
    assert np.bincount(labels[labels > 0]).max() > 100, "the plain has no large flat area"
    assert not water_of(elevation, min_pixels=50).any()


@pytest.mark.parametrize("per_row", [0.0, 0.02])
def test_terraces_of_a_smooth_slope_stay_but_the_lowest_at_the_edge(per_row):
    elevation = np.floor(plane(200, 200, per_row=per_row, per_col=0.05))
    np.testing.assert_array_equal(water_of(elevation), elevation == elevation.min())


@pytest.mark.parametrize(("min_pixels", "found"), [(12, 12), (13, 0)])
def test_hollow_smaller_than_the_limit_stays(min_pixels, found):
    elevation = plane(20, 20)
    elevation[8:11, 8:12] = 0
    assert water_of(elevation, min_pixels=min_pixels).sum() == found


@pytest.mark.parametrize(("sea_level_m", "found"), [(0, True), (None, False), (1, False)])
def test_sea_needs_no_shore(sea_level_m, found):
    elevation = rough(30, 40, level=-20, rms=2)  # a polder
    elevation[:, 20:] = 0
    elevation[disc(30, 40, 15, 30, 4)] = 7
    np.testing.assert_array_equal(water_of(elevation, sea_level_m=sea_level_m), (elevation == 0) & found)


def test_sea_is_exactly_at_its_level_and_joins_by_sides():
    elevation = rough(6, 6, level=-20, rms=2)
    elevation[0, :5] = 0, 0, 0, 0, 0.01
    elevation[2, 0] = elevation[3, 1] = elevation[4, 2] = elevation[5, 3] = 0
    water = water_of(elevation, min_pixels=4, sea_level_m=0)
    assert water[0, :4].all()
    assert water.sum() == 4


def test_raster_of_one_level_is_water_and_one_of_voids_is_not():
    assert water_of(np.full((9, 9), 372, np.float32)).all()
    assert not water_of(np.full((9, 9), 372, np.float32), min_pixels=82).any()
    assert not water_of(np.full((9, 9), np.nan, np.float32), min_pixels=0, sea_level_m=0).any()


def test_area_is_the_same_at_any_pixel_size():
    lake = disc(40, 40, 20, 20, 9)
    coarse = dem(with_lake(plane(40, 40), lake))
    of_three = np.kron(coarse.elevation_m, np.ones((3, 3), np.float32))
    fine = replace(coarse, elevation_m=of_three, grid=coarse.grid.refine(3))
    area_km2 = lake.sum() * np.prod(coarse.grid.pixel_size_m()) / 1e6
    for limit, found in ((0.999 * area_km2, True), (1.001 * area_km2, False)):
        water = find_water(coarse, sea_level_m=None, min_area_km2=limit)
        np.testing.assert_array_equal(water, lake & found)
        of_fine = find_water(fine, sea_level_m=None, min_area_km2=limit)
        np.testing.assert_array_equal(of_fine, np.kron(water, np.ones((3, 3), bool)))


def water_km2(raster, lon, lat):
    """Return the water at a place and all water, both in km2."""
    water = find_water(raster, sea_level_m=0, min_area_km2=0.25)
    labels, _ = ndimage.label(water)
    row, col = map(round, raster.grid.index(lon, lat))
    km2 = np.prod(raster.grid.pixel_size_m()) / 1e6
    return (labels == labels[row, col]).sum() * km2 * water[row, col], water.sum() * km2


@pytest.mark.parametrize(
    ("file", "lon", "lat", "known_km2"),
    [
        ("srtm3_N52E008_north_german_plain.tif", 8.34, 52.51, 13.0),  # Duemmer
        ("srtm3_N43E006_provence_coast.tif", 6.18, 43.765, 22.0),  # Lac de Sainte-Croix, below its highest level
        ("srtm3_N53E027_belarus_plain.tif", 27.38, 53.98, 25.0),  # Zaslawye reservoir, cut by the tile's edge
        ("srtm3_N44W072_white_mountains.tif", -71.04, 44.77, 31.8),  # Umbagog Lake, cut by the tile's edge
        ("srtm3_N49E011_franconian_jura.tif", 11.18, 49.22, 1.7),  # Rothsee
        ("srtm3_N51W001_chilterns_london.tif", -0.46, 51.415, 2.9),  # Queen Mary Reservoir, behind a dam all around
        ("srtm1_N48W125_olympic_peninsula.tif", -124.63, 48.10, 29.5),  # Lake Ozette
    ],
)
def test_lake_has_its_known_area(shared, file, lon, lat, known_km2):
    found_km2, _ = water_km2(read_dem(shared / "data/land" / file, vertical_datum="EGM96"), lon, lat)
    assert found_km2 == pytest.approx(known_km2, rel=0.3)


@pytest.mark.parametrize(
    ("file", "lon", "lat", "most"),
    [
        ("srtm3_N52E008_north_german_plain.tif", 8.34, 52.51, 6e-4),  # with gravel pits beside the Weser
        ("srtm3_N53E027_belarus_plain.tif", 27.38, 53.98, 3e-3),  # with other lakes
    ],
)
def test_little_of_a_plain_is_water_beside_its_lake(shared, file, lon, lat, most):
    raster = read_dem(shared / "data/land" / file, vertical_datum="EGM96")
    lake_km2, all_km2 = water_km2(raster, lon, lat)
    assert all_km2 - lake_km2 < most * raster.elevation_m.size * np.prod(raster.grid.pixel_size_m()) / 1e6


@pytest.mark.parametrize("file", ["utm30m_kilauea_volcano.tif", "utm30m_bigtujunga_san_gabriel.tif"])
def test_slopes_without_lakes_have_no_water(shared, file):
    raster = read_dem(shared / "data/land" / file, vertical_datum="EGM96")
    assert not find_water(raster, sea_level_m=0, min_area_km2=0.25).any()


def test_sample_shows_two_reservoirs():
    sample = land()
    water = find_water(sample, sea_level_m=0, min_area_km2=0.25)
    levels, pixels = np.unique(sample.elevation_m[water], return_counts=True)
    np.testing.assert_array_equal(levels, [305, 311])  # Norris Lake at its winter level of 1000 feet, and Cove Lake
    np.testing.assert_allclose(pixels * np.prod(sample.grid.pixel_size_m()) / 1e6, [8.0, 0.3], rtol=0.05)


def with_mask(folder: Path, mask: np.ndarray, name: str = "n46e010.swb") -> Path:
    with zipfile.ZipFile(folder / "tile.zip", "w") as archive:
        archive.writestr("n46e010.hgt", b"")
        archive.writestr(name, mask.astype(np.uint8).tobytes())
    return folder / "tile.zip"


def test_the_water_mask_beside_a_tile_is_taken_as_it_is(tmp_path):
    mask = np.zeros((40, 50), np.uint8)
    mask[5:20, 10:30] = 255
    raster = dem(np.where(mask == 255, 3, rough(40, 50, seed=1)))
    found = read_water_mask(with_mask(tmp_path, mask), raster)
    assert found is not None
    np.testing.assert_array_equal(found, mask == 255)


def test_archives_and_files_without_a_mask_have_none(tmp_path):
    raster = dem(rough(10, 10, seed=1))
    assert read_water_mask(with_mask(tmp_path, np.zeros(100), "n46e010.num"), raster) is None
    assert read_water_mask(tmp_path / "tile.tif", raster) is None


def test_a_mask_of_another_size_or_the_wrong_way_around_is_refused(tmp_path):
    raster = dem(rough(10, 10, seed=1))
    with pytest.raises(RasterError, match="n46e010.swb has 99 values, the raster 100; fetch it again"):
        read_water_mask(with_mask(tmp_path, np.zeros(99)), raster)
    mask = np.full((10, 10), 255)
    mask[2:8, 2:8] = 0
    raster = dem(np.where(mask == 0, 3, rough(10, 10, seed=1)))
    with pytest.raises(RasterError, match="the water of .* is rougher than its land"):
        read_water_mask(with_mask(tmp_path, mask), raster)
