import math

import pyproj
import pytest
from synthetic import ARCSEC_3, grid

from demsr.dem.grid import metres_per_degree
from demsr.errors import GridError


def test_first_centre_is_half_a_cell_inside_the_corner():
    made = grid(4, 6, west=100, north=40, pixel_width=2, pixel_height=4, crs="EPSG:32633")
    assert made.centre(0, 0) == (101, 38)
    assert (made.south, made.east) == (24, 112)


@pytest.mark.parametrize("place", [(0, 0), (3, 5), (-2, 9), (1.25, 2.5)])
def test_index_is_the_inverse_of_centre(place):
    made = grid(4, 6)
    assert made.index(*made.centre(*place)) == pytest.approx(place, abs=1e-6)


def test_window_keeps_every_pixel_where_it_was():
    made = grid(10, 12)
    part = made.window(3, 4, 5, 6)
    assert (part.rows, part.cols) == (5, 6)
    assert part.centre(0, 0) == pytest.approx(made.centre(3, 4))
    assert part.centre(4, 5) == pytest.approx(made.centre(7, 9))


@pytest.mark.parametrize("window", [(-1, 0, 2, 2), (0, -1, 2, 2), (3, 0, 2, 2), (0, 5, 2, 2)])
def test_window_beyond_the_edge_is_refused(window):
    with pytest.raises(GridError, match=r"leaves the grid of 4 x 6 cells"):
        grid(4, 6).window(*window)


def test_refined_cell_has_its_centre_in_the_middle_pixel_of_its_block():
    coarse = grid(3, 4)
    fine = coarse.refine(5)
    assert (fine.rows, fine.cols) == (15, 20)
    assert fine.centre(5 * 1 + 2, 5 * 3 + 2) == pytest.approx(coarse.centre(1, 3))
    assert (fine.south, fine.east) == pytest.approx((coarse.south, coarse.east))


def test_refined_grid_keeps_edges_and_registration():
    made = grid(3, 4, registration="point")
    fine = made.refine(5)
    assert (fine.west, fine.north, fine.registration) == (made.west, made.north, "point")
    assert (fine.pixel_width, fine.pixel_height) == pytest.approx((made.pixel_width / 5, made.pixel_height / 5))


def test_spacing_of_three_arc_seconds_is_three():
    assert grid(2, 2).pixel_size_arcsec() == pytest.approx((3, 3))


def test_projected_grid_has_no_spacing_in_arc_seconds():
    with pytest.raises(GridError, match="needs geographic coordinates"):
        grid(2, 2, crs="EPSG:32633", pixel_width=90, pixel_height=90).pixel_size_arcsec()


def test_pixel_size_of_a_projected_grid_is_turned_into_metres():
    feet = grid(2, 2, crs="EPSG:2263", pixel_width=100, pixel_height=200)  # New York Long Island, US survey feet
    assert feet.pixel_size_m() == pytest.approx((100 * 1200 / 3937, 200 * 1200 / 3937), rel=1e-3)


def test_pixel_size_of_web_mercator_shrinks_with_latitude():
    north_m = 6_378_137 * math.log(math.tan(math.radians(45 + 60 / 2)))
    made = grid(2, 2, crs="EPSG:3857", west=0, north=north_m + 100, pixel_width=100, pixel_height=100)
    assert made.pixel_size_m() == pytest.approx((50, 50), rel=5e-3)


@pytest.mark.parametrize("latitude", [-75, -30, 0, 45, 80])
def test_degree_lengths_agree_with_the_geodesic(latitude):
    geod = pyproj.Geod(ellps="WGS84")
    half = 5e-4
    lon_m = geod.inv(-half, latitude, half, latitude)[2] / (2 * half)
    lat_m = geod.inv(0, latitude - half, 0, latitude + half)[2] / (2 * half)
    assert metres_per_degree(latitude) == pytest.approx((lon_m, lat_m), abs=0.1)


def test_pixel_size_in_metres_is_that_of_the_middle_row():
    made = grid(1200, 10, north=60.5)
    assert made.pixel_size_m()[0] == pytest.approx(metres_per_degree(60)[0] * ARCSEC_3)


def test_bounds_of_a_geographic_grid_are_its_edges():
    made = grid(20, 40)
    assert made.lonlat_bounds() == (10, made.south, made.east, 50)


def test_bounds_of_a_projected_grid_hold_all_its_corners():
    made = grid(100, 80, crs="EPSG:32633", west=400_000, north=6_000_000, pixel_width=500, pixel_height=500)
    west, south, east, north = made.lonlat_bounds()
    to_lonlat = pyproj.Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    for x in (made.west, made.east):
        for y in (made.south, made.north):
            lon, lat = to_lonlat.transform(x, y)
            assert west - 1e-9 <= lon <= east + 1e-9
            assert south - 1e-9 <= lat <= north + 1e-9


def test_bounds_across_the_antimeridian_stay_narrow():
    made = grid(100, 100, crs="EPSG:32660", west=830_000, north=10_000, pixel_width=100, pixel_height=100)
    west, _, east, _ = made.lonlat_bounds()
    assert west < 180 < east
    assert east - west < 0.1


def test_geographic_and_projected_are_told_apart():
    assert grid(2, 2).is_geographic
    assert not grid(2, 2, crs="EPSG:32633").is_geographic


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (-1, 5)])
def test_grid_without_cells_is_refused(shape):
    with pytest.raises(GridError, match="both sides must be at least 1"):
        grid(*shape)


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("side", ["pixel_width", "pixel_height"])
def test_grid_with_impossible_cells_is_refused(side, wrong):
    with pytest.raises(GridError, match="must be north-up with a finite corner"):
        grid(2, 2, **{side: wrong})


@pytest.mark.parametrize("corner", [{"west": math.inf}, {"north": math.nan}, {"west": -math.inf, "north": math.inf}])
def test_grid_without_a_place_is_refused(corner):
    with pytest.raises(GridError, match="finite corner"):
        grid(2, 2, **corner)


def test_unknown_crs_is_refused():
    with pytest.raises(GridError, match="'nowhere' is not known to PROJ"):
        _ = grid(2, 2, crs="nowhere").is_geographic
