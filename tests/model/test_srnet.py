import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from demsr.model.srnet import DemSrNet

RNG = torch.Generator().manual_seed(3)


def small_net(**options) -> DemSrNet:
    torch.manual_seed(4)
    net = DemSrNet(2, 8, **options).eval()
    torch.nn.init.normal_(net.last.weight, std=0.2)
    return net


def recipe_weights(net: DemSrNet) -> None:
    """Fill the convolutions in data-flow order as the reference outputs were made."""
    for place, weight in enumerate(net.parameters()):
        values = np.random.RandomState(1000 + place).standard_normal(weight.shape)  # noqa: NPY002 - the recipe
        weight.data = torch.from_numpy((values * np.sqrt(2 / (weight.shape[1] * 9))).astype(np.float32))


def reference_net(num_blocks: int) -> DemSrNet:
    options = {"formulation": "direct", "long_skip": "input", "interpolation": "corner"}
    net = DemSrNet(num_blocks, 256, **options, elevation_scale_m=1.0, elevation_offset_m=0.0).eval()
    recipe_weights(net)
    return net


def slow_reference(net: DemSrNet, lr: Tensor) -> Tensor:
    """The reference implementation written out, operation by operation, on all features."""

    def conv(image: Tensor, weight: Tensor) -> Tensor:
        return functional.conv2d(image, weight, padding=1)

    head = conv(lr, net.head.weight)
    features = head
    for block in net.blocks:
        features = features + 0.1 * conv(functional.relu(conv(features, block.first.weight)), block.second.weight)
    features = conv(conv(features, net.body.weight) + lr, net.before.weight)
    for axis in (2, 3):  # corner-anchored bilinear, clamped at the far edge
        size = features.shape[axis]
        source = torch.arange(5 * size) / 5
        near = source.floor().long()
        far = (near + 1).clamp(max=size - 1)
        share = (source - near).reshape(-1, 1) if axis == 2 else source - near
        features = features.index_select(axis, near) * (1 - share) + features.index_select(axis, far) * share
    return conv(features, net.last.weight)


def reference_input() -> Tensor:
    return torch.from_numpy(np.random.RandomState(7).rand(2, 1, 12, 12).astype(np.float32))  # noqa: NPY002 - the recipe


def test_direct_formulation_equals_the_reference_written_out():
    net = reference_net(2)
    with torch.no_grad():
        torch.testing.assert_close(net(reference_input()), slow_reference(net, reference_input()), atol=1e-4, rtol=0)


def test_direct_formulation_equals_the_output_of_the_reference_itself(shared):
    with np.load(shared / "parity" / "demnet_1block.npz") as recorded, torch.no_grad():
        np.testing.assert_array_equal(recorded["x"], reference_input().numpy())
        ours = reference_net(1)(reference_input()).numpy()
        np.testing.assert_allclose(ours, recorded["y"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("in_channels", "expected"), [(1, 50_729_472), (3, 50_734_080)])
def test_full_net_has_the_published_number_of_parameters(in_channels, expected):
    with torch.device("meta"):
        net = DemSrNet(in_channels=in_channels)
    assert sum(parameter.numel() for parameter in net.parameters()) == expected


def test_parameters_run_in_data_flow_order():
    names = [name.removesuffix(".weight") for name, _ in small_net().named_parameters()]
    blocks = ["blocks.0.first", "blocks.0.second", "blocks.1.first", "blocks.1.second"]
    assert names == ["head", *blocks, "body", "before", "last"]


@pytest.mark.parametrize("formulation", ["residual", "direct"])
@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (2, 1, 7, 12)])
def test_output_is_five_times_as_large(formulation, shape):
    with torch.no_grad():
        sr = small_net(formulation=formulation)(torch.zeros(shape))
    assert sr.shape == (shape[0], 1, 5 * shape[2], 5 * shape[3])


def test_training_starts_at_the_base_interpolation():
    net, lr = DemSrNet(2, 8), torch.randn(1, 1, 8, 8, generator=RNG) * 100
    assert torch.equal(net(lr), net.base(lr))


def test_direct_formulation_takes_and_returns_metres():
    scaled = reference_net(1)
    metres = DemSrNet(1, 256, formulation="direct", long_skip="input", interpolation="corner")
    metres.load_state_dict(scaled.state_dict())
    with torch.no_grad():
        expected = scaled(reference_input()) * 20_000 - 11_000
        torch.testing.assert_close(metres(reference_input() * 20_000 - 11_000), expected, atol=0.5, rtol=0)


PLANES = [(0, 0, 1000), (0, 0, -10_000), (30, -40, 250), (-120, 90, 3000), (250, -300, 0)]


@pytest.mark.parametrize("upsampling", ["interpolate", "subpixel"])
@pytest.mark.parametrize(("down_m", "across_m", "level_m"), PLANES)
def test_adding_a_plane_to_the_input_adds_it_to_the_output(down_m, across_m, level_m, upsampling):
    net = small_net(upsampling=upsampling)
    relief = 40 * torch.randn(1, 1, 30, 26, generator=RNG).double()

    def plane(rows: int, cols: int, scale: int) -> Tensor:
        row = (torch.arange(rows, dtype=torch.float64)[:, None] - scale // 2) / scale
        col = (torch.arange(cols, dtype=torch.float64) - scale // 2) / scale
        return down_m * row + across_m * col + level_m

    with torch.no_grad():
        expected = net(relief.float()).double() + plane(150, 130, 5)
        found = net((relief + plane(30, 26, 1)).float()).double()
    ulp = 2 ** torch.floor(torch.log2(expected.abs().clamp(min=1))) * torch.finfo(torch.float32).eps
    assert bool(((found - expected).abs() <= 2e-3 + 2 * ulp).all())


@pytest.mark.parametrize(("upsampling", "halo"), [("interpolate", 1 + 4 + 1 + 1 + 1), ("subpixel", 1 + 4 + 1 + 1)])
def test_a_tile_equals_the_whole_where_the_halo_covers_the_net(upsampling, halo):
    net = small_net(upsampling=upsampling)
    whole = 300 * torch.randn(1, 1, 48, 44, generator=RNG) + 2000
    with torch.no_grad():
        tile = net(whole[:, :, 10:40, 12:40])[:, :, 5 * halo : -5 * halo, 5 * halo : -5 * halo]
        inside = net(whole)[:, :, 5 * (10 + halo) : 5 * (40 - halo), 5 * (12 + halo) : 5 * (40 - halo)]
    torch.testing.assert_close(tile, inside, atol=2e-3, rtol=0)


@pytest.mark.parametrize("out_channels", [1, 2])
def test_subpixel_tail_gives_each_hr_pixel_a_kernel_of_its_own(out_channels):
    net = small_net(upsampling="subpixel", out_channels=out_channels)
    lr = 40 * torch.randn(1, 1, 4, 3, generator=RNG)
    with torch.no_grad():
        features = functional.pad(net.deep_features(lr), (1, 1, 1, 1))
        detail = net.tail(net.deep_features(lr))
        for channel, row, col in [(0, 0, 0), (0, 7, 13), (out_channels - 1, 19, 4)]:
            kernel = net.last.weight[25 * channel + 5 * (row % 5) + col % 5]
            seen = features[0, :, row // 5 : row // 5 + 3, col // 5 : col // 5 + 3]
            torch.testing.assert_close(detail[0, channel, row, col], (kernel * seen).sum(), atol=1e-4, rtol=1e-4)


def test_subpixel_net_has_no_convolution_before_the_last():
    names = [name.removesuffix(".weight") for name, _ in small_net(upsampling="subpixel").named_parameters()]
    assert names[-2:] == ["body", "last"]
    lr = torch.randn(1, 1, 8, 8, generator=RNG) * 100
    fresh = DemSrNet(2, 8, upsampling="subpixel")
    assert torch.equal(fresh(lr), fresh.base(lr))


def test_guidance_channels_reach_the_net_but_not_the_base():
    net = small_net(in_channels=3)
    elevation, guidance = torch.zeros(1, 1, 6, 6), torch.randn(1, 2, 6, 6, generator=RNG)
    with torch.no_grad():
        quiet = net(torch.cat((elevation, 0 * guidance), dim=1))
        guided = net(torch.cat((elevation, guidance), dim=1))
    assert torch.equal(quiet, torch.zeros_like(quiet))
    assert guided.abs().max() > 0


def test_half_precision_body_keeps_the_base_exact():
    net = small_net()
    torch.nn.init.zeros_(net.last.weight)
    lr = torch.randn(1, 1, 8, 8, generator=RNG) * 100 - 10_000
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net(lr), net.base(lr))


@pytest.mark.parametrize("shape", [(1, 2, 4, 4), (1, 1, 1, 4), (1, 4, 4)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"DemSrNet needs \(batch, 1, height, width\)"):
        small_net()(torch.zeros(shape))


def test_input_skip_needs_one_channel():
    with pytest.raises(ValueError, match="in_channels is 3"):
        DemSrNet(1, 8, in_channels=3, long_skip="input")
