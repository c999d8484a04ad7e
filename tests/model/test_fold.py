import pytest
import torch

from demsr.model.fold import FoldedNet
from demsr.model.srnet import DemSrNet

NETS = {
    "interpolated": {},
    "direct": {"formulation": "direct", "long_skip": "input"},
    "corner": {"interpolation": "corner"},
    "two outputs": {"out_channels": 2},
    "scale three": {"scale": 3},
    "sub-pixel": {"upsampling": "subpixel"},
    "symmetric": {"upsampling": "subpixel", "symmetric": True},
    "symmetric, interpolated": {"symmetric": True},
    "input with mask": {"in_channels": 2},
}


def make_net(**options):
    torch.manual_seed(0)
    net = DemSrNet(2, 8, **options)
    for weight in net.last.parameters():
        torch.nn.init.normal_(weight, std=10 / net.elevation_scale_m)  # of metres, whatever the unit inside
    return net.eval()


@pytest.mark.parametrize("size", [(2, 2), (2, 7), (9, 12)])
@pytest.mark.parametrize("options", NETS.values(), ids=NETS.keys())
def test_folded_net_gives_what_the_net_gives_up_to_the_true_borders(options, size):
    net = make_net(**options)
    lr = 300 * torch.randn(2, net.in_channels, *size)
    lr[:, 1:] /= 300
    with torch.inference_mode():
        expected, found = net(lr), FoldedNet(net)(lr)
    assert (expected - net.base(lr)).abs().max() > 1  # else there is nothing to compare
    torch.testing.assert_close(found, expected, rtol=3e-7, atol=2e-3)


def test_half_precision_rounds_the_detail_not_the_level():
    net = make_net(upsampling="subpixel", symmetric=True)
    lr = -6000 + 300 * torch.randn(1, 1, 9, 9)
    with torch.inference_mode():
        expected, found = net(lr), FoldedNet(net, dtype=torch.bfloat16)(lr)
        detail = (expected - net.base(lr)).abs().max()
    assert 0 < (found - expected).abs().max() < 0.03 * detail


def test_reach_is_what_the_output_depends_on():
    for options in NETS.values():
        net = make_net(**options)
        size = 2 * net.reach_px + 5
        lr = torch.randn(1, net.in_channels, size, size, requires_grad=True)
        centre = net.scale * (size // 2)
        net(lr)[0, 0, centre : centre + net.scale, centre : centre + net.scale].sum().backward()
        rows = lr.grad[0, 0].abs().sum(dim=1).nonzero()
        reaches = (size // 2 - rows.min(), rows.max() - size // 2)
        assert max(reaches) == net.reach_px
