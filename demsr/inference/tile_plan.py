"""Cut a region into tiles whose arrays fit in memory."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch

from demsr.dem.grid import Grid
from demsr.dem.windows import Window, tiles
from demsr.inference.super_resolver import SuperResolver
from demsr.model.coast import nets_of
from demsr.output.product import Band

BANDS = (
    Band(name="elevation", description="elevation, super-resolved"),
    Band(name="uncertainty", description="standard uncertainty of the elevation, 1 sigma"),
)
_MEMORY_BYTES = 1.2e9  # for the arrays of one tile, unless the device has its own memory
_SHARE_OF_DEVICE = 0.5  # of the free memory of the device
_LARGEST_PX, _SMALLEST_PX, _STEP_PX = 2048, 32, 16
_HR_ARRAYS = 8  # float32 arrays alive at the same time


@dataclass(frozen=True, kw_only=True)
class TilePlan:
    """The tiles of a region.

    Attributes
    ----------
    rows, cols : size of the region, LR pixels
    tile_px : side of a tile, LR pixels; tiles at the southern and eastern edge may be smaller
    halo_px : LR pixels computed around each tile
    """

    rows: int
    cols: int
    tile_px: int
    halo_px: int

    @classmethod
    def of(cls, grid: Grid, resolver: SuperResolver, tile_px: int | None = None) -> Self:
        """Plan a region.

        Parameters
        ----------
        grid : of the region, LR
        resolver : net to apply
        tile_px : side of a tile, LR pixels; None takes the largest that fits in memory
        """
        side_px = tile_px or default_tile_px(resolver)
        return cls(rows=grid.rows, cols=grid.cols, tile_px=side_px, halo_px=resolver.halo_px)

    @cached_property
    def windows(self) -> list[Window]:
        """Windows of the tiles, from the north-west, row by row."""
        return tiles(self.rows, self.cols, self.tile_px)

    @property
    def lr_px(self) -> int:
        """Number of LR pixels of the region."""
        return self.rows * self.cols

    @property
    def computed_lr_px(self) -> int:
        """Number of LR pixels computed, halos included, as if the raster went on beyond the region."""
        heights, widths = (
            [min(self.tile_px, size - start) + 2 * self.halo_px for start in range(0, size, self.tile_px)]
            for size in (self.rows, self.cols)
        )
        return sum(heights) * sum(widths)


def default_tile_px(resolver: SuperResolver) -> int:
    """Return the side of the largest tile whose arrays fit in memory, LR pixels.

    Parameters
    ----------
    resolver : net to apply; its width, precision, halo and device decide
    """
    features, scale = max(net.features for net in nets_of(resolver.net)), resolver.scale
    feature_bytes = features * (3 * (2 if resolver.precision == "bf16" else 4) + 8)
    elevation_bytes = 4 * _HR_ARRAYS * scale**2
    budget = _MEMORY_BYTES
    if resolver.device.type == "cuda":
        budget = _SHARE_OF_DEVICE * torch.cuda.mem_get_info(resolver.device)[0]
    side = int((budget / (feature_bytes + elevation_bytes)) ** 0.5) - 2 * resolver.halo_px
    return max(_SMALLEST_PX, min(_LARGEST_PX, side - side % _STEP_PX))
