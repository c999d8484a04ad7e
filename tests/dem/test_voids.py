import numpy as np
import pytest
from synthetic import plane, rough

from demsr.dem.voids import fill_voids


def test_grid_without_voids_is_returned_as_it_is():
    elevation = rough(6, 7)
    assert fill_voids(elevation) is elevation


@pytest.mark.parametrize("seed", range(3))
def test_plane_with_holes_becomes_the_whole_plane(seed):
    elevation = plane(30, 40, level=-4000, per_row=35, per_col=-60)
    holes = np.random.default_rng(seed).random((30, 40)) < 0.5
    holes[5:14, 20:33] = True
    filled = fill_voids(np.where(holes, np.float32(np.nan), elevation))
    np.testing.assert_allclose(filled, elevation, rtol=0, atol=1e-3)


def test_void_takes_the_plane_of_the_smallest_neighbourhood_that_has_one():
    elevation = rough(9, 11)
    elevation[4, 5] = np.nan
    row, col = np.mgrid[-2:3, -2:3]
    weights = ((1 - (row / 3) ** 2) * (1 - (col / 3) ** 2)).ravel()  # roots of those that the squares are weighted with
    heights = elevation[2:7, 3:8].ravel()
    seen = np.isfinite(heights)
    design = np.stack((np.ones(25), row.ravel(), col.ravel()), axis=1) * weights[:, None]
    expected = np.linalg.lstsq(design[seen], (heights * weights)[seen], rcond=None)[0][0]
    assert fill_voids(elevation)[4, 5] == pytest.approx(expected, abs=1e-3)


def test_nothing_beyond_the_reach_has_any_influence():
    elevation = rough(40, 40)
    elevation[10:30, 10:30] = np.nan
    near = elevation[12 - 5 :, 12 - 5 :].copy()
    filled = fill_voids(elevation, reach_px=5)
    np.testing.assert_allclose(fill_voids(near, reach_px=5)[5, 5], filled[12, 12], rtol=0, atol=1e-4)
    elevation[:7] += 1000
    np.testing.assert_allclose(fill_voids(elevation, reach_px=5)[12, 12], filled[12, 12], rtol=0, atol=1e-4)


def test_line_of_pixels_has_no_plane_and_gives_its_weighted_mean():
    elevation = np.full((5, 5), np.nan, np.float32)
    elevation[2, 1:4] = 10, 20, 30
    np.testing.assert_allclose(fill_voids(elevation, reach_px=2)[1, 2], 20, atol=1e-5)


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
    np.testing.assert_array_equal(fill_voids(elevation, reach_px=3)[0, 5:], 20)
