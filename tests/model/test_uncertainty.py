import math

import numpy as np
import pytest
import torch
from pair_files import rough_terrain
from pydantic import ValidationError
from torch import Tensor, nn

from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import (
    FEATURES,
    REACH_PX,
    Uncertainty,
    calibrated_sigma,
    log_features,
    self_ensemble,
    sigma_m,
)

MADE = {
    "scale": 5,
    "log_weights": (0.2, 0.5, 0.3, -0.1, 0.2),
    "log_offset": -0.5,
    "raw_m": (0.5, 2.0, 8.0),
    "sigma_m": (0.6, 2.0, 12.0),
    "constant_m": 5.0,
    "areas": ("made",),
    "pixels": 1000,
}
WAYS = range(1, 8)


@pytest.fixture(scope="module")
def uncertainty() -> Uncertainty:
    return Uncertainty(**MADE)


def image(rows: int, cols: int, seed: int) -> Tensor:
    return torch.from_numpy(rough_terrain(rows, cols, seed))[None, None]


@pytest.fixture(scope="module")
def scene() -> tuple[Tensor, ...]:
    """LR, SR, base and spread of 30 x 26 LR pixels, independent of each other."""
    lr, sr, base = image(30, 26, 1), image(150, 130, 2), image(150, 130, 3)
    return lr, sr, base, (image(150, 130, 4) + 500).abs() / 10


def turned(one: Tensor, way: int) -> Tensor:
    return torch.rot90(one.flip(-1) if way >= 4 else one, way % 4, (-2, -1)).contiguous()


def test_every_hr_pixel_has_a_positive_standard_error(scene, uncertainty):
    sigma = sigma_m(*scene, uncertainty)
    assert sigma.shape == scene[1].shape
    assert sigma.min() > 0
    assert sigma.max() > 1.5 * sigma.min()


@pytest.mark.parametrize("way", WAYS)
def test_it_turns_with_its_input(scene, uncertainty, way):
    found = sigma_m(*(turned(one, way) for one in scene), uncertainty)
    torch.testing.assert_close(found, turned(sigma_m(*scene, uncertainty), way), rtol=1e-4, atol=0)


def test_a_window_with_the_reach_around_it_is_a_part_of_the_whole(scene, uncertainty):
    inner, outer = slice(10, 14), slice(10 - REACH_PX, 14 + REACH_PX)
    finer = slice(5 * outer.start, 5 * outer.stop)
    lr, *others = scene
    part = sigma_m(lr[..., outer, outer], *(one[..., finer, finer] for one in others), uncertainty)
    core = slice(5 * REACH_PX, 5 * (REACH_PX + 4))
    whole = sigma_m(*scene, uncertainty)[..., 5 * inner.start : 5 * inner.stop, 5 * inner.start : 5 * inner.stop]
    torch.testing.assert_close(part[..., core, core], whole, rtol=1e-5, atol=0)


def test_the_input_counts_as_far_as_the_reach_and_no_further(scene, uncertainty):
    lr, *others = scene
    struck = lr.clone()
    struck[..., 15, 13] += 1000
    changed = (sigma_m(struck, *others, uncertainty) / sigma_m(*scene, uncertainty)).log().abs() > 1e-6
    rows = changed[0, 0].any(dim=1).nonzero()[:, 0] // 5
    assert (rows.min(), rows.max()) == (15 - REACH_PX, 15 + REACH_PX)


@pytest.mark.parametrize(("down_m", "across_m", "level_m"), [(0, 0, -10_000), (40, -25, 3_000)])
def test_planes_do_not_count(scene, uncertainty, down_m, across_m, level_m):
    def plane(rows: int, cols: int, step: int) -> Tensor:
        row, col = (torch.arange(side)[:, None] / step for side in (rows, cols))
        return down_m * row + across_m * col.T + level_m

    lr, sr, base, spread = scene
    fine = plane(150, 130, 5)
    raised = sigma_m(lr + plane(30, 26, 1), sr + fine, base + fine, spread, uncertainty)
    torch.testing.assert_close(raised, sigma_m(*scene, uncertainty), rtol=1e-3, atol=0)


def test_flat_ground_has_one_standard_error_that_follows_from_the_floor(uncertainty):
    sigma = sigma_m(
        torch.full((1, 1, 9, 8), 7.0), *(torch.full((1, 1, 45, 40), value) for value in (7.0, 7.0, 0.0)), uncertainty
    )
    raw = math.exp(uncertainty.log_offset + sum(uncertainty.log_weights) * math.log(0.1))
    torch.testing.assert_close(sigma, torch.full_like(sigma, raw * 0.6 / 0.5))  # below the first knot


def test_features_of_a_parabola_are_its_second_differences():
    col_lr = torch.arange(24.0).expand(1, 1, 24, 24)
    col_hr = torch.arange(120.0).expand(1, 1, 120, 120)
    lr, sr, spread = 2 * col_lr.square(), 3 * col_hr.square(), torch.full_like(col_hr, 4.0)
    features = log_features(lr, sr, sr - 1.5, spread, scale=5)[0, :, 12, 12]
    # second differences of 3 x^2 at steps of 1, of 2 x^2 at steps of 3; fourth ones are none
    expected = [1.5, 6.0, 4.0, 0.0, 2 * 2 * 3**2]
    for name, found, amplitude in zip(FEATURES, features.tolist(), expected, strict=True):
        assert found == pytest.approx(0.5 * math.log(amplitude**2 + 0.01), abs=1e-3), name


def test_curvature_is_that_of_a_slow_loop():
    sr = image(30, 30, 8)
    found = log_features(image(6, 6, 1), sr, sr, torch.zeros_like(sr), scale=5)[0, 1, 2, 2]
    z, energies = sr[0, 0].double().numpy(), []
    for row in range(5, 20):
        for col in range(5, 20):
            along = z[row - 1, col] - 2 * z[row, col] + z[row + 1, col]
            across = z[row, col - 1] - 2 * z[row, col] + z[row, col + 1]
            mixed = (z[row + 1, col + 1] - z[row + 1, col - 1] - z[row - 1, col + 1] + z[row - 1, col - 1]) / 4
            energies.append(along**2 + 2 * mixed**2 + across**2)
    assert float(found) == pytest.approx(0.5 * np.log(np.mean(energies) + 0.01), abs=1e-5)


def test_the_correction_is_linear_between_knots_and_a_factor_beyond(uncertainty):
    raw = np.array([0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 80.0])
    found = calibrated_sigma(torch.from_numpy(np.log(raw))[None, None], uncertainty)[0, 0].numpy()
    knots = np.log(uncertainty.raw_m), np.log(uncertainty.sigma_m)
    between = np.exp(np.interp(np.log(raw[1:-1]), *knots))
    np.testing.assert_allclose(found, [0.1 * 0.6 / 0.5, *between, 80 * 12 / 8], rtol=1e-6)


@pytest.mark.parametrize("knots", [{"raw_m": (2.0, 0.5, 8.0)}, {"sigma_m": (3.0, 2.0, 12.0)}, {"sigma_m": (1.0, 2.0)}])
def test_knots_that_do_not_ascend_are_refused(knots):
    with pytest.raises(ValidationError, match="both lists must ascend and have the same length"):
        Uncertainty(**MADE | knots)


class Ramp(nn.Module):
    """A net that answers with the number of the column, whatever comes in."""

    def forward(self, lr: Tensor) -> Tensor:
        rows, cols = 5 * lr.shape[2], 5 * lr.shape[3]
        return torch.arange(float(cols)).expand(1, 1, rows, cols)


def test_the_spread_is_that_of_the_eight_answers_turned_back():
    mean, spread = self_ensemble(Ramp(), torch.zeros(1, 1, 2, 3))
    for row, col in ((0, 0), (3, 4), (9, 14)):
        answers = 2 * [col, 14 - col, row, 9 - row]  # distances to the four sides: each is the left one in two ways
        assert float(mean[0, 0, row, col]) == pytest.approx(np.mean(answers))
        assert float(spread[0, 0, row, col]) == pytest.approx(np.std(answers))


@pytest.mark.parametrize("way", WAYS)
def test_the_ensemble_of_a_plain_net_turns_with_its_input(way):
    torch.manual_seed(3)
    net, lr = DemSrNet(1, 8).eval(), image(7, 6, 5)
    nn.init.normal_(net.last.weight, std=0.1)
    with torch.no_grad():
        found, expected = self_ensemble(net, turned(lr, way)), self_ensemble(net, lr)
    assert expected[1].mean() > 0.1
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, turned(other, way), rtol=1e-4, atol=1e-3)


def test_a_symmetric_net_has_no_spread_and_needs_one_pass():
    torch.manual_seed(3)
    net, lr = DemSrNet(1, 8, upsampling="subpixel", symmetric=True).eval(), image(7, 6, 5)
    nn.init.normal_(net.last.shared, std=0.1)
    with torch.no_grad():
        mean, spread = self_ensemble(net, lr)
        one_pass = net(lr)
        all_eight = torch.stack([turned(net(turned(lr, way)), (4 - way) % 4) for way in range(4)])
    assert torch.equal(mean, one_pass)
    assert not spread.any()
    torch.testing.assert_close(all_eight.mean(dim=0), mean, rtol=1e-5, atol=1e-3)
