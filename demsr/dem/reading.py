"""Read the pixels of any raster as elevation: north-up, float32 metres, positive up, NaN where void."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from demsr.dem.grid import Grid
from demsr.dem.header import Declared, Header, gdal_errors, read_header
from demsr.dem.raster import HIGHEST_M, LOWEST_M, Dem
from demsr.errors import DatumError, GridError, VoidError

Box = tuple[float, float, float, float]  # west, south, east, north in degrees

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
    within : only the cells that touch this box; projected rasters are read whole

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
    row, col, grid = _window(header.grid, within)
    if is_large(grid):
        message = (
            f"{header.path}: {grid.rows} x {grid.cols} pixels are too many for one piece of {_MOST_PIXELS:,}; "
            "cut it first, for example with `gdal_translate -projwin`"
        )
        raise GridError(message)
    if header.positive is None and within is not None:
        message = f"{header.path}: the file speaks of depths; declare whether the file does, positive up or down"
        raise GridError(message)
    with gdal_errors(header.path):
        stored = np.empty((grid.rows, grid.cols), np.float32)
        for part, values in _stored_rows(header, row, col, grid):
            stored[part] = values
    notes: list[str] = []
    _void_sentinels(stored, header, notes)
    if header.metres_per_unit != 1:
        stored *= np.float32(header.metres_per_unit)
    if header.positive == "down" or (header.positive is None and _counts_downwards(stored, notes)):
        np.negative(stored, out=stored)
    return stored, grid, notes


def is_large(grid: Grid) -> bool:
    """Whether a raster is too large to be read in one piece."""
    return grid.rows * grid.cols > _MOST_PIXELS


def _window(grid: Grid, within: Box | None) -> tuple[int, int, Grid]:
    """Return the first row and column, and the grid, of the cells that touch a box."""
    if within is None or not grid.is_geographic:
        return 0, 0, grid
    west, south, east, north = within
    turn = 360.0 * round((grid.west + grid.east - west - east) / 720)
    top, left = grid.index(west + turn, north)
    bottom, right = grid.index(east + turn, south)
    first_row, first_col = (max(0, int(np.floor(edge + 0.5 + _TOUCHING))) for edge in (top, left))
    last_row, last_col = (
        min(count, int(np.ceil(edge + 0.5 - _TOUCHING)))
        for edge, count in zip((bottom, right), (grid.rows, grid.cols), strict=True)
    )
    if abs(grid.cols * grid.pixel_width - 360) < grid.pixel_width / 2:  # around the globe: columns go on
        first_col, last_col = math.floor(left + 0.5 + _TOUCHING), math.ceil(right + 0.5 - _TOUCHING)
        last_col = min(last_col, first_col + grid.cols)
    if first_row >= last_row or first_col >= last_col:
        message = f"nothing of the raster lies between {west:g} and {east:g} east, {south:g} and {north:g} north"
        raise GridError(message)
    window = replace(
        grid, rows=last_row - first_row, cols=last_col - first_col,
        west=grid.west + first_col * grid.pixel_width, north=grid.north - first_row * grid.pixel_height,
    )  # fmt: skip
    return first_row, first_col, window


def _stored_rows(
    header: Header, row: int, col: int, grid: Grid
) -> Iterator[tuple[tuple[slice, slice], NDArray[np.float32]]]:
    """Yield windows of the result, in pieces of bounded size, with the scale and offset of the file applied."""
    with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(header.gdal_name) as dataset:
        scale, offset = dataset.scales[header.band - 1], dataset.offsets[header.band - 1]
        step = max(1, _PIXELS_AT_ONCE // grid.cols)
        for top in range(0, grid.rows, step):
            rows = min(step, grid.rows - top)
            first = row + top
            stored_row = header.grid.rows - first - rows if header.south_up else first
            for left, cols, stored_col in _stored_columns(header, col, grid.cols):
                window = Window(stored_col, stored_row, cols, rows)
                values = dataset.read(header.band, window=window, masked=True)
                void = np.ma.getmaskarray(values)
                if header.nodata is not None:
                    void = void | (values.data == header.nodata)
                part = values.data if (scale, offset) == (1.0, 0.0) else values.data * scale + offset
                part = np.where(void, np.nan, part.astype(np.float32)).astype(np.float32)
                yield (slice(top, top + rows), slice(left, left + cols)), part[::-1] if header.south_up else part


def _stored_columns(header: Header, col: int, cols: int) -> list[tuple[int, int, int]]:
    """Return (left in the result, columns, stored column) of one part, or of two across the seam of a globe."""
    start = (col + header.first_col) % header.grid.cols
    before_seam = min(cols, header.grid.cols - start)
    parts = [(0, before_seam, start), (before_seam, cols - before_seam, 0)]
    return [part for part in parts if part[1]]


def _void_sentinels(stored: NDArray[np.float32], header: Header, notes: list[str]) -> None:
    """Make numbers void, in place, that stand for voids though the file does not declare them."""
    lowest, highest = np.fmin.reduce(stored, axis=None), np.fmax.reduce(stored, axis=None)
    lowest_known, highest_known = LOWEST_M / header.metres_per_unit, HIGHEST_M / header.metres_per_unit
    for value in (value for value in _SENTINELS if lowest <= value <= highest):
        possible = value != _AMBIGUOUS and lowest_known <= value <= highest_known
        found = stored == value
        if possible or not (count := np.count_nonzero(found)):
            continue
        if value == _AMBIGUOUS and ((stored < _DEEPEST_BESIDE) & ~found).any():
            if header.nodata is not None:
                continue  # a trench, in a file that says what voids are
            message = (
                f"{header.path}: {count} pixels are {value:.0f} and the file declares no value for voids; "
                f"if these are voids, say so: `gdal_edit.py -a_nodata {value:.0f} {header.path}`"
            )
            raise VoidError(message)
        stored[found] = np.nan
        notes.append(f"voids: {count} pixels are {value:g}, which the file does not declare; taken as void")


def _counts_downwards(stored: NDArray[np.float32], notes: list[str]) -> bool:
    """Decide by the sign of the values, where the CRS counts depths downwards: files often ignore their own CRS."""
    downwards = bool(np.count_nonzero(stored > 0) > np.count_nonzero(stored < 0))
    what = "positive, so they are depths and change sign" if downwards else "negative, so they are heights already"
    notes.append(f"sign: the file speaks of depths and most values are {what}")
    return downwards
