"""Errors of elevation in metres, on measured pixels only. error = sr - hr."""

import numpy as np
from numpy.typing import NDArray

from demsr.errors import VoidError


def elevation_errors(error_m: NDArray[np.floating]) -> dict[str, float]:
    """Summarise errors.

    Parameters
    ----------
    error_m : any shape, metres, NaN where not measured

    Returns
    -------
    bias_m (mean), mae_m, rmse_m, nmad_m (1.4826 times the median distance to the median, Hoehle and Hoehle 2009,
    doi 10.1016/j.isprsjprs.2009.02.003) and le90_m (90th percentile of the absolute error)

    Raises
    ------
    VoidError : no pixel was measured
    """
    error = error_m[np.isfinite(error_m)].astype(np.float64)
    if error.size == 0:
        message = "no pixel was measured; an error needs at least one"
        raise VoidError(message)
    return {
        "bias_m": float(error.mean()),
        "mae_m": float(np.abs(error).mean()),
        "rmse_m": float(np.sqrt(np.square(error).mean())),
        "nmad_m": float(1.4826 * np.median(np.abs(error - np.median(error)))),
        "le90_m": float(np.percentile(np.abs(error), 90)),
    }
