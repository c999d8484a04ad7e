"""Degradation `fitted`: block means of HR with the blur, the sparse soundings and the rounding of a real LR grid.

It applies to the LR cells of a whole region, so that overlapping patches agree. `demsr.pairs.fit_degradation` finds
the parameters.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special
from scipy.interpolate import CloughTocher2DInterpolator
from scipy.spatial import QhullError

from demsr.dem.dem import Dem
from demsr.errors import ParamsError, VoidError
from demsr.pairs.area import Area
from demsr.pairs.degradations.base import Degradation, RegionLr
from demsr.pairs.degrade import block_mean
from demsr.pairs.split import Region
from demsr.runtime.seeding import generator

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class FittedDegradation(Degradation):
    """Model of the difference between block means of the terrain and the cells of a real LR grid.

    Attributes
    ----------
    blur_lr_px : standard deviation of a Gaussian blur, LR pixels
    sounding_share : share of LR cells with soundings, in (0, 1]; the other cells are interpolated
    rounding_m : step of the rounded elevations, metres; 0 for no rounding
    """

    blur_lr_px: float
    sounding_share: float
    rounding_m: float

    name = "fitted"

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises
        ------
        ParamsError : blur or rounding is negative, or the share lies outside (0, 1]
        """
        if not (self.blur_lr_px >= 0 and 0 < self.sounding_share <= 1 and self.rounding_m >= 0):
            message = (
                f"degradation: blur_lr_px={self.blur_lr_px:g}, sounding_share={self.sounding_share:g}, "
                f"rounding_m={self.rounding_m:g}; blur and rounding must not be negative, the share within (0, 1]"
            )
            raise ParamsError(message)

    def region_lr(self, region: Region, hr: Dem, *, scale: int, seed: int) -> RegionLr:
        """Return the degraded block means of a region.

        Raises
        ------
        VoidError : the soundings span no area
        """
        rows, cols = (side // scale * scale for side in hr.elevation_m.shape)
        means = block_mean(hr.elevation_m[:rows, :cols], scale=scale)
        lr = self.degrade(means, random=generator(seed, "soundings", region.name))
        words = f"blur {self.blur_lr_px:.3g} LR px, {self.sounding_share:.1%} sounded, steps of {self.rounding_m:g} m"
        area = Area.from_dem(f"{region.name}, fitted degradation", hr, degradation=self.name, lr_source=words)
        return RegionLr(hr=hr, row=region.row, col=region.col, area=area, elevation_m=lr)

    def degrade(self, block_mean: NDArray[np.floating[Any]], *, random: np.random.Generator) -> NDArray[np.float32]:
        """Return block means with blur, sparse soundings and rounding.

        Voids stay void and do not spread: the blur is normalised by the measured cells. Cells without a sounding
        lie on the smooth (C1) Clough-Tocher surface through the soundings; cells outside their convex hull keep
        their value.

        Parameters
        ----------
        block_mean : (H, W), metres, NaN where void; a whole region
        random : generator that draws the soundings

        Returns
        -------
        lr : (H, W), metres, NaN where void

        Raises
        ------
        VoidError : the soundings span no area
        """
        smooth = _blur(block_mean.astype(np.float64), sigma=self.blur_lr_px)
        sounded = random.random(block_mean.shape) < self.sounding_share
        degraded = _interpolate_soundings(smooth, sounded)
        if self.rounding_m:
            degraded = np.round(degraded / self.rounding_m) * self.rounding_m
        return degraded.astype(np.float32)


def _blur(elevation: _Array, *, sigma: float) -> _Array:
    """Blur measured cells by the discrete Gaussian, whose variance is exact below one pixel as well.

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


def _interpolate_soundings(elevation: _Array, sounded: NDArray[np.bool_]) -> _Array:
    measured = np.isfinite(elevation)
    known, unknown = measured & sounded, measured & ~sounded
    if not unknown.any():
        return elevation
    try:
        surface = CloughTocher2DInterpolator(np.argwhere(known), elevation[known])
    except (QhullError, ValueError) as error:
        message = f"{np.count_nonzero(known)} soundings span no area; give a larger region or share of soundings"
        raise VoidError(message) from error
    interpolated = surface(np.argwhere(unknown))
    result = elevation.copy()
    result[unknown] = np.where(np.isfinite(interpolated), interpolated, elevation[unknown])
    return result
