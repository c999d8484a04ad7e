"""Choose and cut LR/HR patches out of a region, with a reason for every one that is left out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from demsr.dem.dem import Dem
from demsr.dem.grid import Box, Grid
from demsr.dem.voids import fill_voids
from demsr.pairs.degrade import block_mean
from demsr.pairs.source_types import source_shares
from demsr.pairs.split import Region, closer_than

THREE_ARCSEC, SCALE_FREE, READY_MADE = "3 arc-second", "scale-free", "ready-made"


@dataclass(frozen=True, kw_only=True)
class CutRule:
    """How patches are chosen.

    Attributes
    ----------
    patch_lr : side of a patch in LR pixels
    stride_hr : HR pixels from one patch to the next; no multiple of `scale` shows the net every phase of the blocks
    gap_lr : LR pixels that must lie between patches of different splits
    max_void_share : a patch with a larger share of void HR pixels is left out
    min_relief_m : a patch with a smaller range of elevation is left out
    """

    patch_lr: int
    stride_hr: int
    gap_lr: int
    max_void_share: float
    min_relief_m: float
    scale: int = 5


@dataclass(frozen=True)
class GivenLr:
    """LR of a whole region that is not simply the mean of its HR.

    Attributes
    ----------
    elevation_m : (H, W) float32, metres, NaN where void; cell (0, 0) covers the first scale x scale HR pixels
    tid : (H, W) type identifiers of GEBCO, None where unknown
    """

    elevation_m: NDArray[np.float32]
    tid: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Patch:
    """One pair.

    Attributes
    ----------
    lr : (h, w) float32, metres, voids filled
    hr : (scale*h, scale*w) float32, metres, NaN where void
    row, col : HR index of the patch in its raster
    grid : the HR pixels
    lr_shares : share of LR cells by what they stand on, see `source_shares`
    """

    lr: NDArray[np.float32]
    hr: NDArray[np.float32]
    row: int
    col: int
    grid: Grid
    lr_shares: Mapping[str, float] = field(default_factory=lambda: source_shares(None))


def pair_kind(grid: Grid) -> str:
    """Return whether pairs on this grid are 15 to 3 arc-second ones, or only share the factor of five."""
    return THREE_ARCSEC if grid.is_three_arcsec else SCALE_FREE


def cut_patches(
    dem: Dem,
    region: Region,
    rule: CutRule,
    *,
    keep_away_from: Sequence[Box],
    left_out: Counter[str],
    given: GivenLr | None = None,
) -> Iterator[Patch]:
    """Yield the patches of a region in row order.

    Parameters
    ----------
    dem : the raster that the region is part of
    keep_away_from : outlines of regions of other splits
    left_out : counts the reasons, in place
    given : LR of the region; patches then begin where its cells do. By default LR is the mean of each patch's blocks
    """
    side = rule.patch_lr * rule.scale
    step = rule.stride_hr if given is None else -(-rule.stride_hr // rule.scale) * rule.scale
    if min(region.grid.rows, region.grid.cols) < side:
        left_out[f"region smaller than one patch of {side} x {side} HR pixels"] += 1
    for row in range(0, region.grid.rows - side + 1, step):
        for col in range(0, region.grid.cols - side + 1, step):
            grid = region.grid.window(row, col, side, side)
            hr = dem.elevation_m[region.row + row :, region.col + col :][:side, :side]
            reason = _objection(hr, grid, rule, keep_away_from)
            if reason is not None:
                left_out[reason] += 1
                continue
            place = np.s_[row // rule.scale :, col // rule.scale :], np.s_[: rule.patch_lr, : rule.patch_lr]
            lr = block_mean(hr, scale=rule.scale) if given is None else given.elevation_m[place[0]][place[1]]
            if np.isnan(lr).all():
                left_out["no LR pixel measured, or with half of its block measured"] += 1
                continue
            tid = None if given is None or given.tid is None else given.tid[place[0]][place[1]]
            scored = np.where(np.kron(np.isnan(lr), np.ones((rule.scale, rule.scale), bool)), np.float32(np.nan), hr)
            yield Patch(fill_voids(lr), scored, region.row + row, region.col + col, grid, source_shares(tid))


def _objection(hr: NDArray[np.float32], grid: Grid, rule: CutRule, boxes: Sequence[Box]) -> str | None:
    """Return why a patch is left out, None if it is not."""
    void_share = np.isnan(hr).mean()
    if void_share == 1:
        return "wholly void"
    if void_share > rule.max_void_share:
        return f"more than {rule.max_void_share:.0%} void"
    if np.nanmax(hr) - np.nanmin(hr) < rule.min_relief_m:
        return f"relief below {rule.min_relief_m:g} m"
    if boxes and closer_than(grid, boxes, gap_lr=rule.gap_lr, scale=rule.scale):
        return "too close to a held-out region"
    return None
