import numpy as np
import pytest
import torch
from torch.nn import functional

from demsr.model.interpolation import keys_taps, linear_taps, pad_linear, pad_replicate, upsample


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(1))


def test_cubic_of_slope_three_quarters_equals_torch(image):
    ours = upsample(image, keys_taps(5, a=-0.75), pad=pad_replicate)
    theirs = functional.interpolate(image, scale_factor=5, mode="bicubic", align_corners=False)
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)


def test_half_pixel_bilinear_equals_torch(image):
    ours = upsample(image, linear_taps(5, anchor="half_pixel"), pad=pad_replicate)
    theirs = functional.interpolate(image, scale_factor=5, mode="bilinear", align_corners=False)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_corner_bilinear_equals_a_slow_loop():
    image = torch.arange(12.0).reshape(1, 1, 3, 4) ** 2
    ours = upsample(image, linear_taps(5, anchor="corner"), pad=pad_replicate)[0, 0].numpy()
    source = image[0, 0].numpy()
    for row in range(15):
        for col in range(20):
            top, left = row // 5, col // 5
            bottom, right = min(top + 1, 2), min(left + 1, 3)
            down, across = row / 5 - top, col / 5 - left
            upper = source[top, left] * (1 - across) + source[top, right] * across
            lower = source[bottom, left] * (1 - across) + source[bottom, right] * across
            assert ours[row, col] == pytest.approx(upper * (1 - down) + lower * down, abs=1e-4)


def test_corner_sampling_lies_two_hr_pixels_from_half_pixel_sampling():
    ramp = torch.arange(10.0).expand(1, 1, 10, 10)
    inner = slice(10, 40)
    corner = upsample(ramp, linear_taps(5, anchor="corner"), pad=pad_replicate)[0, 0, 20, inner]
    centred = upsample(ramp, linear_taps(5, anchor="half_pixel"), pad=pad_replicate)[0, 0, 20, inner]
    torch.testing.assert_close(corner - centred, torch.full((30,), 2 / 5))


@pytest.mark.parametrize("taps", [keys_taps(5, a=-0.5), keys_taps(5, a=-0.75), linear_taps(5, anchor="half_pixel")])
def test_taps_of_every_phase_sum_to_one(taps):
    torch.testing.assert_close(taps.sum(dim=1), torch.ones(5, dtype=torch.float64))


def test_keys_cubic_with_linear_padding_reproduces_a_plane_borders_included():
    row, col = torch.arange(8.0)[:, None], torch.arange(6.0)
    plane = (3 * row - 7 * col + 2000)[None, None]
    fine_row, fine_col = (torch.arange(40.0)[:, None] - 2) / 5, (torch.arange(30.0) - 2) / 5
    expected = 3 * fine_row - 7 * fine_col + 2000
    torch.testing.assert_close(upsample(plane, keys_taps(5, a=-0.5), pad=pad_linear)[0, 0], expected, atol=5e-4, rtol=0)


def test_the_torch_cubic_does_not_reproduce_a_plane():
    ramp = (100 * torch.arange(12.0)).expand(1, 1, 12, 12)
    centre = upsample(ramp, keys_taps(5, a=-0.75), pad=pad_replicate)[0, 0, 30, 25:35]
    error = centre - 100 * (torch.arange(25.0, 35.0) - 2) / 5
    assert error.abs().max() == pytest.approx(4.8, abs=0.05)  # per cent of the rise per LR cell


def test_linear_padding_continues_the_last_two_pixels():
    padded = pad_linear(torch.tensor([[[[1.0, 3.0], [2.0, 4.0]]]]), 2)[0, 0].numpy()
    assert padded.shape == (6, 6)
    np.testing.assert_allclose(padded[2], [-3, -1, 1, 3, 5, 7])
    np.testing.assert_allclose(padded[:, 2], [-1, 0, 1, 2, 3, 4])


def test_upsampling_depends_on_the_neighbourhood_alone():
    whole = torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(2)) * 1000
    taps = keys_taps(5, a=-0.5)
    tile = upsample(whole[:, :, 10:30, 7:27], taps, pad=pad_linear)[:, :, 10:-10, 10:-10]
    assert torch.equal(tile, upsample(whole, taps, pad=pad_linear)[:, :, 60:140, 45:125])


def test_even_scales_are_refused():
    with pytest.raises(ValueError, match="scale is 4; it must be odd"):
        keys_taps(4, a=-0.5)


def test_unknown_anchors_are_refused():
    with pytest.raises(ValueError, match="interpolation is 'middle'"):
        linear_taps(5, anchor="middle")
