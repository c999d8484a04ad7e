"""Coverage of the uncertainty band: the share of the true elevations within it, by slope class."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from demsr.evaluation.calibration import SHARES, ErrorSample, sample_pair_errors
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty, calibrated_sigma, raw_log_sigma
from demsr.pairs.pair_file import PairFile

SLOPE_EDGES_DEG = (0, 2, 5, 10, 20, 30, 90)
UNKNOWN_SLOPE = "unknown"
_CLASS_PIXELS = 1000  # smaller slope classes are merged with a neighbour

CoverageCounts = NDArray[np.int64]  # (slope classes and one of unknown slope, 5), see `coverage_counts`
CoverageRows = list[dict[str, Any]]


def coverage(net: DemSrNet, pairs: PairFile) -> CoverageRows:
    """Return the coverage on pairs by slope class, see `coverage_rows`; no rows for a net without a calibration.

    Parameters
    ----------
    net : net in eval mode
    pairs : pairs in metres
    """
    if (uncertainty := net.uncertainty) is None:
        return []
    counts = [coverage_counts(sample, uncertainty) for sample in sample_pair_errors(net, pairs)]
    return coverage_rows(sum(counts, start=zero_counts()))


def zero_counts() -> CoverageCounts:
    """Return an all-zero count table."""
    return np.zeros((len(SLOPE_EDGES_DEG), 1 + 2 * len(SHARES)), np.int64)


def predicted_sigma_m(sample: ErrorSample, uncertainty: Uncertainty) -> NDArray[np.float32]:
    """Return the predicted standard error of each pixel, (N,) metres.

    Parameters
    ----------
    sample : errors of one area
    uncertainty : coefficients of the band
    """
    log_raw = raw_log_sigma(torch.from_numpy(sample.features[None]), uncertainty)
    sigma: NDArray[np.float32] = calibrated_sigma(log_raw, uncertainty)[0, 0].numpy()
    return sigma


def coverage_counts(sample: ErrorSample, uncertainty: Uncertainty) -> CoverageCounts:
    """Count the pixels within the band and within the constant band.

    Parameters
    ----------
    sample : errors of one area
    uncertainty : coefficients of the band, with the standard error of the constant band

    Returns
    -------
    counts : by slope class: all pixels, those within 1 and within 1.645 standard errors of the band, and likewise of
        the constant band
    """
    bands, error = (predicted_sigma_m(sample, uncertainty), uncertainty.constant_m), np.abs(sample.error_m)
    within = [error <= factor * band for band in bands for factor in SHARES]
    slope_class = np.digitize(sample.slope_deg, SLOPE_EDGES_DEG[1:])  # NaN goes to the last class
    counts = zero_counts()
    np.add.at(counts, slope_class, np.stack([np.ones(error.shape, bool), *within], axis=1))
    return counts


def coverage_rows(counts: CoverageCounts) -> CoverageRows:
    """Convert counts to per cent by slope class; a class of fewer than 1,000 pixels is merged with a neighbour."""
    merged: list[tuple[float, float, CoverageCounts]] = []
    for low, high, row in zip(SLOPE_EDGES_DEG[:-1], SLOPE_EDGES_DEG[1:], counts[:-1], strict=True):
        if not row[0]:
            continue
        if merged and min(row[0], merged[-1][2][0]) < _CLASS_PIXELS:
            lowest, _, before = merged.pop()
            merged.append((lowest, high, before + row))
        else:
            merged.append((low, high, row))
    steepest = SLOPE_EDGES_DEG[-1]
    named = [(f"{low}-{high}" if high < steepest else f">{low}", row) for low, high, row in merged]
    if counts[-1, 0]:
        named.append((UNKNOWN_SLOPE, counts[-1]))
    names = [f"{band}within_{factor:g}_sigma_percent" for band in ("", "constant_") for factor in SHARES]
    rows = []
    for label, (pixels, *within) in named:
        shares = [round(100 * int(count) / int(pixels), 1) for count in within]
        rows.append({"slope_deg": label, "pixels": int(pixels), **dict(zip(names, shares, strict=True))})
    return rows
