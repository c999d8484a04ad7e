"""Cut LR/HR patches from a region, and count by reason the patches that are left out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from demsr.dem.grid import Box, Grid
from demsr.dem.voids import fill_voids
from demsr.dem.windows import Window
from demsr.pairs.degradations.base import RegionLr
from demsr.pairs.source_types import source_shares
from demsr.pairs.split import is_within_gap


@dataclass(frozen=True, kw_only=True)
class CutRule:
    """Size, spacing and minimum quality of patches.

    Attributes
    ----------
    patch_lr : side of a patch in LR pixels
    stride_hr : HR pixels from one patch to the next; unless a multiple of `scale`, block positions vary among patches
    gap_lr : LR pixels between patches of different splits
    max_void_share : patches with a larger share of void HR pixels are left out
    min_relief_m : patches with a smaller range of elevation are left out, metres
    scale : HR pixels per LR pixel along one axis
    """

    patch_lr: int
    stride_hr: int
    gap_lr: int
    max_void_share: float
    min_relief_m: float
    scale: int = 5


@dataclass(frozen=True)
class Patch:
    """One LR/HR pair.

    Attributes
    ----------
    lr : (h, w) float32, metres, voids filled
    hr : (scale*h, scale*w) float32, metres, NaN where void
    row, col : HR index of the north-western pixel in the raster
    grid : grid of the HR pixels
    lr_shares : share of LR cells by kind of source, see `source_shares`
    """

    lr: NDArray[np.float32]
    hr: NDArray[np.float32]
    row: int
    col: int
    grid: Grid
    lr_shares: Mapping[str, float] = field(default_factory=lambda: source_shares(None))


def cut_patches(
    region: RegionLr, rule: CutRule, *, keep_away_from: Sequence[Box], left_out: Counter[str]
) -> Iterator[Patch]:
    """Yield the patches of a region in row order.

    Patches of a region with an LR grid start at LR cells; the stride is rounded up to whole cells.

    Parameters
    ----------
    region : LR and HR of the region
    rule : size, spacing and minimum quality of patches
    keep_away_from : bounding boxes of held-out regions
    left_out : counter of the reasons, updated in place
    """
    scale, side = rule.scale, rule.patch_lr * rule.scale
    grid, step = region.hr.grid, region.step_hr(rule.stride_hr, scale)
    if min(grid.rows, grid.cols) < side:
        left_out[f"region smaller than one patch of {side} x {side} HR pixels"] += 1
    for row in range(0, grid.rows - side + 1, step):
        for col in range(0, grid.cols - side + 1, step):
            patch_grid = grid.window(row, col, side, side)
            hr = region.hr.elevation_m[row : row + side, col : col + side]
            reason = _objection(hr, patch_grid, rule, keep_away_from)
            if reason is not None:
                left_out[reason] += 1
                continue
            lr = region.patch_lr(row, col, rule.patch_lr, scale)
            if np.isnan(lr).all():
                left_out["no LR pixel measured, or with half of its block measured"] += 1
                continue
            cells = Window(row // scale, col // scale, rule.patch_lr, rule.patch_lr)
            shares = source_shares(None if region.tid is None else region.tid[cells.slices])
            scored = np.where(np.kron(np.isnan(lr), np.ones((scale, scale), bool)), np.float32(np.nan), hr)
            yield Patch(fill_voids(lr), scored, region.row + row, region.col + col, patch_grid, shares)


def _objection(hr: NDArray[np.float32], grid: Grid, rule: CutRule, boxes: Sequence[Box]) -> str | None:
    """Return the reason to leave out a patch, None if there is none."""
    void_share = np.isnan(hr).mean()
    if void_share == 1:
        return "wholly void"
    if void_share > rule.max_void_share:
        return f"more than {rule.max_void_share:.0%} void"
    if np.nanmax(hr) - np.nanmin(hr) < rule.min_relief_m:
        return f"relief below {rule.min_relief_m:g} m"
    if boxes and is_within_gap(grid, boxes, gap_lr=rule.gap_lr, scale=rule.scale):
        return "too close to a held-out region"
    return None
