"""Split rasters into training, validation and test regions without a common pixel, and keep a gap between them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import filter as matching
from fnmatch import translate
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from demsr.dem.grid import Box, Grid
from demsr.errors import GridError, ParamsError
from demsr.options import SPLITS, Split, SplitMethod

Boxes = NDArray[np.float64]  # (n, 4), a box per row

_EDGE_TOLERANCE_HR_PX = 1e-3  # a box exactly at the gap is far enough
_TURNS_DEG = (-360, 0, 360)
_QUADRANT_NAMES = ("north-west", "north-east", "south-west", "south-east")


@dataclass(frozen=True)
class Region:
    """Part of a raster that belongs to one split as a whole.

    Attributes
    ----------
    name : name in messages and results
    split : split of its patches
    row, col : HR index of its north-western pixel in the raster
    grid : grid of its HR pixels
    """

    name: str
    split: Split
    row: int
    col: int
    grid: Grid


def split_raster(
    file_name: str,
    source: str,
    grid: Grid,
    *,
    method: SplitMethod,
    quadrant_splits: Sequence[Split],
    valid: Sequence[str],
    test: Sequence[str],
    gap_lr: int,
    scale: int,
) -> list[Region]:
    """Split one raster into quadrants, or assign it as a whole by its file name.

    Parameters
    ----------
    file_name : name without suffix, compared with `valid` and `test`
    source : name of the regions
    grid : grid of the raster
    method : "quadrants" or "files"
    quadrant_splits : splits of the quadrants, see `split_into_quadrants`
    valid, test : glob patterns of held-out files
    gap_lr : LR pixels between quadrants
    scale : HR pixels per LR pixel along one axis
    """
    if method == "quadrants":
        return split_into_quadrants(source, grid, quadrant_splits, gap_lr=gap_lr, scale=scale)
    return [Region(source, split_of_file(file_name, valid=valid, test=test), 0, 0, grid)]


def split_into_quadrants(name: str, grid: Grid, splits: Sequence[Split], *, gap_lr: int, scale: int) -> list[Region]:
    """Split a raster into four regions with a gap between them.

    Parameters
    ----------
    name : name of the raster
    grid : grid of the raster
    splits : splits of the north-western, north-eastern, south-western and south-eastern quadrant
    gap_lr : LR pixels between two quadrants, used by no split
    scale : HR pixels per LR pixel along one axis

    Raises
    ------
    GridError : the raster is too small
    """
    rows_lr, cols_lr = grid.rows // scale, grid.cols // scale
    half_rows, half_cols = (rows_lr - gap_lr) // 2, (cols_lr - gap_lr) // 2
    if min(half_rows, half_cols) < 1:
        message = f"{name}: {grid.rows} x {grid.cols} pixels cannot be cut into quadrants; use pairs.split = files"
        raise GridError(message)
    regions = []
    corners = [(row * scale, col * scale) for row in (0, rows_lr - half_rows) for col in (0, cols_lr - half_cols)]
    for quadrant, split, (row, col) in zip(_QUADRANT_NAMES, splits, corners, strict=True):
        part = grid.window(row, col, half_rows * scale, half_cols * scale)
        regions.append(Region(f"{name}, {quadrant}", split, row, col, part))
    return regions


def split_of_file(name: str, *, valid: Sequence[str], test: Sequence[str]) -> Split:
    """Return the split of a file from its name without suffix: "test" or "valid" if a glob pattern matches it."""
    if _compile_patterns(tuple(test)).match(name):
        return "test"
    return "valid" if _compile_patterns(tuple(valid)).match(name) else "train"


def check_held_out_files(names: Sequence[str], patterns: Sequence[str], *, where: str) -> None:
    """Check that every pattern of held-out files matches a file: a misspelt file would be trained on.

    Parameters
    ----------
    names : file names without suffix
    patterns : names or glob patterns
    where : origin of the patterns, for the message

    Raises
    ------
    ParamsError : a pattern matches no file
    """
    known = set(names)
    for pattern in patterns:
        is_name = not set("*?[").intersection(pattern)
        if not (pattern in known if is_name else matching(names, pattern)):
            message = f"{where}: no file is called {pattern!r}; there are {', '.join(sorted(names))}"
            raise ParamsError(message)


def protected_boxes(regions: Sequence[Region], split: Split) -> Boxes:
    """Return bounding boxes that patches of a split must keep a gap to.

    Training patches keep away from validation and test regions, validation patches from test regions.
    """
    above = SPLITS[SPLITS.index(split) + 1 :]
    return np.array([region.grid.lonlat_bounds() for region in regions if region.split in above]).reshape(-1, 4)


def boxes_within_gap(grid: Grid, boxes: Boxes, *, gap_lr: int, scale: int) -> list[Box]:
    """Return the boxes closer to a grid than the gap: usually none of thousands.

    Parameters
    ----------
    grid : grid of HR pixels
    boxes : (n, 4) bounding boxes; longitudes may differ by whole turns
    gap_lr : width of the gap in LR pixels
    scale : HR pixels per LR pixel along one axis
    """
    west, south, east, north = _add_gap(grid, gap_lr=gap_lr, scale=scale)
    boxes = boxes[(boxes[:, 1] < north) & (south < boxes[:, 3])]
    near = [(boxes[:, 0] + turn < east) & (west < boxes[:, 2] + turn) for turn in _TURNS_DEG]
    return [(box[0], box[1], box[2], box[3]) for box in boxes[np.any(near, axis=0)].tolist()]


def is_within_gap(grid: Grid, boxes: Sequence[Box], *, gap_lr: int, scale: int) -> bool:
    """Whether a box is closer to a grid than the gap; see `boxes_within_gap`, which is slower for few boxes."""
    west, south, east, north = _add_gap(grid, gap_lr=gap_lr, scale=scale)
    return any(
        box[0] + turn < east and west < box[2] + turn and box[1] < north and south < box[3]
        for box in boxes
        for turn in _TURNS_DEG
    )


@lru_cache(maxsize=16)
def _compile_patterns(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return one regular expression that matches names by any of the glob patterns."""
    return re.compile("|".join(map(translate, patterns)) or "(?!)")


def _add_gap(grid: Grid, *, gap_lr: int, scale: int) -> Box:
    """Return the bounding box of a grid, enlarged by the gap on all sides."""
    west, south, east, north = grid.lonlat_bounds()
    margin_x = gap_lr * scale * (east - west) / grid.cols
    margin_y = gap_lr * scale * (north - south) / grid.rows
    margin_x -= _EDGE_TOLERANCE_HR_PX * (east - west) / grid.cols
    margin_y -= _EDGE_TOLERANCE_HR_PX * (north - south) / grid.rows
    return west - margin_x, south - margin_y, east + margin_x, north + margin_y
