from dataclasses import replace
from itertools import product

import numpy as np
import pyproj
import pytest
from synthetic import rough

from demsr.dem.average import average, finer_than, product_grid
from demsr.dem.dem import Dem
from demsr.dem.grid import Grid, metres_per_degree
from demsr.dem.read.raster import read_dem
from demsr.errors import GridError

SECOND = 1 / 3600
LON, LAT = 10.05, 49.95  # where every source below lies


def seconds(width, height, registration="area", *, rows=160, cols=190, west=LON - 0.03, north=LAT + 0.025):
    """Return a geographic grid of so many arc-seconds; samples of a "point" grid begin at its corner."""
    half = 1 / 2 if registration == "point" else 0
    return Grid(
        rows=rows,
        cols=cols,
        west=west - half * width * SECOND,
        north=north + half * height * SECOND,
        pixel_width=width * SECOND,
        pixel_height=height * SECOND,
        crs="EPSG:4326",
        registration=registration,
    )


def utm(size, *, rows=150, cols=160):
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True).transform(LON, LAT)
    place = {"west": x - cols / 2 * size, "north": y + rows / 2 * size + 7, "crs": "EPSG:32632"}
    return Grid(rows=rows, cols=cols, pixel_width=size, pixel_height=size, **place)


SOURCES = {
    '1" samples': seconds(1, 1, "point", rows=181, cols=217),
    '1" cells': seconds(1, 1, rows=180, cols=216),
    '1.11" cells': seconds(1.1111121, 1.1111121, west=LON - 0.030013, north=LAT + 0.025008),
    '1.98" x 1.53" cells': seconds(1.979368, 1.52904, west=LON - 0.050271),
    '2" samples': seconds(2, 2, "point", rows=100, cols=120),
    "30 m": utm(30.0),
    "50 m": utm(50.0, rows=110),
}
each_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())


def dem(elevation, grid):
    return Dem(elevation_m=np.asarray(elevation, np.float32), grid=grid, vertical_datum="EGM96", source="made")


def centres(grid, crs="EPSG:4326"):
    """Return x and y of all pixel centres in any CRS, (rows, cols) each."""
    row, col = np.indices((grid.rows, grid.cols))
    return pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True).transform(*grid.centre(row, col))


def tilted(row, col, level=100.0):
    return level + 2 * row - 3 * col


def bump(grid, lon, lat):
    """Return 100 m of a Gaussian with a standard deviation of three cells of 3 arc-seconds."""
    x, y = centres(grid)
    return dem(100 * np.exp(-((x - lon) ** 2 + (y - lat) ** 2) / 2 / (9 * SECOND) ** 2), grid)


def centroid(raster):
    row, col = np.indices(raster.elevation_m.shape)
    weight = np.nan_to_num(raster.elevation_m)
    return np.array([(row * weight).sum(), (col * weight).sum()]) / weight.sum()


def slow_overlaps(target, source):
    """Return the share of each target cell in each source cell, (rows, cols, source rows, source cols)."""

    def along(start, size, count, source_start, source_size, source_count):
        for cell in range(count):
            low, high = start + cell * size, start + (cell + 1) * size
            ends = [(source_start + k * source_size, source_start + (k + 1) * source_size) for k in range(source_count)]
            yield [max(0.0, min(high, b) - max(low, a)) / size for a, b in ends]

    rows = along(-target.north, target.pixel_height, target.rows, -source.north, source.pixel_height, source.rows)
    cols = along(target.west, target.pixel_width, target.cols, source.west, source.pixel_width, source.cols)
    return np.einsum("ik,jl->ijkl", list(rows), list(cols))


def test_srtm_tile_gives_the_cells_of_its_degree():
    tile = seconds(1, 1, "point", rows=3601, cols=3601, west=-125, north=49)
    made = product_grid(tile)
    assert (made.rows, made.cols, made.west, made.north) == (1200, 1200, -125, 49)
    assert (made.crs, made.registration, made.is_three_arcsec) == ("EPSG:4326", "area", True)


@pytest.mark.parametrize(
    ("edge", "first"), [(10, 12000), (10 + 1e-10, 12000), (10 + 1e-5, 12001), (10 - 1e-5, 12000), (-0.002, -2)]
)
def test_product_grid_begins_at_the_first_whole_cell(edge, first):
    made = product_grid(seconds(1, 1, west=edge, north=-edge))
    assert (made.west, made.north) == (first / 1200, -first / 1200)


@each_source
def test_product_grid_is_the_largest_inside_the_outline(source):
    made = product_grid(source)
    west, south, east, north = source.lonlat_bounds()
    for room in (made.west - west, west + 3 * SECOND - made.west, east - made.east, made.east + 3 * SECOND - east):
        assert room > -1e-9
    for room in (north - made.north, made.north + 3 * SECOND - north, made.south - south):
        assert room > -1e-9
    assert made.west * 1200 == pytest.approx(round(made.west * 1200), abs=1e-9)
    assert made.north * 1200 == pytest.approx(round(made.north * 1200), abs=1e-9)


@pytest.mark.parametrize(
    ("crs", "expected"), [("EPSG:26911", "EPSG:4269"), ("EPSG:32611", "EPSG:4326"), ("EPSG:4269", "EPSG:4269")]
)
def test_product_grid_keeps_the_horizontal_datum(crs, expected):
    source = seconds(1, 1) if crs == "EPSG:4269" else utm(30.0)
    assert product_grid(replace(source, crs=crs)).crs == expected


def test_product_grid_of_a_datum_without_code_can_be_averaged_onto():
    source = replace(utm(30.0), crs="+proj=utm +zone=32 +ellps=bessel")
    made = product_grid(source)
    assert np.nanmax(average(dem(np.full((150, 160), 7), source), made).elevation_m) == 7


@pytest.mark.parametrize("source", [seconds(1, 1, rows=9, cols=2), seconds(1, 1, rows=4, north=50 + 2 * SECOND)])
def test_raster_without_a_whole_cell_is_refused(source):
    with pytest.raises(GridError, match="no whole cell of 3 arc-seconds fits"):
        product_grid(source)


def test_raster_outside_of_its_projection_is_refused():
    with pytest.raises(GridError, match="no whole cell"):
        product_grid(replace(utm(30.0), west=1e9, north=1e9))


def test_raster_that_is_not_tied_to_the_earth_is_refused():
    with pytest.raises(GridError, match="not tied to the Earth"):
        product_grid(replace(utm(30.0), crs='LOCAL_CS["site",UNIT["metre",1]]'))


@pytest.mark.parametrize("level", [0.0, 1234.5, -10_911.0])
@each_source
def test_constant_stays_constant(source, level):
    made = average(dem(np.full((source.rows, source.cols), level), source), product_grid(source)).elevation_m
    assert set(made[np.isfinite(made)]) == {level}
    assert np.isfinite(made).mean() > 0.8


@each_source
def test_plane_stays_that_plane_up_to_the_edges(source):
    raster = dem(tilted(*np.indices((source.rows, source.cols))), source)
    made = average(raster, product_grid(source))
    x, y = centres(made.grid, source.crs)
    truth = tilted(*source.index(x, y))
    assert np.nanmax(abs(made.elevation_m - truth)) <= 2e-4
    assert made.valid.mean() > 0.8


@each_source
def test_plane_of_a_millimetre_survives_at_ten_kilometres_depth(source):
    raster = dem(tilted(*np.indices((source.rows, source.cols)) / 3000, level=-10_000), source)
    made = average(raster, product_grid(source))
    truth = tilted(*(place / 3000 for place in source.index(*centres(made.grid, source.crs))), level=-10_000)
    assert np.nanmax(abs(made.elevation_m - truth)) <= np.spacing(np.float32(10_000))


@each_source
def test_bump_stays_where_it_is(source):
    made = average(bump(source, LON, LAT), product_grid(source))
    np.testing.assert_allclose(centroid(made), made.grid.index(LON, LAT), atol=0.05)


@each_source
def test_bump_moves_with_the_shift(source):
    made = average(bump(source, LON, LAT), product_grid(source), shift_m=(150, -70))
    lon_m, lat_m = metres_per_degree(LAT)
    np.testing.assert_allclose(centroid(made), made.grid.index(LON + 150 / lon_m, LAT - 70 / lat_m), atol=0.05)


@pytest.mark.parametrize(
    ("step", "registration", "expected"),
    [
        (1, "point", [1 / 6, 1 / 3, 1 / 3, 1 / 6, 0, 0, 0]),
        (2, "point", [1 / 3, 7 / 12, 1 / 12, 0, 0, 0, 0]),
        (1, "area", [1 / 3, 1 / 3, 1 / 3, 0, 0, 0, 0]),
        (2, "area", [17 / 24, 1 / 3, -1 / 24, 0, 0, 0, 0]),
    ],
)
def test_impulses_show_the_weights_of_the_first_cell(step, registration, expected):
    source = seconds(step, step, registration, rows=7, cols=7)
    target = product_grid(source)
    found = np.zeros((7, 7))
    for place in np.ndindex(7, 7):
        impulse = np.zeros((7, 7))
        impulse[place] = 1
        found[place] = average(dem(impulse, source), target).elevation_m[0, 0]
    np.testing.assert_allclose(found, np.outer(expected, expected), atol=1e-7)


@pytest.mark.parametrize("step", [0.5, 0.75, 1, 1.5, 3])
def test_union_of_cells_gets_its_block_mean(step):
    size = int(3 / step) if step != 0.75 else 4
    elevation = rough(4 * size, 5 * size)
    source = seconds(step, step, rows=4 * size, cols=5 * size)
    made = average(dem(elevation, source), product_grid(source)).elevation_m
    for row, col in np.ndindex(4, 5):
        block = elevation[row * size : (row + 1) * size, col * size : (col + 1) * size]
        assert made[row, col] == pytest.approx(block.mean(dtype=np.float64), abs=1e-4)


def test_mean_is_kept_where_no_cell_is_a_union():
    elevation = rough(18, 27)
    source = seconds(4 / 3, 4 / 3, rows=18, cols=27)
    made = average(dem(elevation, source), product_grid(source)).elevation_m
    assert made.shape == (8, 12)
    assert made.mean(dtype=np.float64) == pytest.approx(elevation.mean(dtype=np.float64), abs=1e-4)


@each_source
def test_void_reaches_no_further_than_the_cells_it_touches(source):
    whole = rough(source.rows, source.cols)
    middle = source.rows // 2, source.cols // 2
    holed = whole.copy()
    holed[middle] = np.nan
    before, after = (average(dem(elevation, source), product_grid(source)) for elevation in (whole, holed))
    x, y = pyproj.Transformer.from_crs(source.crs, "EPSG:4326", always_xy=True).transform(*source.centre(*middle))
    row, col = after.grid.index(x, y)
    changed = np.argwhere(abs(after.elevation_m - before.elevation_m) > 1e-6)
    assert 1 <= len(changed) <= 9
    assert abs(changed - (row, col)).max() <= 2
    np.testing.assert_array_equal(after.valid, before.valid)


def test_cell_with_a_void_is_the_mean_of_the_rest():
    elevation = rough(9, 9)
    elevation[4, 5] = np.nan
    source = seconds(1, 1, rows=9, cols=9)
    made = average(dem(elevation, source), product_grid(source)).elevation_m
    assert made[1, 1] == pytest.approx(np.nanmean(elevation[3:6, 3:6], dtype=np.float64), abs=1e-4)


def test_samples_around_a_void_keep_their_weights():
    elevation = np.array([[8.0, np.nan, 2.0, 6.0]] * 4)
    source = seconds(1, 1, "point", rows=4, cols=4)
    made = average(dem(elevation, source), product_grid(source)).elevation_m
    assert made == pytest.approx((8 / 2 + 2 + 6 / 2) / 2)


def test_cell_is_void_where_less_than_half_was_measured():
    elevation = np.ones((2, 6))
    elevation[:, 0] = elevation[:, 2] = elevation[0, 3] = np.nan
    source = seconds(1.5, 1.5, rows=2, cols=6)
    made = average(dem(elevation, source), product_grid(source)).elevation_m
    np.testing.assert_array_equal(made, [[1, np.nan, 1]])


def test_partly_measured_cell_is_the_mean_over_the_overlaps():
    source = seconds(2, 1.6, rows=19, cols=16)
    target = product_grid(source)
    elevation = rough(19, 16)
    elevation[np.random.default_rng(1).random(elevation.shape) < 0.3] = np.nan
    void = np.isnan(elevation)
    shares = slow_overlaps(target, source)
    made = average(dem(elevation, source), target).elevation_m
    partly = [place for place in np.ndindex(made.shape) if (shares[place] * void).sum() > 1e-9]
    assert len(partly) > 20
    for place in partly:
        measured = np.where(void, 0, shares[place])
        mean = (measured * np.nan_to_num(elevation)).sum() / max(measured.sum(), 1e-9)
        assert made[place] == pytest.approx(mean if measured.sum() >= 0.5 else np.nan, abs=1e-4, nan_ok=True)


@each_source
def test_constant_stays_constant_among_voids(source):
    elevation = np.full((source.rows, source.cols), -77.0)
    elevation[np.random.default_rng(2).random(elevation.shape) < 0.3] = np.nan
    made = average(dem(elevation, source), product_grid(source)).elevation_m
    np.testing.assert_allclose(made[np.isfinite(made)], -77, atol=1e-5)
    assert np.isfinite(made).mean() > 0.7


@each_source
def test_border_of_the_measured_half_runs_through_the_centres_of_cells(source):
    elevation = np.ones((source.rows, source.cols))
    first = source.cols // 2
    elevation[:, :first] = np.nan
    made = average(dem(elevation, source), product_grid(source))
    row, col = source.index(*centres(made.grid, source.crs))
    inside = (row > 3) & (row < source.rows - 4) & (col < source.cols - 4)
    assert made.valid[inside & (col > first - 0.5 + 0.1)].all()
    assert not made.valid[inside & (col < first - 0.5 - 0.1)].any()


@each_source
def test_raster_without_measurement_stays_void(source):
    assert not average(dem(np.full((source.rows, source.cols), np.nan), source), product_grid(source)).valid.any()


@each_source
def test_cells_beyond_the_raster_are_void_and_those_inside_are_not(source):
    inner = product_grid(source)
    step = inner.pixel_width
    corner = {"west": inner.west - 4 * step, "north": inner.north + 4 * step}
    wide = replace(inner, rows=inner.rows + 8, cols=inner.cols + 8, **corner)
    valid = average(dem(np.ones((source.rows, source.cols)), source), wide).valid
    corners = [np.indices(valid.shape) + np.reshape(way, (2, 1, 1)) / 2 for way in product((-1, 1), repeat=2)]
    to_source = pyproj.Transformer.from_crs(wide.crs, source.crs, always_xy=True)
    places = np.array([source.index(*to_source.transform(*wide.centre(*corner))) for corner in corners])
    room = 1 / 2 if source.is_geographic and source.registration == "area" else 0
    last = np.array([source.rows - 1, source.cols - 1])[:, None, None]
    beyond = np.maximum(-places, places - last).max(axis=(0, 1)) - room  # in source pixels, of the outermost corner
    assert valid[beyond < 1e-3].all()
    assert not valid[beyond > (1e-3 if source.is_geographic else 0.5)].any()


def test_target_far_away_is_void():
    for source in SOURCES.values():
        away = replace(product_grid(SOURCES['1" cells']), west=LON + 1, rows=3)
        assert not average(dem(np.ones((source.rows, source.cols)), source), away).valid.any()


def test_target_that_leaves_the_projection_is_void():
    target = Grid(rows=1, cols=110, west=0, north=1, pixel_width=1, pixel_height=1, crs="EPSG:4326")
    assert not average(dem(np.ones((150, 160)), utm(30.0)), target).valid.any()


@pytest.mark.parametrize(
    ("target", "source", "finer"),
    [
        (seconds(3, 3), seconds(3, 3), False),
        (seconds(3, 3), seconds(3.02, 3.02), False),
        (seconds(3, 3), seconds(3.04, 1), True),
        (seconds(3, 3), seconds(1, 3.75, "point"), True),
        (seconds(3, 3), utm(50.0), False),
        (seconds(3, 3), utm(61.0), True),  # 3 arc-seconds of longitude are 59.9 m at this latitude
        (seconds(2, 1), utm(30.0), False),
        (seconds(2, 0.9), utm(30.0), True),
        (utm(90.0), utm(30.0), False),
        (seconds(3, 3), replace(utm(90.0), crs="EPSG:3857", west=LON * 111_320, north=6_440_000), False),
    ],
)
def test_finer_is_what_has_smaller_cells_along_either_axis(target, source, finer):
    assert finer_than(target, source) is finer


@pytest.mark.parametrize("source", [seconds(3.75, 3.75), seconds(1, 4, "point"), utm(90.0)])
def test_finer_target_is_refused(source):
    with pytest.raises(GridError, match=r"made: a target cell spans .* pixels, needs one; give a coarser target"):
        average(dem(np.ones((source.rows, source.cols)), source), product_grid(source))


@pytest.mark.parametrize("crs", ["EPSG:4269", "EPSG:32632"])
def test_target_in_another_crs_is_refused(crs):
    source = seconds(1, 1, rows=12, cols=12)
    with pytest.raises(GridError, match=f"the target is in '{crs}'; give a target in 'EPSG:4326'"):
        average(dem(np.ones((12, 12)), source), replace(product_grid(source), crs=crs))


@each_source
@pytest.mark.parametrize("turn", [-360, 360])
def test_whole_turns_of_longitude_make_no_difference(source, turn):
    target = product_grid(source)
    raster = bump(source, LON, LAT)
    turned = average(raster, replace(target, west=target.west + turn))
    assert turned.grid.west == target.west + turn
    np.testing.assert_allclose(turned.elevation_m, average(raster, target).elevation_m, atol=1e-4)


def test_projected_raster_across_the_antimeridian_gives_one_piece():
    source = replace(utm(30.0, rows=60, cols=300), crs="EPSG:32660", west=828_000.0, north=500_000.0)
    made = average(dem(tilted(*np.indices((60, 300))), source), product_grid(source))
    assert made.grid.west < 180 < made.grid.east
    truth = tilted(*source.index(*centres(made.grid, source.crs)))
    assert np.nanmax(abs(made.elevation_m - truth)) <= 2e-4
    assert made.valid.mean() > 0.8


@each_source
def test_blocks_of_rows_fit_together(source, monkeypatch):
    raster = dem(rough(source.rows, source.cols), source)
    whole = average(raster, product_grid(source)).elevation_m
    monkeypatch.setattr("demsr.dem.average._BLOCK_PIXELS", 5000)
    np.testing.assert_allclose(average(raster, product_grid(source)).elevation_m, whole, atol=1e-3)


@each_source
def test_result_is_of_areas_and_keeps_datum_and_source(source):
    raster = dem(np.ones((source.rows, source.cols)), source)
    made = average(raster, replace(product_grid(source), registration="point"))
    assert made.grid == product_grid(source)
    assert (made.vertical_datum, made.source) == ("EGM96", "made")


def test_srtm_cells_are_the_weighted_means_of_their_sixteen_samples(shared):
    raster = read_dem(shared / "data/land/srtm1_N48W125_olympic_peninsula.tif", vertical_datum="EGM96")
    raster = replace(raster, grid=replace(raster.grid, registration="point"))
    made = average(raster, product_grid(raster.grid))
    assert (made.grid.rows, made.grid.cols, made.grid.west, made.grid.north) == (600, 1200, -125, 48.5)
    weights = [0.5, 1, 1, 0.5]
    for row, col in [(0, 0), (599, 1199), (400, 900), (123, 456), (333, 777)]:
        total = 0.0
        for i, j in np.ndindex(4, 4):
            total += weights[i] * weights[j] * float(raster.elevation_m[3 * row + i, 3 * col + j])
        assert made.elevation_m[row, col] == pytest.approx(total / 9, abs=1e-4)
