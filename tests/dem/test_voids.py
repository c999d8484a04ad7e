import numpy as np
import pytest
from synthetic import rough

from demsr.dem.voids import fill_voids


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
