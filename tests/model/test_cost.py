import pytest
from torch import nn

from demsr.model.cost import flop_per_lr_px


def test_operations_of_convolutions_are_counted_as_by_hand():
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 25, 3, padding=1))
    assert flop_per_lr_px(net) == 2 * 9 * (1 * 4 + 4 * 25)


def test_work_that_does_not_grow_with_the_input_costs_nothing():
    net = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Conv2d(1, 64, 3, padding=1))
    assert flop_per_lr_px(net) == pytest.approx(0, abs=1e-9)
