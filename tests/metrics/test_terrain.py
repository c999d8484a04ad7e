import math

import numpy as np
import pytest
from synthetic import plane, rough

from demsr.metrics.terrain import aspect_deg, roughness_m, slope_deg, terrain_errors


def slow_slope(z: np.ndarray, width: float, height: float) -> np.ndarray:
    result = np.full((z.shape[0] - 2, z.shape[1] - 2), np.nan)
    for row in range(1, z.shape[0] - 1):
        for col in range(1, z.shape[1] - 1):
            if np.isnan(z[row - 1 : row + 2, col - 1 : col + 2]).any():
                continue
            dx = dy = 0.0
            for step, weight in ((-1, 1), (0, 2), (1, 1)):
                dx += weight * (float(z[row + step, col + 1]) - float(z[row + step, col - 1]))
                dy += weight * (float(z[row + 1, col + step]) - float(z[row - 1, col + step]))
            result[row - 1, col - 1] = math.degrees(math.atan(math.hypot(dx / (8 * width), dy / (8 * height))))
    return result


@pytest.mark.parametrize(("per_row", "per_col"), [(0, 0), (30, 0), (0, -20), (30, 40)])
def test_slope_of_a_plane_is_its_own(per_row, per_col):
    slope = slope_deg(plane(6, 7, per_row=per_row, per_col=per_col), pixel_width_m=60, pixel_height_m=90)
    expected = math.degrees(math.atan(math.hypot(per_col / 60, per_row / 90)))
    assert slope.shape == (4, 5)
    np.testing.assert_allclose(slope, expected, rtol=1e-6)


def test_slope_with_voids_equals_a_slow_loop():
    elevation = rough(9, 8)
    elevation[2, 3] = elevation[7, 0] = np.nan
    np.testing.assert_allclose(
        slope_deg(elevation, pixel_width_m=60, pixel_height_m=90), slow_slope(elevation, 60, 90), rtol=1e-9
    )


def test_slope_is_void_where_only_the_middle_pixel_is():
    elevation = plane(3, 3)
    elevation[1, 1] = np.nan
    assert np.isnan(slope_deg(elevation, pixel_width_m=90, pixel_height_m=90)).all()


def test_slope_does_not_depend_on_the_level():
    elevation = rough(6, 6, level=0)
    low, high = (slope_deg(elevation + level, pixel_width_m=90, pixel_height_m=90) for level in (0, 4096))
    np.testing.assert_allclose(low, high, atol=1e-3)


def test_slope_of_a_batch_is_that_of_its_members():
    batch = np.stack([rough(6, 7, seed=seed) for seed in range(3)])[:, None]
    slopes = slope_deg(batch, pixel_width_m=60, pixel_height_m=90)
    assert slopes.shape == (3, 1, 4, 5)
    for index in range(3):
        np.testing.assert_array_equal(slopes[index, 0], slope_deg(batch[index, 0], pixel_width_m=60, pixel_height_m=90))


@pytest.mark.parametrize(("per_row", "per_col", "facing"), [(0, -60, 90), (90, 0, 0), (-90, 0, 180), (90, 60, 315)])
def test_aspect_of_a_plane_is_where_it_falls_to(per_row, per_col, facing):
    aspect = aspect_deg(plane(5, 6, per_row=per_row, per_col=per_col), pixel_width_m=60, pixel_height_m=90)
    np.testing.assert_allclose(aspect, facing, atol=1e-3)


def test_roughness_is_the_range_of_three_by_three_pixels():
    elevation = rough(7, 6)
    elevation[3, 3] = np.nan
    slow = np.array([[np.ptp(elevation[row : row + 3, col : col + 3]) for col in range(4)] for row in range(5)])
    np.testing.assert_allclose(roughness_m(elevation), slow)


def test_terrain_errors_of_a_steeper_and_turned_plane():
    truth = plane(6, 6, per_row=90, per_col=0)
    found = terrain_errors(plane(6, 6, per_row=0, per_col=60), truth, pixel_width_m=60, pixel_height_m=90)
    assert found["aspect_rmse_deg"] == pytest.approx(90, rel=1e-5)
    assert found["slope_rmse_deg"] == pytest.approx(0, abs=1e-4)
    assert found["roughness_rmse_m"] == pytest.approx(180 - 120)


def test_aspect_across_north_differs_by_the_short_way():
    west, east = (plane(6, 6, per_row=90, per_col=sign) for sign in (-1, 1))
    found = terrain_errors(west, east, pixel_width_m=60, pixel_height_m=90)
    assert found["aspect_rmse_deg"] == pytest.approx(2 * math.degrees(math.atan(1 / 60)), rel=1e-3)


def test_flat_truth_has_no_aspect():
    found = terrain_errors(plane(6, 6, per_row=0, per_col=60), np.zeros((6, 6)), pixel_width_m=60, pixel_height_m=90)
    assert math.isnan(found["aspect_rmse_deg"])
    assert found["slope_rmse_deg"] == pytest.approx(45)
