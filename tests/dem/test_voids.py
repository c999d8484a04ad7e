import numpy as np
import pytest
from synthetic import rough

from demsr.dem.voids import fill_voids, flat_water


def test_grid_without_voids_is_returned_as_it_is():
    elevation = rough(6, 7)
    assert fill_voids(elevation) is elevation


@pytest.mark.parametrize("seed", range(3))
def test_void_takes_a_nearest_measured_value(seed):
    elevation = rough(9, 11, seed=seed)
    elevation[np.random.default_rng(seed).random((9, 11)) < 0.6] = np.nan
    filled = fill_voids(elevation)
    measured = np.argwhere(np.isfinite(elevation))
    for place in np.argwhere(np.isnan(elevation)):
        squares = ((measured - place) ** 2).sum(axis=1)
        nearest = [elevation[tuple(other)] for other in measured[squares == squares.min()]]
        assert filled[tuple(place)] in nearest


def test_filling_changes_no_measured_pixel():
    elevation = rough(9, 11)
    elevation[2:5, 3:6] = np.nan
    seen = np.isfinite(elevation)
    np.testing.assert_array_equal(fill_voids(elevation)[seen], elevation[seen])


def test_filling_does_not_touch_its_input():
    elevation = np.array([[1, np.nan]], np.float32)
    fill_voids(elevation)
    assert np.isnan(elevation[0, 1])


def test_void_out_of_reach_takes_the_mean_level():
    elevation = np.full((1, 10), np.nan, np.float32)
    elevation[0, :2] = 10, 30
    np.testing.assert_array_equal(fill_voids(elevation, reach_px=3)[0], [10, 30, 30, 30, 30, 20, 20, 20, 20, 20])


def test_water_is_found_where_enough_pixels_join_by_their_sides():
    elevation = np.ones((5, 6), np.float32)
    elevation[0, :4] = 0  # four in a row
    elevation[2, 0] = elevation[3, 1] = elevation[4, 2] = 0  # three that touch by corners only
    water = flat_water(elevation, level_m=0, min_pixels=4)
    assert water[0, :4].all()
    assert water.sum() == 4


@pytest.mark.parametrize(("min_pixels", "found"), [(3, 3), (4, 0)])
def test_water_smaller_than_the_limit_is_kept_as_ground(min_pixels, found):
    elevation = np.ones((4, 4), np.float32)
    elevation[1, 1:] = 0
    assert flat_water(elevation, level_m=0, min_pixels=min_pixels).sum() == found


def test_water_is_exactly_at_its_level():
    assert not flat_water(np.full((9, 9), 0.01, np.float32), level_m=0, min_pixels=1).any()
    assert flat_water(np.full((9, 9), 372, np.float32), level_m=372, min_pixels=81).all()


def test_void_is_no_water():
    elevation = np.full((5, 5), np.nan, np.float32)
    assert not flat_water(elevation, level_m=0, min_pixels=1).any()


def test_ground_is_no_water_even_where_all_of_it_joins():
    assert not flat_water(np.ones((20, 20), np.float32), level_m=0, min_pixels=1).any()
