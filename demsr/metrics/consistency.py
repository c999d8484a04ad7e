"""Consistency of a result with its LR input, and its shift against the truth."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.floating]


def consistency_m(sr: Image, lr: Image) -> float:
    """Return the RMS difference between the block means of a result and its input.

    Parameters
    ----------
    sr : (scale*H, scale*W), metres, NaN where void
    lr : (H, W), metres, NaN where void

    Returns
    -------
    rms : metres, over the blocks without a void; NaN if there is none
    """
    scale = sr.shape[0] // lr.shape[0]
    means = sr.astype(np.float64).reshape(lr.shape[0], scale, lr.shape[1], scale).mean(axis=(1, 3))
    remainder = means - lr
    return float(np.sqrt(np.nanmean(np.square(remainder)))) if np.isfinite(remainder).any() else float("nan")


def shift_px(sr: Image, hr: Image) -> tuple[float, float]:
    """Return the shift of a result against the truth, by least squares.

    A shifted surface differs from the truth by slope times shift, so the shift is the least-squares coefficient of the
    truth's slopes in the difference. Valid for shifts that are small against the relief (Lucas and Kanade 1981).

    Parameters
    ----------
    sr, hr : (H, W), metres, NaN where void

    Returns
    -------
    east, south : HR pixels; NaN if fewer than three pixels are measured
    """
    truth = hr.astype(np.float64)
    south, east = np.gradient(truth, axis=0), np.gradient(truth, axis=1)
    difference = sr.astype(np.float64) - truth
    measured = np.isfinite(difference) & np.isfinite(east) & np.isfinite(south)
    predictors = np.stack((-east[measured], -south[measured], np.ones(measured.sum())), axis=1)
    enough = len(predictors) > 2
    shift = np.linalg.lstsq(predictors, difference[measured], rcond=None)[0] if enough else np.full(3, np.nan)
    return float(shift[0]), float(shift[1])
