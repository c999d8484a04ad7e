import math

import numpy as np
import pytest
from synthetic import plane, rough

from demsr.errors import GridError
from demsr.pairs.degrade import block_mean


def slow_block_mean(hr: np.ndarray, scale: int) -> np.ndarray:
    lr = np.full((hr.shape[0] // scale, hr.shape[1] // scale), np.nan, np.float32)
    for row in range(lr.shape[0]):
        for col in range(lr.shape[1]):
            values = []
            for down in range(scale):
                for right in range(scale):
                    value = float(hr[row * scale + down, col * scale + right])
                    if not math.isnan(value):
                        values.append(value)
            if 2 * len(values) >= scale * scale:
                lr[row, col] = sum(values) / len(values)
    return lr


def test_block_mean_of_a_grid_computed_by_hand():
    hr = np.array([[1, 2, 10, 20], [3, 6, 30, 40]], np.float32)
    np.testing.assert_array_equal(block_mean(hr, scale=2), [[3, 25]])


def test_block_mean_keeps_a_constant():
    np.testing.assert_array_equal(block_mean(np.full((15, 20), -4321.5, np.float32), scale=5), np.full((3, 4), -4321.5))


def test_block_mean_keeps_a_plane_unbiased():
    lr = block_mean(plane(15, 20, level=100, per_row=2, per_col=-3), scale=5)
    row, col = np.indices((3, 4))
    np.testing.assert_allclose(lr, 100 + 2 * (5 * row + 2) - 3 * (5 * col + 2), atol=1e-4)


def test_block_mean_keeps_the_mean():
    hr = rough(40, 40)
    assert block_mean(hr, scale=5).mean(dtype=np.float64) == pytest.approx(hr.mean(dtype=np.float64), abs=1e-3)


@pytest.mark.parametrize("void_share", [0.1, 0.5, 0.8])
def test_block_mean_with_voids_equals_a_slow_loop(void_share):
    hr = rough(20, 30)
    hr[np.random.default_rng(1).random(hr.shape) < void_share] = np.nan
    np.testing.assert_allclose(block_mean(hr, scale=5), slow_block_mean(hr, 5), rtol=1e-6)


@pytest.mark.parametrize(("measured", "valid"), [(12, False), (13, True)])
def test_block_is_void_where_less_than_half_was_measured(measured, valid):
    hr = np.full(25, np.nan, np.float32)
    hr[:measured] = 7
    lr = block_mean(hr.reshape(5, 5), scale=5)
    assert np.isfinite(lr[0, 0]) == valid


@pytest.mark.parametrize("shape", [(14, 15), (15, 14)])
def test_sides_that_are_no_multiple_of_the_scale_are_refused(shape):
    with pytest.raises(
        GridError, match=f"HR patch is {shape[0]} x {shape[1]} pixels; sides must be multiples of scale=5"
    ):
        block_mean(np.zeros(shape, np.float32), scale=5)
