import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pair_files import SIDE_LR, make_pairs, rough_terrain

from demsr.errors import VoidError
from demsr.evaluation.calibration import (
    SLOPE_EDGES_DEG,
    UNKNOWN,
    Pixels,
    calibrate,
    coverage,
    fit_uncertainty,
    inside,
    no_counts,
    pixels_of,
    share_rows,
    sigma_of,
)
from demsr.model.srnet import DemSrNet
from demsr.pairs.area import Area
from demsr.pairs.pair_file import PairFile
from demsr.pairs.pair_writer import PairWriter


def made(area: str, count: int, seed: int, *, factor: float = 1.0) -> Pixels:
    """Normal errors whose standard error is `factor` times the second feature, which goes with the slope."""
    random = np.random.default_rng(seed)
    features = np.zeros((5, count), np.float32)
    features[1] = random.uniform(0, 3, count)
    features[3] = random.normal(0, 1, count)  # tells nothing
    error = factor * np.exp(features[1]) * random.normal(0, 1, count)
    return Pixels(area, features, error.astype(np.float32), (8 * features[1]).astype(np.float32))


def test_the_standard_error_that_made_the_errors_is_found():
    uncertainty = fit_uncertainty([made("one", 20_000, 1), made("two", 20_000, 2)], scale=5)
    new = made("new", 20_000, 3)
    np.testing.assert_allclose(sigma_of(new, uncertainty) / np.exp(new.features[1]), 1, atol=0.1)
    assert uncertainty.log_weights[0] == uncertainty.log_weights[4] == 0  # the same everywhere
    assert abs(uncertainty.log_weights[3]) < 0.02
    assert (uncertainty.areas, uncertainty.pixels) == (("one", "two"), 40_000)


def test_few_pixels_leave_the_standard_error_proportional_to_the_curvature_of_the_result():
    weights = fit_uncertainty([made("few", 10, 1, factor=0.1)], scale=5).log_weights
    np.testing.assert_allclose(weights, [0, 1, 0, 0, 0], atol=0.05)


def test_the_band_holds_in_every_slope_class_where_a_constant_one_fails():
    uncertainty = fit_uncertainty([made("one", 20_000, 1)], scale=5)
    rows = share_rows(inside(made("new", 20_000, 3), uncertainty))
    assert [row["slope_deg"] for row in rows] == ["0-2", "2-5", "5-10", "10-20", "20-30"]
    for row in rows:
        assert 63 <= row["within_1_sigma_percent"] <= 73
        assert 85 <= row["within_1.645_sigma_percent"] <= 95
    assert rows[0]["constant_within_1_sigma_percent"] > 95
    assert rows[-1]["constant_within_1_sigma_percent"] < 50


def test_every_area_counts_the_same_however_many_pixels_it_has():
    few, many = made("few", 2_000, 1, factor=10), made("many", 40_000, 2)
    mixed = fit_uncertainty([few, many], scale=5).constant_m
    alone = [fit_uncertainty([one], scale=5).constant_m for one in (few, many)]
    thinned = Pixels("thinned", many.features[:, ::20], many.error_m[::20], many.slope_deg[::20])
    assert alone[1] < mixed < alone[0]
    assert mixed == pytest.approx(fit_uncertainty([few, thinned], scale=5).constant_m, rel=0.05)


def test_counts_are_those_of_a_slow_loop():
    pixels = made("one", 300, 4)
    pixels.slope_deg[7] = math.nan
    uncertainty = fit_uncertainty([pixels], scale=5)
    expected, sigma = no_counts(), sigma_of(pixels, uncertainty)
    for place, (error, slope) in enumerate(zip(pixels.error_m, pixels.slope_deg, strict=True)):
        steps = zip(SLOPE_EDGES_DEG[:-1], SLOPE_EDGES_DEG[1:], strict=True)
        row = next((index for index, (low, high) in enumerate(steps) if low <= slope < high), 6)
        bands = [(sigma[place], 1), (sigma[place], 1.645), (uncertainty.constant_m, 1), (uncertainty.constant_m, 1.645)]
        expected[row] += [1, *(abs(error) <= factor * band for band, factor in bands)]
    assert expected[6, 0] == 1
    np.testing.assert_array_equal(inside(pixels, uncertainty), expected)


def test_classes_of_few_pixels_are_joined_and_empty_ones_left_out():
    counts = no_counts()
    counts[:, 0] = [10, 5000, 0, 4000, 30, 2, 20]
    counts[:, 1] = counts[:, 0] // 2
    rows = share_rows(counts)
    assert [(row["slope_deg"], row["pixels"]) for row in rows] == [("0-5", 5010), (">10", 4032), (UNKNOWN, 20)]
    assert all(row["within_1_sigma_percent"] == 50 for row in rows)


def test_without_a_measured_pixel_nothing_is_calibrated():
    with pytest.raises(VoidError, match="2 areas: no pixel was measured"):
        fit_uncertainty([made("one", 0, 1), made("two", 0, 1)], scale=5)


def test_a_perfect_result_has_an_uncertainty_all_the_same():
    pixels = made("one", 500, 1)
    exact = dataclasses.replace(pixels, error_m=np.zeros_like(pixels.error_m))
    assert 0 < sigma_of(exact, fit_uncertainty([exact], scale=5)).max() < 0.01


def test_pixels_are_every_third_measured_one_without_the_margin():
    net, hr = DemSrNet(1, 4).eval(), rough_terrain(40, 50, 1)
    lr = torch.from_numpy(hr.reshape(8, 5, 10, 5).mean(axis=(1, 3)))[None, None]
    hr[5, 8] = math.nan  # the second pixel of the first row that counts
    found = pixels_of("made", net, lr, hr, (60.0, 90.0), margin_lr=1)
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
    assert (row["slope_deg"], row["pixels"]) == (UNKNOWN, 60 * 7**2)
    assert row["within_1_sigma_percent"] == pytest.approx(68.3, abs=1.5)
    assert row["within_1.645_sigma_percent"] == pytest.approx(90, abs=1.5)


def test_slope_classes_follow_from_the_size_of_the_pixels_of_the_pairs(net, tmp_path):
    pairs = make_pairs(tmp_path / "valid.h5", count=6, areas=2)
    net.uncertainty = calibrate(net, pairs)
    assert UNKNOWN not in [row["slope_deg"] for row in coverage(net, pairs)]


def test_only_so_many_pairs_are_looked_at(net, tmp_path):
    pairs = make_pairs(tmp_path / "valid.h5", count=6, areas=2)
    assert calibrate(net, pairs, most_pairs=4).pixels == 4 * 7**2


def test_heights_of_unknown_unit_have_no_uncertainty_in_metres(net, tmp_path):
    lr, hr = (np.ones((2, 1, side, side), np.float32) for side in (SIDE_LR, 5 * SIDE_LR))
    pairs = write_pairs(tmp_path / "scaled.h5", lr, hr, units="scaled")
    assert calibrate(net, pairs) is None
    assert coverage(net, pairs) == []
