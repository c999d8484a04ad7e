"""Degradation `block mean`: an LR cell is the mean of the HR pixels in it."""

from dataclasses import dataclass

from demsr.dem.dem import Dem
from demsr.pairs.area import Area
from demsr.pairs.degradations.base import Degradation, RegionLr
from demsr.pairs.split import Region


@dataclass(frozen=True)
class BlockMean(Degradation):
    """Block means of each patch, so that patches may start at any HR pixel."""

    name = "block mean"

    def region_lr(self, region: Region, hr: Dem, *, scale: int, seed: int) -> RegionLr:  # noqa: ARG002
        """Return the region without LR of its own."""
        return RegionLr(hr=hr, row=region.row, col=region.col, area=Area.from_dem(region.name, hr))
