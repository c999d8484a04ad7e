import math

import numpy as np
import pytest
from synthetic import plane

from demsr.metrics.consistency import consistency_m, shift_px


def bump(rows: int, cols: int, *, east: float = 0.0, south: float = 0.0) -> np.ndarray:
    row, col = np.mgrid[:rows, :cols].astype(float)
    return 100 * np.exp(-((row - rows / 2 - south) ** 2 + (col - cols / 2 - east) ** 2) / 50)


def test_block_means_of_a_plane_are_its_input():
    hr = plane(20, 30, per_row=3, per_col=-2)
    lr = hr.reshape(4, 5, 6, 5).mean(axis=(1, 3))
    assert consistency_m(hr, lr) == pytest.approx(0, abs=1e-4)
    assert consistency_m(hr + 3, lr) == pytest.approx(3, rel=1e-5)


def test_consistency_leaves_blocks_with_a_void_out():
    hr = np.zeros((10, 10))
    hr[0, 0] = np.nan
    assert consistency_m(hr, np.array([[5.0, 1.0], [1.0, 1.0]])) == pytest.approx(1)
    assert math.isnan(consistency_m(hr[:5, :5], np.array([[5.0]])))


@pytest.mark.parametrize(("east", "south"), [(0, 0), (0.3, 0), (0, -0.2), (-0.1, 0.25)])
def test_shift_is_found_to_a_hundredth_of_a_pixel(east, south):
    found = shift_px(bump(60, 50, east=east, south=south) + 7, bump(60, 50))
    assert found == pytest.approx((east, south), abs=0.01)


def test_voids_do_not_move_anything():
    moved, truth = bump(60, 50, east=0.2), bump(60, 50)
    moved[20:24, 30:] = np.nan
    assert shift_px(moved, truth) == pytest.approx((0.2, 0), abs=0.01)
    assert all(math.isnan(value) for value in shift_px(np.full((4, 4), np.nan), truth[:4, :4]))
