"""The law of the land of GEBCO and SRTM15+ on the rows of a raster: SRTM under a Gaussian of so many metres."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from torch import nn

from demsr.dem.grid import Grid, metres_per_degree
from demsr.dem.read.identity import LAND_SIGMA_M, SRTM_NORTH, SRTM_SOUTH
from demsr.model.coast import CoastNet

_TRUNCATE = 3.0  # reach of the Gaussian in standard deviations


@dataclass(frozen=True)
class LandLaw:
    """Gaussian in HR pixels by row.

    Attributes
    ----------
    grid : of the raster, LR cells of 15 arc-seconds
    scale : HR pixels per LR pixel along one axis
    """

    grid: Grid
    scale: int

    @property
    def reach_px(self) -> tuple[int, int]:
        """Distance along columns and along rows at which the Gaussian is cut off, HR pixels; the same in all rows."""
        widest = [self._sigma_px(0.0)[0], self._sigma_px(SRTM_NORTH)[1]]
        down, along = (ceil(_TRUNCATE * sigma) for sigma in widest)
        return down, along

    @property
    def reach_lr_px(self) -> int:
        """Distance at which a cell under the Gaussian depends on SR, LR pixels."""
        return (max(self.reach_px) + self.scale // 2) // self.scale

    def rows(self, first: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the standard deviation along columns and rows, (2, rows) HR pixels, and the rows that have SRTM.

        Parameters
        ----------
        first : row of the grid; rows beyond its edges exist as well
        count : number of rows
        """
        # rounded, so that a part of a raster has the same numbers as the whole
        latitudes = [round(self.grid.centre(row, 0)[1], 6) for row in range(first, first + count)]
        has_srtm = np.array([SRTM_SOUTH <= latitude <= SRTM_NORTH for latitude in latitudes])
        within = np.clip(latitudes, SRTM_SOUTH, SRTM_NORTH)
        return np.array([self._sigma_px(latitude) for latitude in within], np.float32).T, has_srtm

    def _sigma_px(self, latitude: float) -> tuple[float, float]:
        lon_m, lat_m = metres_per_degree(latitude)
        height_m, width_m = self.grid.pixel_height * lat_m / self.scale, self.grid.pixel_width * lon_m / self.scale
        return LAND_SIGMA_M / height_m, LAND_SIGMA_M / width_m


def land_law(net: nn.Module, grid: Grid) -> LandLaw | None:
    """Return the law that the land of a raster follows, None if the net is not for GEBCO or cells are not of 15".

    Parameters
    ----------
    net : from `load_model`; that for the operator "gebco" has a net for land and one for the sea floor
    grid : of the raster
    """
    return LandLaw(grid, net.scale) if isinstance(net, CoastNet) and grid.is_fifteen_arcsec else None
