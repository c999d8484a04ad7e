import dataclasses

import h5py
import numpy as np
import pytest
from pair_files import SIDE_LR, make_pairs, rough_terrain
from synthetic import dem, plane
from torch import nn

from demsr.errors import PairsError
from demsr.evaluation.scoring import BLOCK_HR_PX, gains, group_slug, mean_metrics, score
from demsr.metrics.terrain import slope_deg
from demsr.model.baselines import Bicubic
from demsr.pairs.area import Area
from demsr.pairs.degrade import block_mean
from demsr.pairs.import_pairs import import_pairs
from demsr.pairs.pair_file import PairFile


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


def scaled_pairs(folder, *, scaled_range_m=None, count=3):
    """Return ready-made pairs in 0..1, of which nothing else is known, as demsr takes them over."""
    side = 5 * SIDE_LR
    hr = np.stack([rough_terrain(side, side, seed) for seed in range(count)]) / 2000 + 0.5
    lr = np.stack([block_mean(image.astype(np.float32), scale=5) for image in hr])
    with h5py.File(folder / "test.h5", "w") as file:
        file[f"{SIDE_LR}_{SIDE_LR}"], file[f"{side}_{side}"] = lr[:, None], hr[:, None]
    import_pairs(folder / "test.h5", folder / "own.h5", domain="land", split="test", scaled_range_m=scaled_range_m)
    return PairFile(folder / "own.h5")


def test_scaled_pairs_have_a_row_of_their_own_and_metrics_that_say_so(tmp_path):
    pairs = scaled_pairs(tmp_path)
    (found,) = score(Bicubic(), pairs).values()
    assert (found.group, found.unit) == ("land_ready_made_scaled", "scaled")
    assert set(found.metrics) == {
        "bias_scaled",
        "mae_scaled",
        "rmse_scaled",
        "nmad_scaled",
        "le90_scaled",
        "p95_scaled",
    }
    assert found.rmse == found.metrics["rmse_scaled"] == pytest.approx(np.sqrt(found.block_squares.sum() / 4800))


def test_metres_are_the_scaled_errors_times_the_range(tmp_path):
    (tmp_path / "m").mkdir()
    (scaled,) = score(Bicubic(), scaled_pairs(tmp_path)).values()
    (metres,) = score(Bicubic(), scaled_pairs(tmp_path / "m", scaled_range_m=(-11_000, 9_000))).values()
    assert (metres.group, metres.unit) == ("land_ready_made", "m")
    for name in ("bias", "mae", "rmse", "nmad", "le90", "p95"):
        assert metres.metrics[f"{name}_m"] == pytest.approx(
            20_000 * scaled.metrics[f"{name}_scaled"], rel=1e-3, abs=1e-3
        )
    assert "slope_rmse_deg" not in metres.metrics  # the size of a pixel is not known


def test_pairs_without_areas_are_refused(tmp_path):
    scaled_pairs(tmp_path)
    with pytest.raises(
        PairsError, match=r"test\.h5: has no areas to score; take it over with `demsr profile mindearth"
    ):
        score(Bicubic(), PairFile(tmp_path / "test.h5"))


def test_mean_has_only_metrics_of_all_areas(pairs):
    scores = score(Bicubic(), pairs)
    of_height = {name: value for name, value in scores["area 1"].metrics.items() if name != "slope_rmse_deg"}
    scores["area 1"] = dataclasses.replace(scores["area 1"], metrics=of_height)
    assert set(mean_metrics(scores, "land_3arcsec")) == {"bias_m", "mae_m", "rmse_m", "nmad_m", "le90_m", "p95_m"}


@pytest.mark.parametrize(
    ("described", "unit", "slug"),
    [
        ({}, "m", "marine_3arcsec"),
        ({"degradation": "fitted"}, "m", "marine_3arcsec_fitted"),
        ({"degradation": "real"}, "m", "marine_3arcsec_real"),
        ({"pair_kind": "scale-free"}, "m", "marine_scale_free"),
        ({"pair_kind": "scale-free", "degradation": "real"}, "m", "marine_scale_free_real"),
        ({"source": "synthetic sea floor"}, "m", "marine_3arcsec_synthetic"),
        ({"source": "synthetic sea floor", "degradation": "fitted"}, "m", "marine_3arcsec_fitted_synthetic"),
        ({"pair_kind": "ready-made", "degradation": "unknown"}, "m", "marine_ready_made"),
        ({"pair_kind": "ready-made", "degradation": "unknown"}, "scaled", "marine_ready_made_scaled"),
    ],
)
def test_kind_terrain_and_unit_make_the_name_of_a_row(described, unit, slug):
    area = dataclasses.replace(Area.from_dem("a", dem(plane(5, 5))), **described)
    assert group_slug("marine", area, unit=unit) == slug
