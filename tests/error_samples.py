"""Samples of errors whose standard error is known."""

import numpy as np

from demsr.evaluation.calibration import ErrorSample


def made(area: str, count: int, seed: int, *, factor: float = 1.0) -> ErrorSample:
    """Normal errors whose standard error is `factor` times the second feature, which goes with the slope."""
    random = np.random.default_rng(seed)
    features = np.zeros((5, count), np.float32)
    features[1] = random.uniform(0, 3, count)
    features[3] = random.normal(0, 1, count)  # tells nothing
    error = factor * np.exp(features[1]) * random.normal(0, 1, count)
    return ErrorSample(area, features, error.astype(np.float32), (8 * features[1]).astype(np.float32))
