import numpy as np
import pytest
import torch
from torch import nn

from demsr.model.coast import CoastNet, nets_of
from demsr.model.fold import fold
from demsr.model.srnet import DemSrNet


class Constant(nn.Module):
    """Every HR pixel has one value; counts its calls and keeps its last input."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value, self.calls, self.seen, self.reach_px = value, 0, torch.empty(0), 9

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        self.calls, self.seen = self.calls + 1, lr
        return torch.full((*lr.shape[:2], 5 * lr.shape[2], 5 * lr.shape[3]), self.value)


@pytest.fixture
def coast() -> CoastNet:
    return CoastNet(Constant(1.0), Constant(0.0))


def shore() -> torch.Tensor:
    """Four columns of land, four of sea."""
    row = torch.tensor([40.0, 30, 20, 10, -10, -20, -30, -40])
    return row.expand(1, 1, 6, 8)


def trained(seed: int, *, features: int = 8) -> DemSrNet:
    torch.manual_seed(seed)
    net = DemSrNet(1, features, symmetric=True, upsampling="subpixel")
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0, 0.3)
    return net.eval()


def test_land_is_of_one_net_and_the_sea_of_the_other_with_a_mean_of_both_between(coast):
    assert coast(shore())[0, 0, 10].tolist() == [1.0] * 20 + [0.5] + [0.0] * 19


def test_each_net_sees_the_cells_of_the_other_at_0_m(coast):
    coast(shore())
    assert coast.land.seen[0, 0, 0].tolist() == [40, 30, 20, 10, 0, 0, 0, 0]
    assert coast.sea.seen[0, 0, 0].tolist() == [0, 0, 0, 0, -10, -20, -30, -40]


def test_only_the_net_that_is_needed_is_applied(coast):
    coast(shore().abs())
    assert (coast.land.calls, coast.sea.calls) == (1, 0)
    coast(-shore().abs())
    assert (coast.land.calls, coast.sea.calls) == (1, 1)


def test_each_net_is_applied_around_its_own_cells_alone():
    coast = CoastNet(Constant(1.0), Constant(0.0))
    coast.land.reach_px = coast.sea.reach_px = 1
    lr = -torch.ones(1, 1, 30, 40)
    lr[..., 10:12, 20:24] = 50
    assert coast(lr)[..., 50:60, 100:120].mean() == 1
    assert coast.land.seen.shape == (1, 1, 6, 8)
    assert coast.sea.seen.shape == (1, 1, 30, 40)


def test_the_rectangles_change_nothing():
    torch.manual_seed(0)
    lr = -60 - 10 * torch.rand(1, 1, 40, 40)
    lr[..., 12:15, 20:22] = 100
    net = CoastNet(trained(1), trained(2))
    cells = lr > 0
    with torch.inference_mode():
        land, sea = net.land(torch.where(cells, lr, 0.0)), net.sea(torch.where(cells, 0.0, lr))
        weight = net.land_weight(cells)
        torch.testing.assert_close(net(lr), weight * land + (1 - weight) * sea, atol=1e-3, rtol=0)


def test_a_mask_of_land_overrules_the_sign(coast):
    below_sea_level = -shore().abs()
    assert (coast(below_sea_level, torch.ones_like(below_sea_level, dtype=torch.bool)) == 1).all()
    assert torch.equal(coast.land.seen, below_sea_level)


def test_a_part_equals_the_whole_along_a_coast():
    torch.manual_seed(0)
    lr = 60 * torch.randn(1, 1, 40, 40)
    net = CoastNet(trained(1), trained(2))
    reach = max(one.reach_px for one in nets_of(net))
    with torch.inference_mode():
        whole, part = net(lr), net(lr[..., 5:35, 8:38])
    inner = slice(5 * reach, -5 * reach)
    part, same = part[..., inner, inner], whole[..., 25:175, 40:190][..., inner, inner]
    torch.testing.assert_close(part, same, atol=2e-3, rtol=1e-5)


def test_it_commutes_with_turns():
    torch.manual_seed(0)
    lr = 60 * torch.randn(1, 1, 12, 12)
    net = CoastNet(trained(1), trained(2))
    with torch.inference_mode():
        torch.testing.assert_close(net(torch.rot90(lr, 1, (2, 3))), torch.rot90(net(lr), 1, (2, 3)), atol=1e-3, rtol=0)


@pytest.mark.parametrize("level", [500.0, -500.0])
def test_a_plane_on_one_side_of_sea_level_stays_a_plane(level):
    rows, cols = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    lr = (level + 3 * rows - 2 * cols)[None, None]
    fine_rows, fine_cols = ((torch.arange(60.0) - 2) / 5 for _ in range(2))
    expected = level + 3 * fine_rows[:, None] - 2 * fine_cols
    with torch.inference_mode():
        torch.testing.assert_close(CoastNet(trained(1), trained(2))(lr)[0, 0], expected, atol=1e-3, rtol=0)


def test_the_folded_coast_equals_the_coast():
    torch.manual_seed(0)
    lr = 60 * torch.randn(1, 1, 20, 20)
    net = CoastNet(trained(1), trained(2, features=16))
    with torch.inference_mode():
        np.testing.assert_allclose(fold(net)(lr), net(lr), atol=1e-3)
