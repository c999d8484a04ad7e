"""Read the pixels of any raster as elevation: north-up, float32 metres, positive up, NaN where void."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import windows

from demsr.dem.dem import HIGHEST_M, LOWEST_M, Dem
from demsr.dem.grid import Box, Grid
from demsr.dem.read.header import Declared, Header, gdal_errors, read_header
from demsr.dem.windows import Window
from demsr.errors import DatumError, GridError, OutsideError, VoidError

_USUAL = (9999, 32767, 32768, 99999, 1e6, 1e20, 3.4028235e38)
_SENTINELS = sorted(float(np.float32(sign * value)) for value in _USUAL for sign in (-1, 1))
_AMBIGUOUS = -9999.0  # a void in most files, a depth in a few trenches
_DEEPEST_BESIDE = -9500.0  # where nothing else reaches this deep, it is no depth
_TOUCHING = 1e-6  # of a cell: edges that differ by less coincide
_MOST_PIXELS = 500_000_000  # 2 GB of float32
_PIXELS_AT_ONCE = 16_000_000


@dataclass(frozen=True)
class Reading:
    """A raster and what had to be assumed to read it, one sentence each."""

    dem: Dem
    header: Header
    assumptions: tuple[str, ...]


def read_dem(
    path: Path, *, declared: Declared | None = None, vertical_datum: str | None = None, within: Box | None = None
) -> Dem:
    """Read any raster that GDAL knows, see `read_raster`."""
    return read_raster(path, declared=declared, vertical_datum=vertical_datum, within=within).dem


def read_raster(
    path: Path, *, declared: Declared | None = None, vertical_datum: str | None = None, within: Box | None = None
) -> Reading:
    """Read any raster that GDAL knows.

    Parameters
    ----------
    declared : what the file does not say, or says wrongly
    vertical_datum : what to take where nothing says it; a file that does say is believed
    within : only the cells that touch this box, degrees; of projected rasters the rectangle around it

    Raises
    ------
    RasterError : not a raster
    GridError : no position, a rotated grid, an unknown unit, several layers, or too many pixels for one piece
    DatumError : nothing names the datum
    VoidError : values that are neither elevations nor known to stand for voids
    """
    header = read_header(path, declared)
    datum, notes = header.vertical_datum, list(header.assumptions)
    if datum is None:
        if vertical_datum is None:
            message = f"{path}: the file names no vertical datum; name it in params.yaml or with --vertical-datum"
            raise DatumError(message)
        notes.append(f"vertical datum: the file names none; {vertical_datum} taken")
        datum = vertical_datum
    elevation, grid, of_values = read_elevation(header, within=within)
    dem = Dem(elevation_m=elevation, grid=grid, vertical_datum=datum, source=header.source)
    return Reading(dem, header, (*notes, *of_values))


def read_elevation(header: Header, *, within: Box | None = None) -> tuple[NDArray[np.float32], Grid, list[str]]:
    """Return (rows, cols) metres with NaN for voids, their grid, and what the values gave reason to assume."""
    window, grid = window_within(header.grid, within, where=str(header.path))
    if is_large(grid):
        message = (
            f"{header.path}: {grid.rows} x {grid.cols} pixels are too many for one piece of {_MOST_PIXELS:,}; "
            "cut it first, for example with `gdal_translate -projwin`"
        )
        raise GridError(message)
    check_sign(header, within)
    stored = np.empty((grid.rows, grid.cols), np.float32)
    with gdal_errors(header.path), open_dataset(header) as dataset:
        for part, values in read_stored_blocks(dataset, header, window):
            stored[part.slices] = values
    encoding = detect_encoding([stored], header)
    encoding.apply(stored)
    return stored, grid, list(encoding.notes)


@dataclass(frozen=True)
class ValueEncoding:
    """What the numbers of a file stand for, found by looking at all of them.

    Attributes
    ----------
    voids : numbers that stand for voids though the file does not declare them
    metres_per_unit : negative where the numbers are depths
    measured_px : how many are no voids
    notes : what was assumed, one sentence each
    """

    voids: tuple[float, ...]
    metres_per_unit: float
    measured_px: int
    notes: tuple[str, ...]

    def apply(self, stored: NDArray[np.float32]) -> None:
        """Turn stored numbers into metres, positive up, NaN where void, in place."""
        for value in self.voids:
            stored[stored == value] = np.nan
        if abs(self.metres_per_unit) != 1:
            stored *= np.float32(abs(self.metres_per_unit))
        if self.metres_per_unit < 0:
            np.negative(stored, out=stored)


def detect_encoding(pieces: Iterable[NDArray[np.float32]], header: Header) -> ValueEncoding:
    """Look at all numbers of a file, piece by piece.

    Raises
    ------
    VoidError : values that may be depths or voids
    """
    counts = dict.fromkeys(_SENTINELS, 0)
    finite = deep_beside = above = below = 0
    for piece in pieces:
        lowest, highest = np.fmin.reduce(piece, axis=None), np.fmax.reduce(piece, axis=None)
        for value in (value for value in _SENTINELS if lowest <= value <= highest):
            counts[value] += int(np.count_nonzero(piece == value))
        finite += int(np.isfinite(piece).sum())
        if lowest < _DEEPEST_BESIDE:
            deep_beside += int(((piece < _DEEPEST_BESIDE) & (piece != _AMBIGUOUS)).sum())
        if header.positive is None:
            above, below = above + int((piece > 0).sum()), below + int((piece < 0).sum())
    voids, notes = _undeclared_voids(counts, header, deep_beside=deep_beside > 0)
    downwards = header.positive == "down"
    if header.positive is None:
        above -= sum(counts[value] for value in voids if value > 0)
        below -= sum(counts[value] for value in voids if value < 0)
        downwards = above > below
        what = "positive, so they are depths and change sign" if downwards else "negative, so they are heights already"
        notes.append(f"sign: the file speaks of depths and most values are {what}")  # files often ignore their own CRS
    return ValueEncoding(
        voids=tuple(voids),
        metres_per_unit=-header.metres_per_unit if downwards else header.metres_per_unit,
        measured_px=finite - sum(counts[value] for value in voids),
        notes=tuple(notes),
    )


def is_large(grid: Grid) -> bool:
    """Whether a raster is too large to be read in one piece."""
    return grid.rows * grid.cols > _MOST_PIXELS


def window_within(grid: Grid, within: Box | None, *, where: str) -> tuple[Window, Grid]:
    """Return the cells that touch a box, and their grid; around the globe the columns may go on beyond the last."""
    if within is None:
        return Window(0, 0, grid.rows, grid.cols), grid
    west, south, east, north = grid.box_of_lonlat(within)
    turn = 360.0 * round((grid.west + grid.east - west - east) / 720) if grid.is_geographic else 0.0
    if grid.is_periodic:
        turn = -360.0 * math.floor((west + 180) / 360)  # the result begins between -180 and 180
    top, left = grid.index(west + turn, north)
    bottom, right = grid.index(east + turn, south)
    first_row, first_col = (max(0, int(np.floor(edge + 0.5 + _TOUCHING))) for edge in (top, left))
    last_row, last_col = (
        min(count, int(np.ceil(edge + 0.5 - _TOUCHING)))
        for edge, count in zip((bottom, right), (grid.rows, grid.cols), strict=True)
    )
    if grid.is_periodic:
        first_col, last_col = math.floor(left + 0.5 + _TOUCHING), math.ceil(right + 0.5 - _TOUCHING)
        last_col = min(last_col, first_col + grid.cols)
    if first_row >= last_row or first_col >= last_col:
        lies, asked = (
            f"{box[0]:g} to {box[2]:g} east, {box[1]:g} to {box[3]:g} north" for box in (grid.lonlat_bounds(), within)
        )
        message = f"{where}: no cell is in {asked}; give a box in {lies}"
        raise OutsideError(message)
    window = Window(first_row, first_col, last_row - first_row, last_col - first_col)
    west, north = grid.west + first_col * grid.pixel_width, grid.north - first_row * grid.pixel_height
    return window, replace(grid, rows=window.rows, cols=window.cols, west=west, north=north)


@contextlib.contextmanager
def open_dataset(header: Header) -> Iterator[rasterio.DatasetReader]:
    """Open the file that a header was read from, for `read_stored_blocks`."""
    with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(header.gdal_name) as dataset:
        yield dataset


def read_stored_blocks(
    dataset: rasterio.DatasetReader, header: Header, window: Window
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """Yield the numbers of a window in pieces of bounded size, north-up, scale and offset of the file applied.

    Each comes with its place in the window. Columns of a raster around the globe go on beyond the first and the last.
    """
    scale, offset = dataset.scales[header.band - 1], dataset.offsets[header.band - 1]
    masked = _same(header.nodata, dataset.nodatavals[header.band - 1])  # else the file is wrong about its voids
    step = max(1, _PIXELS_AT_ONCE // window.cols)
    for top in range(0, window.rows, step):
        rows = min(step, window.rows - top)
        first = window.row + top
        stored_row = header.grid.rows - first - rows if header.south_up else first
        for left, cols, stored_col in _stored_columns(header, window):
            values = dataset.read(header.band, window=windows.Window(stored_col, stored_row, cols, rows), masked=masked)
            void, plain = np.ma.getmaskarray(values), np.ma.getdata(values)
            if header.nodata is not None:
                void = void | (plain == header.nodata)
            part = plain if (scale, offset) == (1.0, 0.0) else plain * scale + offset
            part = np.where(void, np.nan, part.astype(np.float32)).astype(np.float32)
            yield Window(top, left, rows, cols), part[::-1] if header.south_up else part


def _same(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and math.isnan(one) and math.isnan(other))


def _stored_columns(header: Header, window: Window) -> Iterator[tuple[int, int, int]]:
    """Yield (left in the window, columns, stored column) of one part, or of several across the seam of a globe."""
    left = 0
    while left < window.cols:
        start = (window.col + left + header.first_col) % header.grid.cols
        cols = min(window.cols - left, header.grid.cols - start)
        yield left, cols, start
        left += cols


def check_sign(header: Header, within: Box | None) -> None:
    """Refuse to tell depths from heights by a part of a file."""
    if header.positive is None and within is not None:
        message = f"{header.path}: the file speaks of depths; declare whether the file does, positive up or down"
        raise GridError(message)


def _undeclared_voids(
    counts: Mapping[float, int], header: Header, *, deep_beside: bool
) -> tuple[list[float], list[str]]:
    """Tell which numbers stand for voids though the file does not declare them."""
    voids, notes = [], []
    lowest_known, highest_known = LOWEST_M / header.metres_per_unit, HIGHEST_M / header.metres_per_unit
    for value, count in counts.items():
        possible = value != _AMBIGUOUS and lowest_known <= value <= highest_known
        if possible or not count:
            continue
        if value == _AMBIGUOUS and deep_beside:
            if header.nodata is not None:
                continue  # a trench, in a file that says what voids are
            message = (
                f"{header.path}: {count} pixels are {value:.0f} and the file declares no value for voids; "
                f"if these are voids, say so: `gdal_edit.py -a_nodata {value:.0f} {header.path}`"
            )
            raise VoidError(message)
        voids.append(value)
        notes.append(f"voids: {count} pixels are {value:g}, which the file does not declare; taken as void")
    return voids, notes
