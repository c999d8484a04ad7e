"""Find how an LR grid was sampled from HR: the Gaussian, the place of the sample and the rounding.

On land GEBCO follows such a law (`demsr.pairs.degradations.gebco`); on the sea floor no grid is known that does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demsr.dem.average import finer_than
from demsr.dem.dem import Dem
from demsr.dem.grid import Grid, metres_per_degree
from demsr.dem.read.declared import Declared
from demsr.dem.read.header import read_header
from demsr.dem.read.identity import LAND_OFFSET_ARCSEC, LAND_SIGMA_M
from demsr.dem.read.raster import read_dem
from demsr.errors import GridError, VoidError
from demsr.pairs.align import with_common_crs
from demsr.pairs.coregister import coregister
from demsr.pairs.degradations.gebco import ROUNDING_M

MIN_CELLS = 300  # measured in both, over ground that is not flat
LARGEST_RESIDUAL_M = 0.5  # NMAD; rounding to whole metres alone leaves 0.37 m
LEAST_SHARE = 0.95  # of the cells within `_OUTLIER` times that
_OUTLIER = 5.0
_NMAD = 1.4826  # ratio of standard deviation and median absolute deviation
_HUBER = 2.0  # residuals beyond this multiple of the NMAD get less weight
_NOISE_FLOOR_M = 0.1
_LIKE_M, _LIKE_ARCSEC, _ERRORS = 8.0, 0.3, 3.0  # tolerances of the law, beside three standard errors
_STEPS_M = (100.0, 10.0, 1.0, 0.5, 0.1, 0.01)
_TRUNCATE = 4.0  # reach of the Gaussian in standard deviations
_MEASURED = 0.999  # weight of the Gaussian that must fall on measured pixels
_BLOCK = 16  # side of the blocks of LR cells whose errors are taken as independent
_START_PX, _RANGE_PX = 0.4, (0.1, 3.0)  # standard deviation of the Gaussian in LR pixels
_MAX_STEPS, _TOLERANCE_PX, _DIFFERENCE_PX = 25, 1e-4, 0.01

_Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GaussianSampling:
    """How the cells of an LR grid were sampled from HR.

    Attributes
    ----------
    sigma_m, sigma_error_m : standard deviation of the Gaussian, and its standard error
    east_arcsec, north_arcsec : position of the sample, counted from the middle of the LR cell
    offset_error_arcsec : standard error of the position, the larger of its components
    rounding_m : largest step of which all LR elevations are multiples, 0 if there is none
    bias_m : median of LR minus the sampled HR
    residual_m : 1.4826 times the median absolute deviation of LR minus the sampled HR
    share : of the cells whose difference is less than five times `LARGEST_RESIDUAL_M`
    cells : number of cells
    """

    sigma_m: float
    sigma_error_m: float
    east_arcsec: float
    north_arcsec: float
    offset_error_arcsec: float
    rounding_m: float
    bias_m: float
    residual_m: float
    share: float
    cells: int

    @property
    def objection(self) -> str | None:
        """Why LR does not follow the law of GEBCO on land; None if it does, to the rounding."""
        offset = max(abs(self.east_arcsec + LAND_OFFSET_ARCSEC), abs(self.north_arcsec + LAND_OFFSET_ARCSEC))
        if self.rounding_m != ROUNDING_M:
            return "elevations are not whole metres"
        if self.residual_m > LARGEST_RESIDUAL_M:
            return f"{self.residual_m:.2f} m remain, the law leaves at most {LARGEST_RESIDUAL_M:g} m"
        if self.share < LEAST_SHARE:
            return f"only {self.share:.0%} of the cells follow it"
        if abs(self.sigma_m - LAND_SIGMA_M) > _LIKE_M + _ERRORS * self.sigma_error_m:
            return f"its Gaussian has {LAND_SIGMA_M:g} m"
        if offset > _LIKE_ARCSEC + _ERRORS * self.offset_error_arcsec:
            return f"its samples lie {LAND_OFFSET_ARCSEC:g} arc-seconds west and south of the middle"
        return None


def fit_gaussian(lr: Dem, hr: Dem) -> GaussianSampling:
    """Fit a Gaussian and a position to an LR grid and finer elevation of the same ground.

    Least squares with Huber weights on the difference between LR and HR under the Gaussian, from the start that
    co-registration finds. Standard errors take differences within blocks of 16 x 16 cells as dependent. Cells over flat
    HR, such as the sea of SRTM, and cells that are sea in one grid and land in the other are left out.

    Parameters
    ----------
    lr : geographic grid
    hr : finer geographic grid; its pixels are taken as samples at their centres

    Raises
    ------
    GridError : the grids do not match
    VoidError : fewer than `MIN_CELLS` cells with relief are measured in both

    Source of the standard errors: Liang and Zeger (1986), doi 10.1093/biomet/73.1.13.
    """
    lr = with_common_crs(lr, hr)
    if not hr.grid.is_geographic:
        message = f"{hr.source}: the grid is projected; warp it to longitude and latitude first, as with gdalwarp"
        raise GridError(message)
    if finer_than(lr.grid, hr.grid):
        message = f"{hr.source} is coarser than {lr.source}; give LR first and HR second"
        raise GridError(message)
    size_m = np.array(lr.grid.pixel_size_m())
    sampler = _Sampler(lr.grid, hr)
    found = np.append(_START_PX, -np.array(coregister(lr, hr).shift_m) / size_m)
    sea_in_one = (lr.elevation_m < 0) != (sampler(found) < 0)
    cells = np.where(sampler.is_rough() & ~sea_in_one, lr.elevation_m.astype(np.float64), np.nan)
    for _ in range(_MAX_STEPS):
        step, errors = _step(cells, sampler, found, where=f"{lr.source} and {hr.source}")
        found = found + step
        found[0] = np.clip(found[0], *_RANGE_PX)
        if np.abs(step).max() < _TOLERANCE_PX:
            break
    difference = cells - sampler(found)
    known = np.isfinite(difference)
    left = difference[known] - np.median(difference[known])
    width_arcsec, height_arcsec = lr.grid.pixel_size_arcsec()
    return GaussianSampling(
        sigma_m=float(found[0] * size_m[1]),
        sigma_error_m=float(errors[0] * size_m[1]),
        east_arcsec=float(found[1] * width_arcsec),
        north_arcsec=float(found[2] * height_arcsec),
        offset_error_arcsec=float(max(errors[1] * width_arcsec, errors[2] * height_arcsec)),
        rounding_m=_rounding(lr.elevation_m[lr.valid]),
        bias_m=float(np.median(difference[known])),
        residual_m=float(_NMAD * np.median(np.abs(left))),
        share=float(np.mean(np.abs(left) <= _OUTLIER * LARGEST_RESIDUAL_M)),
        cells=int(np.count_nonzero(known)),
    )


def fit_gaussians(paths: Sequence[Path], declared: Declared) -> Iterator[tuple[str, GaussianSampling]]:
    """Fit every 15 arc-second grid among some files to each finer one of the same ground; others are passed over.

    Parameters
    ----------
    paths : rasters
    declared : properties that the files do not state or state wrongly

    Yields
    ------
    names, found : both file names in words, and the fitted Gaussian
    """
    grids = {path: read_header(path, declared).grid for path in paths}
    fine = [path for path, grid in grids.items() if grid.is_geographic and not grid.is_fifteen_arcsec]
    for lr in (path for path, grid in grids.items() if grid.is_fifteen_arcsec):
        for hr in fine:
            try:
                truth = read_dem(hr, declared=declared)
                found = fit_gaussian(read_dem(lr, declared=declared, within=truth.grid.lonlat_bounds()), truth)
            except (GridError, VoidError):
                continue
            yield f"{lr.name} from {hr.name}", found


class _Sampler:
    """HR elevation under a Gaussian at the cells of an LR grid.

    Parameters
    ----------
    grid : of LR
    hr : elevation; voids must not carry weight
    """

    def __init__(self, grid: Grid, hr: Dem) -> None:
        self.level = float(np.nanmean(hr.elevation_m, dtype=np.float64))
        self.valid = hr.valid.astype(np.float64)
        self.heights = np.where(hr.valid, hr.elevation_m - self.level, 0).astype(np.float64)
        turns = round((hr.grid.west + hr.grid.east - grid.west - grid.east) / 720)
        first, last = (hr.grid.index(*grid.centre(*corner)) for corner in ((0, 0), (grid.rows - 1, grid.cols - 1)))
        shift = 360 * turns / hr.grid.pixel_width
        self.rows = np.linspace(first[0], last[0], grid.rows)
        self.cols = np.linspace(first[1], last[1], grid.cols) + shift
        self.scale = np.array([grid.pixel_width / hr.grid.pixel_width, grid.pixel_height / hr.grid.pixel_height])
        middles = [grid.centre(row, 0)[1] for row in range(grid.rows)]
        metres = np.array([metres_per_degree(latitude) for latitude in middles])
        self.stretch = metres[:, 1] * grid.pixel_height / (metres[:, 0] * grid.pixel_width)  # pixels along a parallel

    def __call__(self, parameters: _Array) -> _Array:
        """Sample at width, east and north in LR pixels; (rows, cols), NaN where HR is not measured."""
        sigma, east, north = parameters
        rows, cols = self.rows - north * self.scale[1], self.cols + east * self.scale[0]
        sigma_rows = np.full(len(rows), sigma * self.scale[1])
        sigma_cols = sigma * self.stretch * self.scale[0]
        total, weight = (
            _along_rows(_along_cols(image, rows, sigma_rows), cols, sigma_cols) for image in (self.heights, self.valid)
        )
        return np.where(weight >= _MEASURED, self.level + total / np.maximum(weight, _MEASURED), np.nan)

    def is_rough(self) -> NDArray[np.bool_]:
        """Return the cells (rows, cols) whose HR pixels are not all alike."""
        lowest, highest = np.array(np.inf), np.array(-np.inf)
        reach_rows, reach_cols = (max(1, int(side / 2)) for side in self.scale[::-1])
        for row in range(-reach_rows, reach_rows + 1):
            for col in range(-reach_cols, reach_cols + 1):
                near = self.heights[
                    np.clip(np.rint(self.rows).astype(int) + row, 0, self.heights.shape[0] - 1)[:, None],
                    np.clip(np.rint(self.cols).astype(int) + col, 0, self.heights.shape[1] - 1),
                ]
                lowest, highest = np.minimum(lowest, near), np.maximum(highest, near)
        return np.asarray(highest > lowest)


def _along_cols(image: _Array, places: _Array, sigma: _Array) -> _Array:
    """Weight the rows of an image around fractional places: (len(places), columns)."""
    return _along_rows(image.T, places, sigma, own=True).T


def _along_rows(image: _Array, places: _Array, sigma: _Array, *, own: bool = False) -> _Array:
    """Weight the pixels of each row around fractional places: (rows, len(places)).

    Parameters
    ----------
    image : (rows, columns)
    places : fractional columns
    sigma : standard deviation of the Gaussian, of each row, or with `own` of each place
    own : see `sigma`
    """
    width = sigma[None, :] if own else sigma[:, None]
    nearest = np.rint(places).astype(int)
    reach = int(np.ceil(_TRUNCATE * sigma.max()))
    total, weights = np.zeros((image.shape[0], len(places))), np.zeros((1, 1))
    for offset in range(-reach, reach + 1):
        index = nearest + offset
        weight = np.exp(-0.5 * ((index - places) / width) ** 2)
        inside = (index >= 0) & (index < image.shape[1])
        total += weight * inside * image[:, np.where(inside, index, 0)]
        weights = weights + weight
    return total / weights


def _step(cells: _Array, sampler: _Sampler, found: _Array, *, where: str) -> tuple[_Array, _Array]:
    """Return the Gauss-Newton step of width, east and north, and their standard errors, in LR pixels."""
    difference = cells - sampler(found)
    slopes = np.stack(
        [
            (sampler(found + change) - sampler(found - change)) / (2 * _DIFFERENCE_PX)
            for change in _DIFFERENCE_PX * np.eye(3)
        ]
    )
    known = np.isfinite(difference) & np.isfinite(slopes).all(axis=0)
    if (count := np.count_nonzero(known)) < MIN_CELLS:
        message = f"{where}: {count} cells with relief are measured in both, not {MIN_CELLS}; give a larger region"
        raise VoidError(message)
    residual = difference[known] - np.median(difference[known])
    typical_m = max(_NOISE_FLOOR_M, _NMAD * float(np.median(np.abs(residual))))
    weight = 1 / np.maximum(1, np.abs(residual) / (_HUBER * typical_m))
    design = slopes[:, known]
    design = design - np.average(design, axis=1, weights=weight)[:, None]
    inverse = np.linalg.pinv((design * weight) @ design.T)
    rows, cols = np.nonzero(known)
    block = (rows // _BLOCK) * (known.shape[1] // _BLOCK + 1) + cols // _BLOCK
    scores = np.stack([np.bincount(block, weights=one) for one in design * (weight * residual)])
    covariance = inverse @ (scores @ scores.T) @ inverse
    return inverse @ (design @ (weight * residual)), np.sqrt(np.diag(covariance))


def _rounding(elevation: NDArray[np.float32]) -> float:
    """Return the largest step of which all elevations are multiples, 0 if there is none."""
    for step in _STEPS_M:
        if np.allclose(elevation / step, np.rint(elevation / step), rtol=0, atol=0.01):
            return step
    return 0.0
