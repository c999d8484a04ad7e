import itertools

import pytest
import torch
from torch import Tensor, nn

from demsr.model.srnet import DemSrNet
from demsr.model.symmetry import GroupConv, LiftingConv, ProjectingConv, orientations

RNG = torch.Generator().manual_seed(3)


def turned(image: Tensor, orientation: int) -> Tensor:
    mirrored = image.flip(-1) if orientation >= 4 else image
    return torch.rot90(mirrored, orientation % 4, (-2, -1))


@pytest.mark.parametrize("side", [1, 3, 5])
def test_orientations_are_those_of_the_square(side):
    image = torch.randn(side, side, generator=RNG)
    for orientation, places in enumerate(orientations(side)):
        assert torch.equal(image.flatten()[places].reshape(side, side), turned(image, orientation))


def net(**options) -> DemSrNet:
    torch.manual_seed(4)
    made = DemSrNet(2, 16, symmetric=True, **options).eval()
    for weight in made.last.parameters():
        nn.init.normal_(weight, std=0.2)
    return made


@pytest.mark.parametrize("orientation", range(8))
@pytest.mark.parametrize(
    "options",
    [
        {"upsampling": "subpixel"},
        {"upsampling": "interpolate"},
        {"formulation": "direct", "upsampling": "subpixel"},
        {"long_skip": "input", "upsampling": "subpixel"},
        {"scale": 3, "upsampling": "subpixel"},
    ],
    ids=["subpixel", "interpolate", "direct", "input skip", "scale 3"],
)
def test_the_output_for_a_turned_input_is_the_turned_output(options, orientation):
    made = net(**options)
    lr = 100 * torch.randn(1, 1, 9, 7, generator=RNG)
    with torch.no_grad():
        sr = made(lr)
        torch.testing.assert_close(made(turned(lr, orientation)), turned(sr, orientation), atol=0.02, rtol=1e-4)
        assert (sr - turned(sr, 0).mean()).abs().max() > 1  # no net at all would be symmetric, too


def test_several_channels_turn_together():
    made = net(in_channels=3, out_channels=2, upsampling="subpixel")
    seen = 100 * torch.randn(2, 3, 6, 5, generator=RNG)
    with torch.no_grad():
        for orientation in range(8):
            expected = turned(made(seen), orientation)
            torch.testing.assert_close(made(turned(seen, orientation)), expected, atol=0.02, rtol=1e-4)


def test_an_unsymmetric_net_is_not():
    torch.manual_seed(4)
    made = DemSrNet(2, 16, upsampling="subpixel")
    nn.init.normal_(made.last.weight, std=0.2)
    lr = 100 * torch.randn(1, 1, 9, 7, generator=RNG)
    with torch.no_grad():
        assert (made(turned(lr, 1)) - turned(made(lr), 1)).abs().max() > 0.1


def test_fields_move_as_defined():
    """weight[g, h] = g shared[g^-1 h], with the group written out by its action on an image."""
    conv = GroupConv(16)
    image = torch.randn(3, 3, generator=RNG)
    element = {tuple(turned(image, one).flatten().tolist()): one for one in range(8)}

    def after(first: int, second: int) -> int:
        return element[tuple(turned(turned(image, second), first).flatten().tolist())]

    shared = conv.shared.reshape(2, 2, 8, 3, 3)
    weight = conv.weight.reshape(2, 8, 2, 8, 3, 3)
    for g, h in itertools.product(range(8), range(8)):
        inverse = next(one for one in range(8) if after(one, g) == 0)
        torch.testing.assert_close(weight[:, g, :, h], turned(shared[:, :, after(inverse, h)], g))


def test_shapes_of_whole_kernels():
    assert LiftingConv(2, 16).weight.shape == (16, 2, 3, 3)
    assert GroupConv(16).weight.shape == (16, 16, 3, 3)
    assert ProjectingConv(16, 2, 5).weight.shape == (50, 16, 3, 3)


def test_it_has_about_an_eighth_of_the_weights_and_as_many_operations():
    sizes = [sum(weight.numel() for weight in DemSrNet(4, 32, symmetric=one).parameters()) for one in (False, True)]
    assert sizes[0] / 9 < sizes[1] < sizes[0] / 7


def test_planes_stay_planes():
    made = net(upsampling="subpixel")
    row, col = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="ij")
    plane = (30 * row - 20 * col - 4000)[None, None]
    with torch.no_grad():
        torch.testing.assert_close(made(plane), made.base(plane), atol=2e-3, rtol=0)


def test_what_cannot_be_symmetric_is_refused():
    with pytest.raises(ValueError, match="features is 20; a symmetric net needs a multiple of 8"):
        DemSrNet(1, 20, symmetric=True)
    with pytest.raises(ValueError, match="interpolation='corner' prefers one corner"):
        DemSrNet(1, 16, symmetric=True, interpolation="corner")
