"""Errors of elevation, on measured pixels only. error = sr - hr."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from demsr.errors import VoidError


def elevation_errors(errors: NDArray[np.floating], *, unit: str = "m") -> dict[str, float]:
    """Summarise errors.

    Parameters
    ----------
    errors : any shape, NaN where not measured
    unit : of the errors, which the names of the results end with

    Returns
    -------
    bias_m (mean), mae_m, rmse_m, nmad_m (1.4826 times the median distance to the median, Hoehle and Hoehle 2009,
    doi 10.1016/j.isprsjprs.2009.02.003), le90_m and p95_m (90th and 95th percentile of the absolute error)

    Raises
    ------
    VoidError : no pixel was measured
    """
    error = errors[np.isfinite(errors)].astype(np.float64)
    if error.size == 0:
        message = "no pixel was measured; an error needs at least one"
        raise VoidError(message)
    summary = {
        "bias": float(error.mean()),
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "nmad": float(1.4826 * np.median(np.abs(error - np.median(error)))),
        "le90": float(np.percentile(np.abs(error), 90)),
        "p95": float(np.percentile(np.abs(error), 95)),
    }
    return {f"{name}_{unit}": value for name, value in summary.items()}


def unit_of(metrics: Iterable[str]) -> str:
    """Return the unit of elevation, "m" or "scaled", that the names from `elevation_errors` end with."""
    return next(name.removeprefix("rmse_") for name in metrics if name.startswith("rmse_"))
