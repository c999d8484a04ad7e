import math

import numpy as np
import pytest
from synthetic import plane, rough

from demsr.metrics.terrain import slope_deg


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
