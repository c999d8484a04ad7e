import pytest
import torch
from torch import nn

from demsr.training.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(8, 8), (6, 40), (40, 6)])
def test_singular_values_come_near_one_and_vectors_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.mT @ orthogonalised(matrix) @ right.mT
    assert torch.diag(found).min() > 0.3 * (values.min() / values.max()).clamp(max=1)
    assert torch.diag(found).max() < 1.3
    torch.testing.assert_close(found - torch.diag(torch.diag(found)), torch.zeros_like(found), atol=0.05, rtol=0)


def test_zero_gradient_moves_nothing():
    assert torch.equal(orthogonalised(torch.zeros(3, 4)), torch.zeros(3, 4))


def three_layers() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)))


def test_only_kernels_between_the_first_and_the_last_take_orthogonal_steps():
    net = three_layers()
    optimiser = Muon(list(net.parameters()), lr=0.1)
    orthogonal, other = optimiser.param_groups
    assert [id(one) for one in orthogonal["params"]] == [id(net[1].weight)]
    assert len(other["params"]) == 5


def test_a_step_has_the_length_of_adams():
    net = three_layers()
    before = net[1].weight.detach().clone()
    optimiser = Muon(list(net.parameters()), lr=0.1)
    net(torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(3))).square().mean().backward()
    optimiser.step()
    moved = (net[1].weight.detach() - before).square().mean().sqrt()
    assert float(moved) == pytest.approx(0.2 * 0.1, rel=0.3)


def test_everything_else_moves_as_with_adam():
    ours, theirs = three_layers(), three_layers()
    optimisers = [
        Muon(list(ours.parameters()), lr=0.01),
        torch.optim.Adam(theirs.parameters(), lr=0.01, betas=(0.9, 0.99)),
    ]
    seen = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(3))
    for _ in range(3):
        for net, optimiser in zip((ours, theirs), optimisers, strict=True):
            optimiser.zero_grad()
            net(seen).square().mean().backward()
            optimiser.step()
        with torch.no_grad():
            ours[1].weight.copy_(theirs[1].weight)
    torch.testing.assert_close(ours[2].weight, theirs[2].weight, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours[0].bias, theirs[0].bias, atol=1e-5, rtol=1e-4)


def test_all_layers_together_learn():
    net = three_layers()
    optimiser = Muon(list(net.parameters()), lr=3e-3)
    seen = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(3))
    losses = []
    for _ in range(80):
        optimiser.zero_grad()
        loss = (net(seen) - seen.roll(1, -1)).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
