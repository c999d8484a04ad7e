import math
from typing import get_args

import numpy as np
import pytest
import torch

from demsr.model.srnet import DemSrNet
from demsr.options import Loss
from demsr.training.losses import LOSSES, balanced_charbonnier, masked_mse


def test_each_word_for_a_loss_has_a_function():
    assert tuple(LOSSES) == get_args(Loss)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_zero_or_nearly_so_for_the_truth_and_grows_with_the_error(loss):
    net, lr = DemSrNet(1, 4), torch.zeros(2, 1, 4, 4)
    hr = 40 * torch.randn(2, 1, 20, 20, generator=torch.Generator().manual_seed(1))
    hr[0, 0, 3, 4] = torch.nan
    values = [float(LOSSES[loss](net, lr, hr.nan_to_num() + error, hr)) for error in (0.0, 10.0, 100.0)]
    assert 0 <= values[0] < 0.02
    assert values[0] < values[1] < values[2] < 10


def test_masked_error_equals_a_slow_loop():
    random = np.random.default_rng(3)
    sr, hr = random.normal(size=(2, 1, 1, 4, 4)).astype(np.float32)
    hr[0, 0, 1, 2] = np.nan
    total, count = 0.0, 0
    for row in range(4):
        for col in range(4):
            if not np.isnan(hr[0, 0, row, col]):
                total += (float(sr[0, 0, row, col]) - float(hr[0, 0, row, col])) ** 2
                count += 1
    assert float(masked_mse(torch.from_numpy(sr), torch.from_numpy(hr))) == pytest.approx(total / count, rel=1e-6)


def test_voids_give_no_gradient():
    sr = torch.ones(1, 1, 2, 2, requires_grad=True)
    hr = torch.tensor([[[[torch.nan, 0.0], [torch.nan, 2.0]]]])
    masked_mse(sr, hr).backward()
    torch.testing.assert_close(sr.grad, torch.tensor([[[[0.0, 1.0], [0.0, -1.0]]]]))
    sr.grad = None
    balanced_charbonnier(sr, hr, torch.zeros(1, 1, 2, 2), scale_m=100).backward()
    assert (sr.grad == 0).tolist() == [[[[True, False], [True, False]]]]


def test_balanced_error_equals_a_slow_loop():
    random = np.random.default_rng(3)
    sr, hr, base = random.normal(size=(3, 2, 1, 4, 4)).astype(np.float32) * 30
    hr[0, 0, 1, 2] = np.nan
    total, count = 0.0, 0
    for patch in range(2):
        missed = np.nansum((hr[patch] - base[patch]) ** 2) / 16
        weight = 1 / math.sqrt(100 * math.sqrt(missed + 0.25))
        for error in (sr[patch] - hr[patch]).ravel():
            if not math.isnan(error):
                total += math.sqrt((weight * error) ** 2 + 1e-4)
                count += 1
    found = balanced_charbonnier(*map(torch.from_numpy, (sr, hr, base)), scale_m=100)
    assert float(found) == pytest.approx(total / count, rel=1e-5)


def test_balanced_error_of_mountains_outweighs_that_of_plains_by_the_root():
    base = torch.zeros(1, 1, 8, 8)
    relief = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    plain, mountain = (
        float(balanced_charbonnier(0.5 * metres * relief, metres * relief, base, scale_m=100))
        for metres in (100, 10_000)
    )
    assert mountain / plain == pytest.approx(10, rel=0.01)
