import math

import numpy as np
import pytest
from synthetic import rough

from demsr.metrics.elevation import elevation_errors, unit_of


def median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below, above = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
    return below + (above - below) * (place - int(place))


def slow_errors(error: np.ndarray) -> dict[str, float]:
    seen = [float(value) for row in error for value in row if not math.isnan(value)]
    return {
        "bias_m": sum(seen) / len(seen),
        "mae_m": sum(abs(value) for value in seen) / len(seen),
        "rmse_m": math.sqrt(sum(value * value for value in seen) / len(seen)),
        "nmad_m": 1.4826 * median([abs(value - median(seen)) for value in seen]),
        "le90_m": percentile([abs(value) for value in seen], 0.9),
        "p95_m": percentile([abs(value) for value in seen], 0.95),
    }


@pytest.mark.parametrize("seed", range(3))
def test_errors_with_a_void_equal_a_slow_loop(seed):
    error = rough(4, 4, seed=seed, level=1, rms=5)
    error[1, 2] = np.nan
    assert elevation_errors(error) == pytest.approx(slow_errors(error))


def test_errors_computed_by_hand():
    errors = elevation_errors(np.array([-3.0, 1.0, 1.0, 5.0, np.nan]))
    expected = {"bias_m": 1, "mae_m": 2.5, "rmse_m": 3, "nmad_m": 1.4826 * 2, "le90_m": 4.4, "p95_m": 4.7}
    assert errors == pytest.approx(expected)


def test_constant_error_is_bias_alone():
    errors = elevation_errors(np.full((3, 3), -2, np.float32))
    assert errors == {"bias_m": -2, "mae_m": 2, "rmse_m": 2, "nmad_m": 0, "le90_m": 2, "p95_m": 2}


def test_nmad_of_normal_errors_is_their_standard_deviation():
    error = np.random.default_rng(0).normal(10, 3, 200_000)
    assert elevation_errors(error)["nmad_m"] == pytest.approx(3, rel=0.01)


def test_nmad_ignores_an_outlier():
    error = rough(20, 20, level=0, rms=1)
    clean = elevation_errors(error)["nmad_m"]
    error[0, 0] = 9000
    assert elevation_errors(error)["nmad_m"] == pytest.approx(clean, rel=0.05)


def test_small_errors_are_summed_without_loss():
    error = np.full(1_000_000, 0.1, np.float32)
    assert elevation_errors(error)["bias_m"] == pytest.approx(float(np.float32(0.1)), rel=1e-9)


@pytest.mark.parametrize("nothing", [np.array([]), np.array([np.nan]), np.array([np.inf])])
def test_error_of_nothing_is_refused(nothing):
    with pytest.raises(ValueError, match="no pixel was measured"):
        elevation_errors(nothing)


@pytest.mark.parametrize(
    ("row", "unit"),
    [({"bias_m": 0, "rmse_m": 1}, "m"), ({"rmse_scaled": 1, "areas": 2}, "scaled")],
)
def test_unit_of_a_row_is_that_of_its_rmse(row, unit):
    assert unit_of(row) == unit
