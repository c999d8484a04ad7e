"""Train, validation and test by region: no pixel in two splits, and a gap between them."""

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

Boxes = NDArray[np.float64]  # (n, 4), one box in each row

_TURNS_DEG = (-360, 0, 360)
_QUADRANT_NAMES = ("north-west", "north-east", "south-west", "south-east")


@dataclass(frozen=True)
class Region:
    """A part of a raster that belongs to one split as a whole.

    Attributes
    ----------
    name : for people and for the rows of results
    split : where its patches go
    row, col : HR index of its north-western pixel in the raster
    grid : its HR pixels
    """

    name: str
    split: Split
    row: int
    col: int
    grid: Grid


def regions_of(
    name: str,
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
    """Split one raster: into quadrants, or as a whole by the names of held-out files.

    Parameters
    ----------
    name : of the file, without suffix
    source : names the regions, for people
    """
    if method == "quadrants":
        return quadrants(source, grid, quadrant_splits, gap_lr=gap_lr, scale=scale)
    return [Region(source, split_of_file(name, valid=valid, test=test), 0, 0, grid)]


def quadrants(name: str, grid: Grid, splits: Sequence[Split], *, gap_lr: int, scale: int) -> list[Region]:
    """Cut a raster into four regions with a gap of `gap_lr` LR pixels between them.

    Parameters
    ----------
    splits : of the north-western, north-eastern, south-western and south-eastern quadrant
    gap_lr : LR pixels between two quadrants that belong to none

    Raises
    ------
    GridError : the raster is too small
    """
    rows_lr, cols_lr = grid.rows // scale, grid.cols // scale
    half_rows, half_cols = (rows_lr - gap_lr) // 2, (cols_lr - gap_lr) // 2
    if min(half_rows, half_cols) < 1:
        message = f"{name}: {grid.rows} x {grid.cols} pixels cannot be cut into quadrants; use pairs.split = files"
        raise GridError(message)
    corners = [(row, col) for row in (0, rows_lr - half_rows) for col in (0, cols_lr - half_cols)]
    return [
        Region(
            f"{name}, {_QUADRANT_NAMES[place]}",
            splits[place],
            row * scale,
            col * scale,
            grid.window(row * scale, col * scale, half_rows * scale, half_cols * scale),
        )
        for place, (row, col) in enumerate(corners)
    ]


def split_of_file(name: str, *, valid: Sequence[str], test: Sequence[str]) -> Split:
    """Return the split of a whole file, by glob patterns for its name without suffix."""
    if _one_of(tuple(test)).match(name):
        return "test"
    return "valid" if _one_of(tuple(valid)).match(name) else "train"


def check_named_files(names: Sequence[str], patterns: Sequence[str], *, where: str) -> None:
    """Raise if a pattern of held-out files matches nothing: a typing error would move a file into training."""
    known = set(names)
    for pattern in patterns:
        is_name = not set("*?[").intersection(pattern)
        if not (pattern in known if is_name else matching(names, pattern)):
            message = f"{where}: no file is called {pattern!r}; there are {', '.join(sorted(names))}"
            raise ParamsError(message)


def protected_boxes(regions: Sequence[Region], split: Split) -> Boxes:
    """Return the outlines that patches of a split must keep away from: training gives way to validation and test."""
    above = SPLITS[SPLITS.index(split) + 1 :]
    return np.array([region.grid.lonlat_bounds() for region in regions if region.split in above]).reshape(-1, 4)


def boxes_near(grid: Grid, boxes: Boxes, *, gap_lr: int, scale: int) -> list[Box]:
    """Return the boxes that a patch anywhere on a grid could come too close to: mostly none, of thousands."""
    west, south, east, north = _with_gap(grid, gap_lr=gap_lr, scale=scale)
    boxes = boxes[(boxes[:, 1] < north) & (south < boxes[:, 3])]
    near = [(boxes[:, 0] + turn < east) & (west < boxes[:, 2] + turn) for turn in _TURNS_DEG]
    return [(box[0], box[1], box[2], box[3]) for box in boxes[np.any(near, axis=0)].tolist()]


def closer_than(grid: Grid, boxes: Sequence[Box], *, gap_lr: int, scale: int) -> bool:
    """Whether an HR patch comes closer to a box than `gap_lr` LR pixels.

    Longitudes may differ by whole turns.
    """
    west, south, east, north = _with_gap(grid, gap_lr=gap_lr, scale=scale)
    return any(
        box[0] + turn < east and west < box[2] + turn and box[1] < north and south < box[3]
        for box in boxes
        for turn in _TURNS_DEG
    )


@lru_cache(maxsize=16)
def _one_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches the names that match any of the glob patterns, in one go for all of thousands."""
    return re.compile("|".join(map(translate, patterns)) or "(?!)")


def _with_gap(grid: Grid, *, gap_lr: int, scale: int) -> Box:
    """Return the outline of a grid, further out by the gap on all sides."""
    west, south, east, north = grid.lonlat_bounds()
    margin_x = gap_lr * scale * (east - west) / grid.cols
    margin_y = gap_lr * scale * (north - south) / grid.rows
    tolerance = 1e-3  # of a pixel: edges that meet exactly at the gap are apart
    margin_x -= tolerance * (east - west) / grid.cols
    margin_y -= tolerance * (north - south) / grid.rows
    return west - margin_x, south - margin_y, east + margin_x, north + margin_y
