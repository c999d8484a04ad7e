import numpy as np
import pytest
import torch
from torch import nn

from demsr.errors import CheckpointError
from demsr.model.baselines import Bicubic
from demsr.model.predict import restore_voids, super_resolve_array


class Constant(nn.Module):
    """Returns the mean of what it sees, and remembers that it saw no NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, lr):
        assert bool(lr.isfinite().all())
        return lr.mean().expand(1, 1, 5 * lr.shape[2], 5 * lr.shape[3])


@pytest.mark.parametrize(("row", "col"), [(0, 0), (3, 4), (5, 6)])
def test_a_void_pixel_becomes_exactly_twenty_five_void_pixels(row, col):
    lr = np.arange(42, dtype=np.float32).reshape(6, 7)
    lr[row, col] = np.nan
    sr = super_resolve_array(lr, Constant())
    expected = np.zeros((30, 35), dtype=bool)
    expected[5 * row : 5 * row + 5, 5 * col : 5 * col + 5] = True
    np.testing.assert_array_equal(np.isnan(sr), expected)


def test_nets_without_parameters_run_where_their_buffers_are():
    lr = np.full((3, 4), 7, dtype=np.float32)
    np.testing.assert_allclose(super_resolve_array(lr, Bicubic()), np.full((15, 20), 7), atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_where_the_input_is_measured_are_refused(value):
    void = np.array([[True, False], [False, False]])
    sr = np.ones((1, 10, 10), np.float32)
    sr[0, 0, 0] = value  # in a void
    assert np.isnan(restore_voids(sr, void)).sum() == 25
    sr[0, 9, 9] = value
    with pytest.raises(CheckpointError, match="the model gives 1 values that are NaN or infinite"):
        restore_voids(sr, void)
