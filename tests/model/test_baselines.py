import pytest
import torch
from torch.nn import functional

from demsr.model.baselines import BackProjectedBicubic, Bicubic, LinearFilter


@pytest.fixture
def lr() -> torch.Tensor:
    return 100 * torch.randn(2, 1, 12, 10, generator=torch.Generator().manual_seed(5)) + 3000


def test_baseline_equals_torch_bicubic(lr):
    expected = functional.interpolate(lr, scale_factor=5, mode="bicubic", align_corners=False)
    torch.testing.assert_close(Bicubic()(lr), expected, atol=5e-3, rtol=0)


def test_back_projection_brings_block_means_to_the_input(lr):
    def remainder(sr: torch.Tensor) -> float:
        return float((functional.avg_pool2d(sr, 5) - lr).abs().mean())

    once, often = BackProjectedBicubic(iterations=1)(lr), BackProjectedBicubic(iterations=5)(lr)
    assert remainder(often) < 0.1 * remainder(once) < 0.1 * remainder(Bicubic()(lr))


def test_linear_filter_recovers_the_filter_that_made_the_data(lr):
    truth = Bicubic(a=-0.5)
    inner = slice(3, -3)  # borders are padded otherwise
    hr = truth(lr)
    blanked = torch.full_like(hr, torch.nan)
    blanked[..., 15:-15, 15:-15] = hr[..., 15:-15, 15:-15]
    fitted = LinearFilter.fit([(lr, blanked)])
    torch.testing.assert_close(fitted(lr)[..., 15:-15, 15:-15], hr[..., 15:-15, 15:-15], atol=0.05, rtol=0)
    assert fitted(lr).shape == hr.shape
    assert lr[..., inner, inner].numel() > 0


def test_linear_filter_adds_what_is_added_to_its_input(lr):
    fitted = LinearFilter.fit([(lr, Bicubic()(lr))], size=3)
    torch.testing.assert_close(fitted(lr + 500), fitted(lr) + 500, atol=2e-3, rtol=0)


def test_linear_filter_does_not_learn_from_voids(lr):
    hr = Bicubic()(lr)
    hr_with_void = hr.clone()
    hr_with_void[0, 0, 0:10] = torch.nan
    clean = LinearFilter.fit([(lr[:, :, 2:], hr[:, :, 10:])], size=3)
    assert LinearFilter.fit([(lr, hr_with_void)], size=3).weight.isfinite().all()
    assert clean.weight.shape == (25, 9)


def test_linear_filter_refuses_data_without_relief():
    flat = torch.zeros(1, 1, 8, 8)
    with pytest.raises(ValueError, match="linear filter: no LR pixel has relief"):
        LinearFilter.fit([(flat, torch.zeros(1, 1, 40, 40))])
