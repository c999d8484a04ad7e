"""Move HR terrain onto a real LR grid: the sub-pixel shift and the bias between two surveys of the same ground.

Only the shift is estimated here; averaging and moving is done by `demsr.dem.average`, and no datum is converted.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demsr.dem.average import average
from demsr.dem.dem import Dem

MIN_GAIN = 0.02  # share by which the standard deviation must fall
MAX_SHIFT_LR_PX = 2.0  # a larger one is a mistake in one of the grids, not a shift
MIN_CELLS = 100  # LR cells measured in both
MAX_ERROR_LR_PX = 0.02  # formal standard error of the shift; neighbouring errors go together: truth is several times it
FLAT_M = 3.0  # standard deviation of the HR means; flatter ground may differ by more than its relief
_NOISE_FLOOR_M = 0.3  # of whole metres, 1/sqrt(12)
_HUBER = 2.0  # residuals beyond this many NMAD count less
_NMAD = 1.4826  # makes the median distance to the median a standard deviation
_TOLERANCE_LR_PX, _MAX_STEPS, _LONGEST_STEP_LR_PX = 1e-3, 20, 1.0

_Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Coregistration:
    """How HR terrain must be moved to agree with an LR grid, and whether that is worth doing.

    Attributes
    ----------
    east_m, north_m : estimated shift of the HR terrain, metres; use `shift_m`, which heeds `applied`
    bias_m : median of LR minus HR means, with HR moved if `applied`, metres; to be added to HR
    std_before_m, std_after_m : standard deviation of LR minus HR means without and with the shift, metres, on the
        cells that both have; NaN where these are too few
    cells : LR cells measured in both
    applied : whether the rule of `coregister` holds
    unusable : the two make no pair: too little in common, unlike each other, or further apart than `MAX_SHIFT_LR_PX`
    verdict : the same in words, with the reason
    """

    east_m: float
    north_m: float
    bias_m: float
    std_before_m: float
    std_after_m: float
    cells: int
    applied: bool
    unusable: bool
    verdict: str

    @property
    def shift_m(self) -> tuple[float, float]:
        """Return (east, north) by which to move the HR terrain, metres; zero if not applied."""
        return (self.east_m, self.north_m) if self.applied else (0.0, 0.0)


def coregister(lr: Dem, hr: Dem) -> Coregistration:
    """Estimate by how much HR terrain is displaced against a real LR grid of the same ground.

    The shift minimises LR minus the mean of HR over each LR cell: linearised in the slopes of these means, solved by
    least squares, with HR averaged anew after each step. The solution is exact where the terrain agrees, since the
    slopes are those of HR alone; Huber weights keep gross errors of either survey from deciding.

    The shift is applied if all of these hold, else the verdict names the first that does not:
    at least `MIN_CELLS` LR cells are measured in both; they differ by less than the relief, unless that is below
    `FLAT_M` (wrong units, signs and places do not); relief fixes the shift to a formal standard error of
    `MAX_ERROR_LR_PX` along every direction; it is at most `MAX_SHIFT_LR_PX` long; and it lowers the standard
    deviation of the difference by at least `MIN_GAIN`.

    Parameters
    ----------
    lr : geographic; cells that HR does not cover do not count, but cost time: cut a large grid to its surroundings
    hr : of finer spacing, on the same vertical datum, or their difference becomes part of the bias

    Raises
    ------
    GridError : HR is coarser than LR, or in another geographic CRS

    Source: iterative image registration after Lucas and Kanade (1981), Proc. IJCAI, 674-679; weights after Huber
    (1964), doi 10.1214/aoms/1177703732.
    """
    start = _difference(lr, hr, np.zeros(2))
    cells = int(np.isfinite(start).sum())
    if cells < MIN_CELLS:
        return Coregistration(
            east_m=0.0,
            north_m=0.0,
            bias_m=0.0,
            std_before_m=math.nan,
            std_after_m=math.nan,
            cells=cells,
            applied=False,
            unusable=True,
            verdict=f"not applied: too few common cells, {cells} of the {MIN_CELLS} needed",
        )
    shift_px, error_px = _estimate(lr, hr)
    moved = _difference(lr, hr, shift_px)
    common = np.isfinite(start) & np.isfinite(moved)
    before, after = (float(difference[common].std()) if common.any() else math.nan for difference in (start, moved))
    relief = float((lr.elevation_m - start)[common].std()) if common.any() else 0.0
    unlike = relief > FLAT_M and min(before, after) >= relief
    reason = f"unlike, they differ by {min(before, after):.1f} m where relief is {relief:.1f} m" if unlike else None
    reason = reason or _objection(shift_px, error_px, before, after)
    east_m, north_m = shift_px * lr.grid.pixel_size_m()
    return Coregistration(
        east_m=float(east_m),
        north_m=float(north_m),
        bias_m=float(np.nanmedian(start if reason else moved)),
        std_before_m=before,
        std_after_m=after,
        cells=cells,
        applied=reason is None,
        unusable=unlike or (_is_beyond(shift_px) and error_px <= MAX_ERROR_LR_PX),
        verdict=f"not applied: {reason}"
        if reason
        else f"applied: standard deviation falls from {before:.1f} to {after:.1f} m",
    )


def _estimate(lr: Dem, hr: Dem) -> tuple[_Array, float]:
    """Return the shift of HR (east, north) and its formal standard error, in LR pixels."""
    shift_px, error_px = np.zeros(2), math.inf
    for _ in range(_MAX_STEPS):
        step_px, error_px = _step(lr.elevation_m.astype(np.float64), _difference(lr, hr, shift_px))
        shift_px = shift_px + step_px
        if np.hypot(*step_px) < _TOLERANCE_LR_PX:
            break
    return shift_px, error_px


def _difference(lr: Dem, hr: Dem, shift_px: _Array) -> _Array:
    """Return LR minus the means of moved HR, metres, NaN where either is void."""
    east_m, north_m = shift_px * lr.grid.pixel_size_m()
    means = average(hr, lr.grid, shift_m=(float(east_m), float(north_m)))
    difference: _Array = lr.elevation_m.astype(np.float64) - means.elevation_m
    return difference


def _step(lr: _Array, difference: _Array) -> tuple[_Array, float]:
    """Return what to add to the shift (east, north) and its formal standard error, in LR pixels.

    Moving terrain by s changes it by -s times its slope, so the difference is regressed on the slopes of the means.
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
    normal = slopes * weight @ slopes.T
    step = -np.linalg.lstsq(normal, slopes @ (weight * residual), rcond=None)[0].astype(np.float64)
    step *= min(1.0, _LONGEST_STEP_LR_PX / max(float(np.hypot(*step)), _TOLERANCE_LR_PX))
    noise_m = max(_NOISE_FLOOR_M, math.sqrt(np.mean(weight * residual**2)))
    information = max(float(np.linalg.eigvalsh(normal)[0]), 0.0)  # along the direction with the least relief
    return step, noise_m / math.sqrt(information) if information else math.inf


def _objection(shift_px: _Array, error_px: float, before_m: float, after_m: float) -> str | None:
    """Return why a shift is not applied, None if it is."""
    length = np.hypot(*shift_px)
    if error_px > MAX_ERROR_LR_PX:
        return f"too flat or too unlike to tell, relief does not fix the shift to {MAX_ERROR_LR_PX:g} LR pixels"
    if _is_beyond(shift_px):
        return f"shift of {length:.1f} is beyond {MAX_SHIFT_LR_PX:g} LR pixels, check both grids"
    if not after_m < (1 - MIN_GAIN) * before_m:
        left = after_m / before_m if before_m else 1.0
        return f"already aligned, a shift of {length:.2f} LR pixels leaves {left:.1%} of the standard deviation"
    return None


def _is_beyond(shift_px: _Array) -> bool:
    return bool(np.hypot(*shift_px) > MAX_SHIFT_LR_PX)
