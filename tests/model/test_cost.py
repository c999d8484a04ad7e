import pytest

from demsr.model.cost import flop_per_lr_px
from demsr.model.srnet import DemSrNet


def test_operations_are_two_per_weight_and_pixel_that_it_applies_to():
    net = DemSrNet(2, 8, upsampling="subpixel")
    convolutions = 9 * (2 * 2 + 1) * 8 * 8 + 9 * 8 * 25  # blocks and body, last; the head is a product of its own
    head = 2 * 9 * 8
    assert flop_per_lr_px(net) == pytest.approx(2 * convolutions + head, rel=0.01)
