"""Degrade block means of HR terrain the way real LR grids differ from them: blur, sparse soundings, whole metres.

For regions without true pairs, with parameters fitted where there are some. It works on the LR raster of a whole
region, so that patches cut from it agree; nothing is registered or shifted here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize, special
from scipy.interpolate import CloughTocher2DInterpolator
from scipy.spatial import QhullError

from demsr.dem.voids import fill_voids
from demsr.errors import GridError, ParamsError, VoidError
from demsr.runtime.seeding import generator

MIN_CELLS = 1000  # measured in both; fewer leave bands of the spectrum almost empty
_BANDS = 10  # from 0 to 0.5 cycles per LR pixel
_MOST_BLUR_LR_PX, _LEAST_SHARE_LOG2 = 4.0, -6.0
_FIRST_BLURS_LR_PX = (0.0, 0.5, 1.0, 2.0)
_FIRST_SHARES_LOG2 = (0.0, -1.0, -2.0, -3.0, -4.5)
_FIRST_STEPS = (0.25, -0.5)  # in both units, into the bounds from each first value
_EVALUATIONS = 60
_LEAST_POWER = 1e-12  # of flat terrain, so that ratios exist

_Array = NDArray[np.float64]
_Raster = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class DegradationModel:
    """What lies between the block mean of a terrain and its cells in a real LR grid.

    Attributes
    ----------
    blur_lr_px : standard deviation of a Gaussian blur, LR pixels
    sounding_share : share of LR cells that were sounded, in (0, 1]; the others are interpolated between these
    rounding_m : heights are multiples of this, metres; 0 for none
    """

    blur_lr_px: float
    sounding_share: float
    rounding_m: float

    def __post_init__(self) -> None:
        """Refuse what cannot be done.

        Raises
        ------
        ParamsError : a negative blur or rounding, or a share outside (0, 1]
        """
        if not (self.blur_lr_px >= 0 and 0 < self.sounding_share <= 1 and self.rounding_m >= 0):
            message = (
                f"degradation: blur_lr_px={self.blur_lr_px:g}, sounding_share={self.sounding_share:g}, "
                f"rounding_m={self.rounding_m:g}; blur and rounding must not be negative, the share within (0, 1]"
            )
            raise ParamsError(message)

    def degrade(self, block_mean: _Raster, *, random: np.random.Generator) -> NDArray[np.float32]:
        """Return block means as a real grid would show them.

        Voids stay void and do not bleed: the blur is normalised by what was measured. Cells without a sounding lie on
        the smooth (C1) Clough-Tocher surface through the soundings; those outside their hull count as sounded.

        Parameters
        ----------
        block_mean : (H, W), metres, NaN where void; a whole region
        random : draws the soundings; a generator of `demsr.runtime.seeding` makes them repeatable

        Raises
        ------
        VoidError : the soundings span no area
        """
        smooth = _blurred(block_mean.astype(np.float64), sigma=self.blur_lr_px)
        sounded = random.random(block_mean.shape) < self.sounding_share
        degraded = _between_soundings(smooth, sounded)
        if self.rounding_m:
            degraded = np.round(degraded / self.rounding_m) * self.rounding_m
        return degraded.astype(np.float32)


def fit_degradation(lr: _Raster, block_mean: _Raster, *, seed: int = 0) -> DegradationModel:
    """Find the model whose result differs from the block mean as a real LR grid does.

    Compared in ten bands of wavenumber are the transfer (what part of the terrain's waves LR shows, 1 to 0) and the
    incoherent amplitude (what LR shows that has no such wave, relative to the terrain): blur lowers the first alone,
    sparse soundings lower it and raise the second. Least squares, by a coarse grid and Nelder-Mead from its best
    point; all trials share one draw of soundings. LR is taken as rounded to metres where every height is whole.
    Expect the blur to 0.1 LR pixels and the share to a factor of 1.3; a blur below 0.2 does not show where soundings
    are sparse. Make cells void beforehand where either survey is plainly wrong: they would pass for lost soundings.

    Parameters
    ----------
    lr, block_mean : (H, W), metres, NaN where void; co-registered, on the same LR grid, of which only the box around
        the cells measured in both counts
    seed : base seed of the draw

    Raises
    ------
    GridError : the shapes differ
    VoidError : less than `MIN_CELLS` cells are measured in both
    """
    if lr.shape != block_mean.shape:
        message = f"LR has shape {lr.shape}, block means have {block_mean.shape}; average HR onto the LR grid first"
        raise GridError(message)
    terrain = np.where(np.isfinite(lr), block_mean, np.nan)
    heights = lr[np.isfinite(terrain)]
    if heights.size < MIN_CELLS:
        message = f"{heights.size} cells are measured in LR and in HR; the fit needs {MIN_CELLS}, give a larger region"
        raise VoidError(message)
    rounding_m = 1.0 if np.array_equal(heights, np.rint(heights)) else 0.0
    box = ndimage.find_objects(np.isfinite(terrain).astype(int))[0]
    lr, terrain = lr[box], terrain[box]
    real = _signature(lr, terrain)

    def misfit(point: _Array) -> float:
        made = _model(point, rounding_m).degrade(terrain, random=generator(seed, "soundings"))
        return float(np.mean(np.square(_signature(made, terrain) - real)))

    grid = [np.array([blur, share]) for blur in _FIRST_BLURS_LR_PX for share in _FIRST_SHARES_LOG2]
    start = min(grid, key=misfit)
    found = optimize.minimize(
        misfit,
        start,
        method="Nelder-Mead",
        bounds=[(0, _MOST_BLUR_LR_PX), (_LEAST_SHARE_LOG2, 0)],
        options={
            "initial_simplex": start + np.vstack([np.zeros(2), np.diag(_FIRST_STEPS)]),
            "maxfev": _EVALUATIONS,
            "xatol": 0.01,
            "fatol": 1e-6,
        },
    )
    return _model(found.x, rounding_m)


def _model(point: _Array, rounding_m: float) -> DegradationModel:
    """Return the model at (blur in LR pixels, binary logarithm of the share)."""
    return DegradationModel(float(point[0]), float(2.0 ** point[1]), rounding_m)


def _blurred(elevation: _Array, *, sigma: float) -> _Array:
    """Blur by a Gaussian for grids, whose variance is exact below one pixel too, over measured cells only.

    Source: Lindeberg (1990), doi 10.1109/34.49051.
    """
    measured = np.isfinite(elevation)
    if sigma == 0 or not measured.any():
        return elevation
    reach = int(np.ceil(4 * sigma)) + 1
    kernel = special.ive(np.abs(np.arange(-reach, reach + 1)), sigma**2)
    level = elevation[measured].mean()

    def spread(values: _Array) -> _Array:
        once = ndimage.convolve1d(values, kernel, axis=0, mode="constant")
        twice: _Array = ndimage.convolve1d(once, kernel, axis=1, mode="constant")
        return twice

    total, share = spread(np.where(measured, elevation - level, 0)), spread(measured.astype(np.float64))
    smooth: _Array = level + np.divide(total, share, out=np.full(elevation.shape, np.nan), where=measured)
    return smooth


def _between_soundings(elevation: _Array, sounded: NDArray[np.bool_]) -> _Array:
    measured = np.isfinite(elevation)
    known, unknown = measured & sounded, measured & ~sounded
    if not unknown.any():
        return elevation
    try:
        surface = CloughTocher2DInterpolator(np.argwhere(known), elevation[known])
    except (QhullError, ValueError) as error:
        message = f"{np.count_nonzero(known)} soundings span no area; give a larger region or share of soundings"
        raise VoidError(message) from error
    between = surface(np.argwhere(unknown))
    result = elevation.copy()
    result[unknown] = np.where(np.isfinite(between), between, elevation[unknown])
    return result


def _signature(lr: _Raster, terrain: _Raster) -> _Array:
    """Return transfer and incoherent amplitude of LR over terrain in each band, (2 * bands,), from windowed spectra."""
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in terrain.shape))
    measured = np.isfinite(terrain)
    filled = fill_voids(terrain.astype(np.float32)).astype(np.float64)  # steps at voids would hide short waves
    difference = np.where(measured, lr - filled, 0)
    difference[measured] -= difference[measured].mean()
    of_terrain, of_difference = np.fft.fft2((filled - filled.mean()) * window), np.fft.fft2(difference * window)
    wavenumber = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side) for side in terrain.shape), indexing="ij"))
    band = np.minimum((wavenumber * 2 * _BANDS).astype(int), _BANDS).ravel()  # the last one, the corners, is left out

    def power(product: _Array) -> _Array:
        return np.bincount(band, product.ravel(), _BANDS + 1)[:_BANDS].astype(np.float64)

    total = np.maximum(power(np.abs(of_terrain) ** 2), _LEAST_POWER)
    coherent = power((of_difference * of_terrain.conj()).real) / total
    incoherent = np.maximum(power(np.abs(of_difference) ** 2) / total - coherent**2, 0)
    return np.concatenate([1 + coherent, np.sqrt(incoherent)])
