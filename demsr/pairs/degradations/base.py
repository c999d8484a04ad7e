"""Interface of a degradation: LR for the HR elevation of one region."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from demsr import options
from demsr.dem.dem import Dem
from demsr.dem.grid import Grid
from demsr.pairs.area import THREE_ARCSEC, Area, pair_kind
from demsr.pairs.degrade import block_mean
from demsr.pairs.split import Region


@dataclass(frozen=True, kw_only=True)
class RegionLr:
    """LR of a region with the HR pixels under its cells.

    Attributes
    ----------
    hr : HR elevation; LR cell (0, 0) covers its north-western scale x scale pixels
    row, col : HR index of its north-western pixel in the raster; 0 if HR was averaged onto another grid
    area : metadata for the pair file
    elevation_m : (H, W) float32, metres, NaN where void, if LR lies on cells of its own
    blurred_m : shape of `hr`, metres, NaN where void, if LR of a patch is sampled at the middle of each block
    tid : (H, W) GEBCO type identifiers of the LR cells, None where unknown
    """

    hr: Dem
    area: Area
    row: int = 0
    col: int = 0
    elevation_m: NDArray[np.float32] | None = None
    blurred_m: NDArray[np.float32] | None = None
    tid: NDArray[np.float32] | None = None

    def step_hr(self, stride_hr: int, scale: int) -> int:
        """Return a stride, rounded up to whole cells if LR lies on cells of its own.

        Parameters
        ----------
        stride_hr : requested distance between patches, HR pixels
        scale : HR pixels per LR pixel along one axis
        """
        return stride_hr if self.elevation_m is None else -(-stride_hr // scale) * scale

    def patch_lr(self, row: int, col: int, side_lr: int, scale: int) -> NDArray[np.float32]:
        """Return LR of a patch (side_lr, side_lr), metres, NaN where void: the block means of HR unless LR is given.

        Parameters
        ----------
        row, col : index of its north-western pixel in `hr`
        side_lr : side of the patch, LR pixels
        scale : HR pixels per LR pixel along one axis
        """
        side, middle = side_lr * scale, scale // 2
        if self.elevation_m is not None:
            return self.elevation_m[row // scale :, col // scale :][:side_lr, :side_lr]
        if self.blurred_m is not None:
            return self.blurred_m[row + middle : row + side : scale, col + middle : col + side : scale]
        return block_mean(self.hr.elevation_m[row : row + side, col : col + side], scale=scale)


class Degradation(ABC):
    """A way to obtain LR for HR elevation. Subclasses are frozen dataclasses that hold its parameters."""

    name: ClassVar[options.Degradation]
    """Name in params.yaml and in the metadata of pairs."""
    has_own_grid: ClassVar[bool] = False
    """Whether LR is a measured grid, which need not cover every raster and takes HR of any finer spacing."""

    def applies_to(self, region: Region, *, scale_free: bool) -> bool:
        """Whether a region gives pairs with this degradation; `scale_free` allows spacings other than 3 arc-seconds."""
        return scale_free or pair_kind(region.grid) == THREE_ARCSEC

    def patch_grid(self, region: Region, *, scale: int) -> Grid:  # noqa: ARG002
        """Return a grid of HR pixels that contains every patch of a region."""
        return region.grid

    @abstractmethod
    def region_lr(self, region: Region, hr: Dem, *, scale: int, seed: int) -> RegionLr:
        """Return LR of a region.

        Parameters
        ----------
        region : part of a raster
        hr : HR elevation of the region
        scale : HR pixels per LR pixel along one axis
        seed : base seed of random parts

        Raises
        ------
        GridError, VoidError : the region cannot give pairs; it is left out with this reason
        """
