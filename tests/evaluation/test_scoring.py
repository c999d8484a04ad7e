import numpy as np
import pytest
from pair_files import make_pairs
from torch import nn

from demsr.evaluation.scoring import BLOCK_HR_PX, gains, mean_metrics, score
from demsr.metrics.terrain import slope_deg
from demsr.model.baselines import Bicubic


class Shifted(nn.Module):
    """Bicubic with a constant error on top."""

    def __init__(self, error_m: float) -> None:
        super().__init__()
        self.inner, self.error_m = Bicubic(), error_m

    def forward(self, lr):
        return self.inner(lr) + self.error_m


@pytest.fixture
def pairs(tmp_path):
    return make_pairs(tmp_path / "test.h5", count=3, areas=2)


def test_scores_of_an_area_equal_a_slow_loop(pairs):
    import torch

    found = score(Bicubic(), pairs, batch_size=2)["area 1"]
    squares, slope_squares = [], []
    for index in range(3, 6):
        lr, hr = pairs.pair(index)
        sr = Bicubic()(torch.from_numpy(lr[None])).numpy()[0, 0]
        squares.append((sr - hr[0]) ** 2)
        size = {f"pixel_{side}_m": pairs.samples[f"pixel_{side}_m"][index] for side in ("width", "height")}
        slope_squares.append((slope_deg(sr, **size) - slope_deg(hr[0], **size)) ** 2)
    assert found.metrics["rmse_m"] == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-5)
    assert found.metrics["slope_rmse_deg"] == pytest.approx(np.sqrt(np.mean(slope_squares)), rel=1e-5)


def test_a_constant_error_is_the_bias(pairs):
    shifted, plain = score(Shifted(25.0), pairs), score(Bicubic(), pairs)
    for area in shifted:
        assert shifted[area].metrics["bias_m"] == pytest.approx(plain[area].metrics["bias_m"] + 25, abs=1e-3)
        assert shifted[area].metrics["slope_rmse_deg"] == pytest.approx(plain[area].metrics["slope_rmse_deg"], abs=1e-3)


def test_blocks_hold_all_squared_errors(pairs):
    found = score(Bicubic(), pairs)["area 0"]
    assert found.block_pixels.sum() == 3 * BLOCK_HR_PX**2
    rmse = np.sqrt(found.block_squares.sum() / found.block_pixels.sum())
    assert rmse == pytest.approx(found.metrics["rmse_m"], rel=1e-5)


def test_pairs_of_another_spacing_go_to_another_row(tmp_path):
    three = make_pairs(tmp_path / "three.h5", domain="marine")
    nine = make_pairs(tmp_path / "nine.h5", domain="marine", arcsec=9)
    assert {area.group for area in score(Bicubic(), three).values()} == {"marine_3arcsec"}
    assert {area.group for area in score(Bicubic(), nine).values()} == {"marine_scale_free"}


def test_means_count_each_area_once(pairs):
    scores = score(Bicubic(), pairs)
    both = [area.metrics["rmse_m"] for area in scores.values()]
    assert mean_metrics(scores, "land_3arcsec")["rmse_m"] == pytest.approx(sum(both) / 2)


def test_gain_of_a_method_over_itself_is_zero(pairs):
    scores = score(Bicubic(), pairs)
    assert gains(scores, scores) == {"area 0": 0.0, "area 1": 0.0}
