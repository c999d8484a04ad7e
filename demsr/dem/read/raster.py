"""Raster files in any format of GDAL, read as elevation: north-up, float32 metres, positive up, NaN where void."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demsr.dem.dem import Dem
from demsr.dem.grid import Box, Grid, window_within
from demsr.dem.read.blocks import open_dataset, read_stored_blocks
from demsr.dem.read.declared import Declared
from demsr.dem.read.encoding import check_sign_is_known, detect_encoding
from demsr.dem.read.gdal import gdal_errors
from demsr.dem.read.header import Header, read_header
from demsr.dem.vertical import NOT_STATED
from demsr.errors import DatumError, GridError

_MAX_PIXELS = 500_000_000  # 2 GB of float32


@dataclass(frozen=True)
class Reading:
    """Elevation of a file, its header, and the assumptions made to read it, one sentence each."""

    dem: Dem
    header: Header
    assumptions: tuple[str, ...]


def read_dem(
    path: str | Path,
    *,
    declared: Declared | None = None,
    vertical_datum: str | None = None,
    within: Box | None = None,
    require_datum: bool = False,
) -> Dem:
    """Read a raster file in any format of GDAL as elevation in metres.

    Parameters
    ----------
    path : raster file, or .zip archive with one raster
    declared : properties that the file lacks or states wrongly
    vertical_datum : datum to assume if the file states none
    within : box in degrees; only the cells that touch it are read, of projected rasters the rectangle around it
    require_datum : refuse a file without vertical datum, instead of returning a `Dem` with vertical_datum None

    Returns
    -------
    dem : elevation in metres, positive up, NaN where void; the first row is the northernmost

    Raises
    ------
    RasterError : not a raster
    GridError : no position, a rotated grid, an unknown unit, several layers, or too many pixels
    DatumError : an unknown datum, or none while `require_datum`
    VoidError : values that are neither elevations nor known void values

    Examples
    --------
    >>> dem = read_dem("gebco.tif")
    >>> dem.elevation_m.shape, dem.vertical_datum
    ((32, 40), 'MSL')
    """
    return read_raster(
        path, declared=declared, vertical_datum=vertical_datum, within=within, require_datum=require_datum
    ).dem


def read_raster(
    path: str | Path,
    *,
    declared: Declared | None = None,
    vertical_datum: str | None = None,
    within: Box | None = None,
    require_datum: bool = False,
    is_elevation: bool = True,
) -> Reading:
    """Read a raster file together with its header and the assumptions made; see `read_dem` and `read_header`."""
    header = read_header(Path(path), declared, is_elevation=is_elevation)
    header = resolve_datum(header, vertical_datum, require_datum=require_datum)
    elevation, grid, notes = read_elevation(header, within=within)
    dem = Dem(elevation_m=elevation, grid=grid, vertical_datum=header.vertical_datum, source=header.source)
    return Reading(dem, header, (*header.assumptions, *notes))


def resolve_datum(header: Header, assumed: str | None, *, require_datum: bool = False) -> Header:
    """Return the header with the assumed vertical datum if the file states none, and with a note on that.

    Raises
    ------
    DatumError : there is none, but one is required
    """
    if header.vertical_datum is not None:
        return header
    if assumed is None and require_datum:
        message = f"{header.path}: the file names no vertical datum; name it in params.yaml or with --vertical-datum"
        raise DatumError(message)
    note = f"{NOT_STATED} by the file" if assumed is None else f"the file names none; {assumed} taken"
    return replace(header, vertical_datum=assumed, assumptions=(*header.assumptions, f"vertical datum: {note}"))


def read_elevation(header: Header, *, within: Box | None = None) -> tuple[NDArray[np.float32], Grid, list[str]]:
    """Read the elevation of a file.

    Parameters
    ----------
    header : header of the file
    within : box in degrees; only the cells that touch it are read

    Returns
    -------
    elevation : (rows, cols) metres, NaN where void
    grid : grid of these cells
    notes : assumptions made from the values, one sentence each

    Raises
    ------
    RasterError, GridError, VoidError : see `read_dem`
    """
    window, grid = window_within(header.grid, within, where=str(header.path))
    if is_large(grid):
        message = (
            f"{header.path}: {grid.rows} x {grid.cols} pixels exceed the {_MAX_PIXELS:,} that are read at once; "
            "cut it first, for example with `gdal_translate -projwin`"
        )
        raise GridError(message)
    check_sign_is_known(header, within)
    with gdal_errors(header.path), open_dataset(header) as dataset:
        blocks = list(read_stored_blocks(dataset, header, window))
    encoding = detect_encoding(lambda: ((stored, masked) for _, stored, masked in blocks), header.storage)
    elevation = np.empty((grid.rows, grid.cols), np.float32)
    for block, stored, masked in blocks:
        elevation[block.slices] = encoding.decode(stored, masked)
    return elevation, grid, list(encoding.notes)


def is_large(grid: Grid) -> bool:
    """Whether a raster has too many pixels to be read at once."""
    return grid.rows * grid.cols > _MAX_PIXELS
