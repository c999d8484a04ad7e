"""Degradation `gebco`: the land of GEBCO, which is SRTM under a Gaussian, sampled and rounded to whole metres.

Wherever GEBCO carries SRTM, a cell is the SRTM of 3 arc-seconds under an isotropic Gaussian of 164 m, at the SRTM
pixel 1.5 arc-seconds west and south of the middle of the cell. Seen from the SRTM, LR therefore lies on blocks of
5 x 5 pixels, and the truth need not be resampled. `demsr fit-degradation` finds and recognises this law.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from demsr.dem.dem import Dem
from demsr.dem.grid import Grid
from demsr.dem.read.identity import LAND_OFFSET_ARCSEC, LAND_SIGMA_M
from demsr.errors import ParamsError
from demsr.pairs.area import Area
from demsr.pairs.degradations.base import Degradation, RegionLr
from demsr.pairs.split import Region
from demsr.runtime.seeding import generator

ROUNDING_M = 1.0
_TRUNCATE = 4.0  # reach of the Gaussian in standard deviations
_SEA_M = 3.0  # water with its shore below this level is the sea

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class GebcoLand(Degradation):
    """Gaussian in metres, sampled at the middle of each block and rounded.

    Attributes
    ----------
    sigma_m : standard deviation of the Gaussian
    rounding_m : step of the rounded elevations; 0 for no rounding
    """

    sigma_m: float = LAND_SIGMA_M
    rounding_m: float = ROUNDING_M

    name = "gebco"

    def __post_init__(self) -> None:
        """Raise ParamsError if the Gaussian has no width, or the rounding is negative."""
        if not (self.sigma_m > 0 and self.rounding_m >= 0):
            message = (
                f"degradation gebco: sigma_m={self.sigma_m:g}, rounding_m={self.rounding_m:g}; give positive values"
            )
            raise ParamsError(message)

    def region_lr(self, region: Region, hr: Dem, *, scale: int, seed: int) -> RegionLr:  # noqa: ARG002
        """Return the region with the blurred elevations that LR is sampled from."""
        words = f"Gaussian of {self.sigma_m:g} m at the middle of each block, steps of {self.rounding_m:g} m"
        area = Area.from_dem(f"{region.name}, as GEBCO", hr, degradation=self.name, lr_source=words)
        blurred = self.degrade(hr, random=generator(seed, "coast", region.name))
        return RegionLr(hr=hr, row=region.row, col=region.col, area=area, blurred_m=blurred)

    def degrade(self, hr: Dem, *, random: np.random.Generator) -> NDArray[np.float32]:
        """Return the LR elevation of a cell around each HR pixel.

        Voids are taken as water at the level of their shore. On a coast GEBCO has land cells, whose Gaussian weighs
        pixels of land alone, beside cells of the sea floor. Which of the two a cell is does not follow from the SRTM
        alone: measured, it is land about as often as the share of land under its Gaussian, and so it is drawn here.
        Cells of the sea are 0 m and land is at least one step above it: a net for land is given sea cells as 0 m.

        Parameters
        ----------
        hr : elevation, NaN where void
        random : draws the sea cells along a coast

        Returns
        -------
        lr : shape of `hr`, metres; NaN if all is void
        """
        filled = fill_water(hr.elevation_m.astype(np.float64))
        water = ~hr.valid & (np.abs(filled) <= _SEA_M)
        lr = gaussian_blur(np.where(water, 0, filled), hr.grid, sigma_m=self.sigma_m)
        land_share = gaussian_blur((~water).astype(np.float64), hr.grid, sigma_m=self.sigma_m) if water.any() else 1.0
        lr /= np.maximum(land_share, np.finfo(float).tiny)
        if self.rounding_m:
            lr = np.round(lr / self.rounding_m) * self.rounding_m
        if water.any():
            sea = random.random(lr.shape) >= land_share
            lr = np.where(sea, 0, np.maximum(lr, self.rounding_m))
        return lr.astype(np.float32)


def as_gebco(hr: Dem, *, seed: int = 0) -> Dem:
    """Return the cells that GEBCO would have of SRTM: blurred, sampled, rounded, and displaced to the north-east.

    Parameters
    ----------
    hr : SRTM, 3 arc-seconds; rows and columns beyond a multiple of five are left out
    seed : of the cells along a coast

    Returns
    -------
    lr : 15 arc-second cells; those whose 5 x 5 pixels are void are void
    """
    scale = 5
    rows, cols = hr.grid.rows // scale, hr.grid.cols // scale
    hr = hr.window(0, 0, rows * scale, cols * scale)
    lr = GebcoLand().degrade(hr, random=generator(seed, "coast"))[scale // 2 :: scale, scale // 2 :: scale]
    covered = hr.valid.reshape(rows, scale, cols, scale).any(axis=(1, 3))
    grid = replace(
        hr.grid.moved(LAND_OFFSET_ARCSEC / 3600, LAND_OFFSET_ARCSEC / 3600),
        rows=rows,
        cols=cols,
        pixel_width=scale * hr.grid.pixel_width,
        pixel_height=scale * hr.grid.pixel_height,
        registration="area",
    )
    elevation_m = np.where(covered, lr, np.float32(np.nan))
    return Dem(elevation_m=elevation_m, grid=grid, vertical_datum="MSL", source=f"{hr.source}, as GEBCO")


def gaussian_blur(elevation: _Array, grid: Grid, *, sigma_m: float) -> _Array:
    """Blur elevation by an isotropic Gaussian in metres: along a parallel it covers more pixels at higher latitudes.

    Parameters
    ----------
    elevation : (rows, cols), metres, finite; beyond the edges it continues as its outermost pixels
    grid : of the elevation
    sigma_m : standard deviation, metres
    """
    height_m = grid.pixel_size_m()[1]
    blurred: _Array = ndimage.gaussian_filter1d(
        elevation, sigma_m / height_m, axis=0, mode="nearest", truncate=_TRUNCATE
    )
    widths_m = np.array([grid.window(row, 0, 1, grid.cols).pixel_size_m()[0] for row in range(grid.rows)])
    sigma_px = sigma_m / widths_m[:, None]
    reach = int(np.ceil(_TRUNCATE * sigma_px.max()))
    padded = np.pad(blurred, ((0, 0), (reach, reach)), mode="edge")
    total, weights = np.zeros_like(blurred), np.zeros_like(sigma_px)
    for offset in range(-reach, reach + 1):
        weight = np.exp(-0.5 * (offset / sigma_px) ** 2)
        total += weight * padded[:, reach + offset :][:, : grid.cols]
        weights += weight
    return total / weights


def fill_water(elevation: _Array) -> _Array:
    """Fill each void with the lowest elevation beside it, the level of its shore if it is water.

    Parameters
    ----------
    elevation : (rows, cols), metres, NaN where void

    Returns
    -------
    filled : same shape; all NaN if nothing is measured
    """
    void = np.isnan(elevation)
    number, count = ndimage.label(void)
    levels = np.full(count + 1, np.inf)
    for here, beside in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])):
        for axis in (here, beside), ((slice(None), here), (slice(None), beside)):
            shore = void[axis[0]] & ~void[axis[1]]
            np.minimum.at(levels, number[axis[0]][shore], elevation[axis[1]][shore])
    filled: _Array = np.where(void, np.where(np.isinf(levels), np.nan, levels)[number], elevation)
    return filled
