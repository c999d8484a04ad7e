"""Estimate the sub-pixel shift and the vertical offset between HR elevation and a real LR grid of the same ground.

`demsr.dem.average` averages and shifts; no vertical datum is converted here.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demsr.dem.average import average
from demsr.dem.dem import Dem

MIN_GAIN = 0.02  # relative decrease of the standard deviation
MAX_SHIFT_LR_PX = 2.0  # a larger shift indicates an error in one of the grids
MIN_CELLS = 100  # LR cells measured in both
MAX_ERROR_LR_PX = 0.02  # formal standard error of the shift; correlated errors make the true one several times larger
FLAT_M = 3.0  # standard deviation of the HR means; below, the difference may exceed the relief
_NOISE_FLOOR_M = 0.3  # of whole metres, 1/sqrt(12)
_HUBER = 2.0  # residuals beyond this multiple of the NMAD get less weight
_NMAD = 1.4826  # ratio of standard deviation and median absolute deviation
_SINGULAR = 1e-12  # ratio of eigenvalues below which one direction has no relief
_TOLERANCE_LR_PX, _MAX_STEPS, _LONGEST_STEP_LR_PX = 1e-3, 20, 1.0

_Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Coregistration:
    """Shift and vertical offset of HR elevation against an LR grid.

    Attributes
    ----------
    cells : LR cells measured in both
    verdict : whether the shift is applied, and the reason if not
    applied : whether the conditions of `coregister` hold
    unusable : LR and HR make no pair: they share too few cells, differ by more than the relief, or lie further apart
        than `MAX_SHIFT_LR_PX`
    east_m, north_m : estimated shift of HR, metres; `shift_m` is zero unless applied
    bias_m : median of LR minus HR means, with HR shifted if `applied`, metres; to be added to HR
    std_before_m, std_after_m : standard deviation of LR minus HR means without and with the shift, metres, over the
        common cells; NaN if these are too few
    """

    cells: int
    verdict: str
    applied: bool = False
    unusable: bool = False
    east_m: float = 0.0
    north_m: float = 0.0
    bias_m: float = 0.0
    std_before_m: float = math.nan
    std_after_m: float = math.nan

    @property
    def shift_m(self) -> tuple[float, float]:
        """Return (east, north) by which to shift HR, metres; zero if not applied."""
        return (self.east_m, self.north_m) if self.applied else (0.0, 0.0)


def coregister(lr: Dem, hr: Dem) -> Coregistration:
    """Estimate the shift of HR elevation against a real LR grid of the same ground.

    The shift minimises LR minus the mean of HR over each LR cell: linearised in the slopes of these means, solved by
    least squares, with HR averaged again after each step. The solution is exact where the terrain agrees, since the
    slopes are those of HR alone; Huber weights limit the influence of gross errors.

    The shift is applied if all of these conditions hold; otherwise the verdict names the first that does not:

    - at least `MIN_CELLS` LR cells are measured in both;
    - the difference is smaller than the relief, unless the relief is below `FLAT_M` (wrong units, signs and places
      fail here);
    - the relief determines the shift to a formal standard error of `MAX_ERROR_LR_PX` along every direction;
    - the shift is at most `MAX_SHIFT_LR_PX` long;
    - it lowers the standard deviation of the difference by at least `MIN_GAIN`.

    Parameters
    ----------
    lr : real LR grid, geographic; cells outside HR are ignored, but cost time
    hr : elevation of finer spacing on the same vertical datum; a datum difference becomes part of the bias

    Raises
    ------
    GridError : HR is coarser than LR, or in another geographic CRS

    Source: iterative image registration after Lucas and Kanade (1981), Proc. IJCAI, 674-679; weights after Huber
    (1964), doi 10.1214/aoms/1177703732.
    """
    start = _difference(lr, hr, np.zeros(2))
    cells = int(np.isfinite(start).sum())
    if cells < MIN_CELLS:
        verdict = f"not applied: too few common cells, {cells} of the {MIN_CELLS} needed"
        return Coregistration(cells=cells, unusable=True, verdict=verdict)
    shift_px, error_px = _estimate(lr, hr)
    moved = _difference(lr, hr, shift_px)
    common = np.isfinite(start) & np.isfinite(moved)
    before, after = (float(difference[common].std()) if common.any() else math.nan for difference in (start, moved))
    relief = float((lr.elevation_m - start)[common].std()) if common.any() else 0.0
    unlike = relief > FLAT_M and min(before, after) >= relief
    reason = f"unlike, they differ by {min(before, after):.1f} m where relief is {relief:.1f} m" if unlike else None
    reason = reason or _objection(shift_px, error_px, before, after)
    verdict = f"applied: standard deviation falls from {before:.1f} to {after:.1f} m"
    east_m, north_m = shift_px * lr.grid.pixel_size_m()
    return Coregistration(
        cells=cells,
        verdict=f"not applied: {reason}" if reason else verdict,
        applied=reason is None,
        unusable=unlike or (_is_too_long(shift_px) and error_px <= MAX_ERROR_LR_PX),
        east_m=float(east_m),
        north_m=float(north_m),
        bias_m=float(np.nanmedian(start if reason else moved)),
        std_before_m=before,
        std_after_m=after,
    )


def _estimate(lr: Dem, hr: Dem) -> tuple[_Array, float]:
    """Return the shift (east, north) of HR and its formal standard error, in LR pixels."""
    shift_px, error_px = np.zeros(2), math.inf
    for _ in range(_MAX_STEPS):
        step_px, error_px = _step(lr.elevation_m.astype(np.float64), _difference(lr, hr, shift_px))
        shift_px = shift_px + step_px
        if np.hypot(*step_px) < _TOLERANCE_LR_PX:
            break
    return shift_px, error_px


def _difference(lr: Dem, hr: Dem, shift_px: _Array) -> _Array:
    """Return LR minus the means of shifted HR, metres, NaN where either is void."""
    east_m, north_m = shift_px * lr.grid.pixel_size_m()
    means = average(hr, lr.grid, shift_m=(float(east_m), float(north_m)))
    difference: _Array = lr.elevation_m.astype(np.float64) - means.elevation_m
    return difference


def _step(lr: _Array, difference: _Array) -> tuple[_Array, float]:
    """Return the next step of the shift (east, north) and its formal standard error, in LR pixels.

    A shift by s changes the terrain by -s times its slope, so the difference is regressed on the slopes of the means.
    """
    means = lr - difference
    east = (means[1:-1, 2:] - means[1:-1, :-2]) / 2
    north = (means[:-2, 1:-1] - means[2:, 1:-1]) / 2
    inner = difference[1:-1, 1:-1]
    known = np.isfinite(east) & np.isfinite(north) & np.isfinite(inner)
    if not known.any():
        return np.zeros(2), math.inf
    slopes, residual = np.stack([east[known], north[known]]), inner[known] - np.median(inner[known])
    typical_m = max(_NOISE_FLOOR_M, _NMAD * float(np.median(np.abs(residual))))
    weight = 1 / np.maximum(1, np.abs(residual) / (_HUBER * typical_m))
    slopes = slopes - np.average(slopes, axis=1, weights=weight)[:, None]
    normal = (slopes[:, None] * weight * slopes).sum(axis=2)
    step, information = _solve(normal, -(slopes * weight * residual).sum(axis=1))
    step *= min(1.0, _LONGEST_STEP_LR_PX / max(float(np.hypot(*step)), _TOLERANCE_LR_PX))
    noise_m = max(_NOISE_FLOOR_M, math.sqrt(np.mean(weight * residual**2)))
    return step, noise_m / math.sqrt(information) if information else math.inf


def _solve(normal: _Array, right: _Array) -> tuple[_Array, float]:
    """Return the shortest least-squares solution of 2 x 2 normal equations, and the smaller eigenvalue of the matrix.

    Without BLAS and LAPACK, whose last bits depend on the processor.
    """
    (xx, xy), (_, yy) = normal.tolist()
    middle, radius = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    smaller, larger = max(middle - radius, 0.0), middle + radius
    if smaller > _SINGULAR * larger:
        inverse = np.array([[yy, -xy], [-xy, xx]]) / (xx * yy - xy * xy)
    else:
        inverse = normal / larger**2 if larger else np.zeros((2, 2))
    return (inverse * right).sum(axis=1), smaller


def _objection(shift_px: _Array, error_px: float, before_m: float, after_m: float) -> str | None:
    """Return the reason not to apply a shift, None if there is none."""
    length = np.hypot(*shift_px)
    if error_px > MAX_ERROR_LR_PX:
        return f"too flat or too unlike to tell, relief does not fix the shift to {MAX_ERROR_LR_PX:g} LR pixels"
    if _is_too_long(shift_px):
        return f"shift of {length:.1f} is beyond {MAX_SHIFT_LR_PX:g} LR pixels, check both grids"
    if not after_m < (1 - MIN_GAIN) * before_m:
        left = after_m / before_m if before_m else 1.0
        return f"already aligned, a shift of {length:.2f} LR pixels leaves {left:.1%} of the standard deviation"
    return None


def _is_too_long(shift_px: _Array) -> bool:
    return bool(np.hypot(*shift_px) > MAX_SHIFT_LR_PX)
