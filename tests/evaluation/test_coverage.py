import math

import numpy as np
from error_samples import made
from pair_files import make_pairs

from demsr.evaluation.calibration import calibrate, fit_uncertainty
from demsr.evaluation.coverage import (
    SLOPE_EDGES_DEG,
    UNKNOWN_SLOPE,
    coverage,
    coverage_counts,
    coverage_rows,
    predicted_sigma_m,
    zero_counts,
)
from demsr.model.srnet import DemSrNet


def test_the_band_holds_in_every_slope_class_where_a_constant_one_fails():
    uncertainty = fit_uncertainty([made("one", 20_000, 1)], scale=5)
    rows = coverage_rows(coverage_counts(made("new", 20_000, 3), uncertainty))
    assert [row["slope_deg"] for row in rows] == ["0-2", "2-5", "5-10", "10-20", "20-30"]
    for row in rows:
        assert 63 <= row["within_1_sigma_percent"] <= 73
        assert 85 <= row["within_1.645_sigma_percent"] <= 95
    assert rows[0]["constant_within_1_sigma_percent"] > 95
    assert rows[-1]["constant_within_1_sigma_percent"] < 50


def test_counts_are_those_of_a_slow_loop():
    pixels = made("one", 300, 4)
    pixels.slope_deg[7] = math.nan
    uncertainty = fit_uncertainty([pixels], scale=5)
    expected, sigma = zero_counts(), predicted_sigma_m(pixels, uncertainty)
    for place, (error, slope) in enumerate(zip(pixels.error_m, pixels.slope_deg, strict=True)):
        steps = zip(SLOPE_EDGES_DEG[:-1], SLOPE_EDGES_DEG[1:], strict=True)
        row = next((index for index, (low, high) in enumerate(steps) if low <= slope < high), 6)
        bands = [(sigma[place], 1), (sigma[place], 1.645), (uncertainty.constant_m, 1), (uncertainty.constant_m, 1.645)]
        expected[row] += [1, *(abs(error) <= factor * band for band, factor in bands)]
    assert expected[6, 0] == 1
    np.testing.assert_array_equal(coverage_counts(pixels, uncertainty), expected)


def test_classes_of_few_pixels_are_joined_and_empty_ones_left_out():
    counts = zero_counts()
    counts[:, 0] = [10, 5000, 0, 4000, 30, 2, 20]
    counts[:, 1] = counts[:, 0] // 2
    rows = coverage_rows(counts)
    assert [(row["slope_deg"], row["pixels"]) for row in rows] == [("0-5", 5010), (">10", 4032), (UNKNOWN_SLOPE, 20)]
    assert all(row["within_1_sigma_percent"] == 50 for row in rows)


def test_slope_classes_follow_from_the_size_of_the_pixels_of_the_pairs(tmp_path):
    net = DemSrNet(1, 8).eval()  # it has learnt nothing, so its result is the cubic base
    pairs = make_pairs(tmp_path / "valid.h5", count=6, areas=2)
    net.uncertainty = calibrate(net, pairs)
    assert UNKNOWN_SLOPE not in [row["slope_deg"] for row in coverage(net, pairs)]
