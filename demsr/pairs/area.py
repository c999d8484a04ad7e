"""Description that all pairs of one region share, and the kinds of pairs."""

import math
from dataclasses import dataclass
from typing import Any, Self

from demsr.dem.dem import SYNTHETIC, Dem
from demsr.dem.grid import Grid
from demsr.options import Degradation

THREE_ARCSEC, SCALE_FREE, READY_MADE = "3 arc-second", "scale-free", "ready-made"
BLOCK_MEAN: Degradation = "block mean"
REAL: Degradation = "real"
UNKNOWN = "unknown"  # for any attribute of imported pairs


@dataclass(frozen=True, kw_only=True)
class Area:
    """Metadata of the pairs of one region, as stored in a pair file.

    Attributes
    ----------
    name : unique within the pair file
    source : origin of the HR elevation
    pair_kind : "3 arc-second" (15 to 3 arc-seconds), "scale-free" (other spacings) or "ready-made" (imported)
    registration : "area" or "point", of the HR raster
    vertical_datum, crs : reference systems of the HR raster
    pixel_size : width x height of an HR pixel, with its unit
    degradation : origin of the LR elevation, one of `demsr.options.Degradation` or "unknown"
    lr_source : description of the real LR grid, or of the model that made LR from HR
    coregistration : verdict of `demsr.pairs.coregister`, empty unless LR is real
    east_m, north_m, bias_m : shift and vertical offset applied to HR, metres
    std_before_m, std_after_m : standard deviation of LR minus block means of HR, without and with the shift, metres
    """

    name: str
    source: str
    pair_kind: str
    registration: str
    vertical_datum: str
    crs: str
    pixel_size: str
    degradation: str = BLOCK_MEAN
    lr_source: str = "mean of each block"
    coregistration: str = ""
    east_m: float = 0.0
    north_m: float = 0.0
    bias_m: float = 0.0
    std_before_m: float = math.nan
    std_after_m: float = math.nan

    @property
    def synthetic(self) -> bool:
        """Whether the HR elevation was generated instead of measured."""
        return self.source.startswith(SYNTHETIC)

    @classmethod
    def from_dem(cls, name: str, hr: Dem, **lr: Any) -> Self:
        """Describe a region by its HR elevation.

        Parameters
        ----------
        name : name of the area
        hr : HR elevation of the region
        lr : attributes that describe LR; the defaults describe block means
        """
        grid = hr.grid
        unit = "degree" if grid.is_geographic else "CRS unit"
        return cls(
            name=name,
            source=hr.source,
            pair_kind=pair_kind(grid),
            registration=grid.registration,
            vertical_datum=hr.stated_datum,
            crs=grid.crs,
            pixel_size=f"{grid.pixel_width:.10g} x {grid.pixel_height:.10g} {unit}",
            **lr,
        )


def pair_kind(grid: Grid) -> str:
    """Return "3 arc-second" if pairs with this HR grid are 15 to 3 arc-second pairs, else "scale-free"."""
    return THREE_ARCSEC if grid.is_three_arcsec else SCALE_FREE
