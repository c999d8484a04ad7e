import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from error_samples import made
from pair_files import SIDE_LR, make_pairs, rough_terrain

from demsr.errors import VoidError
from demsr.evaluation.calibration import ErrorSample, calibrate, fit_uncertainty, sample_errors
from demsr.evaluation.coverage import UNKNOWN_SLOPE, coverage, predicted_sigma_m
from demsr.model.srnet import DemSrNet
from demsr.pairs.area import Area
from demsr.pairs.pair_file import PairFile
from demsr.pairs.pair_writer import PairWriter


def test_the_standard_error_that_made_the_errors_is_found():
    uncertainty = fit_uncertainty([made("one", 20_000, 1), made("two", 20_000, 2)], scale=5)
    new = made("new", 20_000, 3)
    np.testing.assert_allclose(predicted_sigma_m(new, uncertainty) / np.exp(new.features[1]), 1, atol=0.1)
    assert uncertainty.log_weights[0] == uncertainty.log_weights[4] == 0  # the same everywhere
    assert abs(uncertainty.log_weights[3]) < 0.02
    assert (uncertainty.areas, uncertainty.pixels) == (("one", "two"), 40_000)


def test_few_pixels_leave_the_standard_error_proportional_to_the_curvature_of_the_result():
    weights = fit_uncertainty([made("few", 10, 1, factor=0.1)], scale=5).log_weights
    np.testing.assert_allclose(weights, [0, 1, 0, 0, 0], atol=0.05)


def test_every_area_counts_the_same_however_many_pixels_it_has():
    few, many = made("few", 2_000, 1, factor=10), made("many", 40_000, 2)
    mixed = fit_uncertainty([few, many], scale=5).constant_m
    alone = [fit_uncertainty([one], scale=5).constant_m for one in (few, many)]
    thinned = ErrorSample("thinned", many.features[:, ::20], many.error_m[::20], many.slope_deg[::20])
    assert alone[1] < mixed < alone[0]
    assert mixed == pytest.approx(fit_uncertainty([few, thinned], scale=5).constant_m, rel=0.05)


def test_without_a_measured_pixel_nothing_is_calibrated():
    with pytest.raises(VoidError, match="2 areas: no pixel was measured"):
        fit_uncertainty([made("one", 0, 1), made("two", 0, 1)], scale=5)


def test_a_perfect_result_has_an_uncertainty_all_the_same():
    pixels = made("one", 500, 1)
    exact = dataclasses.replace(pixels, error_m=np.zeros_like(pixels.error_m))
    assert 0 < predicted_sigma_m(exact, fit_uncertainty([exact], scale=5)).max() < 0.01


def test_pixels_are_every_third_measured_one_without_the_margin():
    net, hr = DemSrNet(1, 4).eval(), rough_terrain(40, 50, 1)
    lr = torch.from_numpy(hr.reshape(8, 5, 10, 5).mean(axis=(1, 3)))[None, None]
    hr[5, 8] = math.nan  # the second pixel of the first row that counts
    found = sample_errors("made", net, lr, hr, (60.0, 90.0), margin_lr=1)
    error = (net(lr)[0, 0].detach().numpy() - hr)[5:35:3, 5:45:3].ravel()
    np.testing.assert_array_equal(found.error_m, np.delete(error, 1))
    assert found.features.shape == (5, error.size - 1)
    assert np.isfinite(found.slope_deg).all()


@pytest.fixture
def net() -> DemSrNet:
    """A net that has learnt nothing, so that its result is the cubic base."""
    return DemSrNet(1, 8).eval()


def write_pairs(path: Path, lr: np.ndarray, hr: np.ndarray, *, areas: int = 1, units: str = "m") -> PairFile:
    attributes = {"domain": "land", "units": units}
    described = dict.fromkeys(("source", "pair_kind", "registration", "vertical_datum", "crs", "pixel_size"), "made")
    with PairWriter(path, patch_lr=SIDE_LR, scale=5, attributes=attributes) as writer:
        for place in range(areas):
            writer.start_area(Area(name=f"area {place}", **described))
            part = slice(place, None, areas)
            writer.add_pairs(lr[part], hr[part])
    return PairFile(path)


def test_a_net_is_calibrated_on_the_areas_of_pairs_and_covers_them(net, tmp_path):
    lr = np.stack([rough_terrain(SIDE_LR, SIDE_LR, seed)[None] for seed in range(60)])
    with torch.no_grad():
        hr = net(torch.from_numpy(lr)).numpy() + np.random.default_rng(1).normal(0, 3, (60, 1, 40, 40))
    pairs = write_pairs(tmp_path / "valid.h5", lr, hr.astype(np.float32), areas=2)
    net.uncertainty = calibrate(net, pairs)
    assert net.uncertainty.areas == ("area 0", "area 1")
    assert net.uncertainty.pixels == 60 * 7**2  # of 20 x 20 pixels, the margin of two LR pixels left out
    assert net.uncertainty.constant_m == pytest.approx(3, rel=0.05)
    (row,) = coverage(net, pairs)
    assert (row["slope_deg"], row["pixels"]) == (UNKNOWN_SLOPE, 60 * 7**2)
    assert row["within_1_sigma_percent"] == pytest.approx(68.3, abs=1.5)
    assert row["within_1.645_sigma_percent"] == pytest.approx(90, abs=1.5)


def test_only_so_many_pairs_are_looked_at(net, tmp_path):
    pairs = make_pairs(tmp_path / "valid.h5", count=6, areas=2)
    assert calibrate(net, pairs, most_pairs=4).pixels == 4 * 7**2


def test_heights_of_unknown_unit_have_no_uncertainty_in_metres(net, tmp_path):
    lr, hr = (np.ones((2, 1, side, side), np.float32) for side in (SIDE_LR, 5 * SIDE_LR))
    pairs = write_pairs(tmp_path / "scaled.h5", lr, hr, units="scaled")
    assert calibrate(net, pairs) is None
    assert coverage(net, pairs) == []
