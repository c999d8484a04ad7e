"""Fit the parameters of `FittedDegradation` to a real LR grid and HR elevation of the same ground."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from demsr.dem.average import average, finer_than
from demsr.dem.dem import Dem
from demsr.dem.voids import fill_voids
from demsr.errors import GridError, VoidError
from demsr.pairs.align import with_common_crs
from demsr.pairs.coregister import Coregistration, coregister
from demsr.pairs.degradations.fitted import FittedDegradation
from demsr.runtime.seeding import generator

MIN_CELLS = 1000  # measured in both; fewer leave bands of the spectrum almost empty
_OUTLIER_SHARE = 0.01  # cells with the largest differences, blunders of either survey, are left out
_BANDS = 10  # from 0 to 0.5 cycles per LR pixel
_BOUNDS = [(0.0, 4.0), (-6.0, 0.0)]  # blur in LR pixels, binary logarithm of the share of soundings
_START_BLURS_LR_PX = (0.0, 0.5, 1.0, 2.0)
_START_SHARES_LOG2 = (0.0, -1.0, -2.0, -3.0, -4.5)
_SIMPLEX = np.array([[0.0, 0.0], [0.25, 0.0], [0.0, -0.5]])  # around the start, inside the bounds
_OPTIONS = {"maxfev": 60, "xatol": 0.01, "fatol": 1e-6}
_LEAST_POWER = 1e-12  # of flat terrain, so that ratios exist

_Array = NDArray[np.float64]
_Raster = NDArray[np.floating[Any]]


def fit_degradation_to_rasters(lr: Dem, hr: Dem) -> tuple[FittedDegradation, Coregistration]:
    """Fit a degradation to a real LR grid and HR of the same ground, after co-registration.

    Parameters
    ----------
    lr : real LR grid, geographic
    hr : elevation of finer spacing

    Returns
    -------
    degradation : the fitted parameters
    found : the co-registration

    Raises
    ------
    GridError : the grids do not match, or lie too far apart for co-registration
    VoidError : fewer than `MIN_CELLS` cells are measured in both
    """
    lr = with_common_crs(lr, hr)
    if finer_than(lr.grid, hr.grid):
        message = f"{hr.source} is coarser than {lr.source}; give LR first and HR second"
        raise GridError(message)
    found = coregister(lr, hr)
    if found.unusable:
        message = f"{lr.source} and {hr.source}: {found.verdict}; give rasters of the same ground"
        raise GridError(message)
    means = average(hr, lr.grid, shift_m=found.shift_m)
    difference = np.abs(lr.elevation_m - means.elevation_m - found.bias_m)
    outlier = difference > np.nanquantile(difference, 1 - _OUTLIER_SHARE)
    return fit_degradation(np.where(outlier, np.nan, lr.elevation_m), means.elevation_m), found


def fit_degradation(lr: _Raster, block_mean: _Raster, *, seed: int = 0) -> FittedDegradation:
    """Fit a degradation to LR cells and the block means of HR in them.

    The fit compares, in ten bands of wavenumber, the transfer (amplitude of LR coherent with the terrain, 1 to 0) and
    the incoherent amplitude (relative to the terrain): blur lowers the first alone, sparse soundings lower it and
    raise the second. It minimises the squared differences by a coarse grid search and Nelder-Mead from its best
    point; all trials share one draw of soundings. Rounding is to metres if every LR value is whole, else none.

    Expect errors of 0.1 LR pixels in the blur and of a factor of 1.3 in the share; a blur below 0.2 LR pixels cannot
    be detected where soundings are sparse. Set outliers of either survey to NaN beforehand: they look like missing
    soundings.

    Parameters
    ----------
    lr, block_mean : (H, W), metres, NaN where void; co-registered, on the same grid
    seed : base seed of the draw

    Returns
    -------
    degradation : the fitted parameters

    Raises
    ------
    GridError : the shapes differ
    VoidError : fewer than `MIN_CELLS` cells are measured in both
    """
    if lr.shape != block_mean.shape:
        message = f"LR has shape {lr.shape}, block means have {block_mean.shape}; average HR onto the LR grid first"
        raise GridError(message)
    terrain = np.where(np.isfinite(lr), block_mean, np.nan)
    elevations = lr[np.isfinite(terrain)]
    if elevations.size < MIN_CELLS:
        message = (
            f"{elevations.size} cells are measured in LR and in HR; the fit needs {MIN_CELLS}, give a larger region"
        )
        raise VoidError(message)
    rounding_m = 1.0 if np.array_equal(elevations, np.rint(elevations)) else 0.0
    box = ndimage.find_objects(np.isfinite(terrain).astype(int))[0]
    lr, terrain = lr[box], terrain[box]
    target = _spectral_signature(lr, terrain)

    def degradation_at(point: _Array) -> FittedDegradation:
        return FittedDegradation(float(point[0]), float(2.0 ** point[1]), rounding_m)

    def misfit(point: _Array) -> float:
        degraded = degradation_at(point).degrade(terrain, random=generator(seed, "soundings"))
        return float(np.mean(np.square(_spectral_signature(degraded, terrain) - target)))

    grid = [np.array([blur, share]) for blur in _START_BLURS_LR_PX for share in _START_SHARES_LOG2]
    start = min(grid, key=misfit)
    options = {"initial_simplex": start + _SIMPLEX, **_OPTIONS}
    best = optimize.minimize(misfit, start, method="Nelder-Mead", bounds=_BOUNDS, options=options)
    return degradation_at(best.x)


def _spectral_signature(lr: _Raster, terrain: _Raster) -> _Array:
    """Return transfer and incoherent amplitude of LR over terrain in each band, (2 * bands,), from windowed spectra."""
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in terrain.shape))
    measured = np.isfinite(terrain)
    filled = fill_voids(terrain.astype(np.float32)).astype(np.float64)  # steps at voids would hide short waves
    difference = np.where(measured, lr - filled, 0)
    difference[measured] -= difference[measured].mean()
    terrain_spectrum = np.fft.fft2((filled - filled.mean()) * window)
    difference_spectrum = np.fft.fft2(difference * window)
    wavenumber = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side) for side in terrain.shape), indexing="ij"))
    band = np.minimum((wavenumber * 2 * _BANDS).astype(int), _BANDS).ravel()  # the last band, the corners, is unused

    def power(product: _Array) -> _Array:
        return np.bincount(band, product.ravel(), _BANDS + 1)[:_BANDS].astype(np.float64)

    total = np.maximum(power(np.abs(terrain_spectrum) ** 2), _LEAST_POWER)
    coherent = power((difference_spectrum * terrain_spectrum.conj()).real) / total
    incoherent = np.maximum(power(np.abs(difference_spectrum) ** 2) / total - coherent**2, 0)
    return np.concatenate([1 + coherent, np.sqrt(incoherent)])
