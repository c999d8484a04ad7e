"""Stored numbers of a raster file, read in blocks of bounded size."""

import contextlib
from collections.abc import Iterator

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import windows
from rasterio.enums import MaskFlags

from demsr.dem.read.confined import local_files_only, open_local
from demsr.dem.read.gdal import gdal_errors
from demsr.dem.read.header import Header
from demsr.dem.read.void_values import Stored
from demsr.dem.windows import Window

_BLOCK_PIXELS = 16_000_000


@contextlib.contextmanager
def open_dataset(header: Header) -> Iterator[rasterio.DatasetReader]:
    """Open the dataset of a header, for `read_stored_blocks`."""
    order = {"GDAL_NETCDF_BOTTOMUP": "NO"} if header.in_file_order else {}
    with local_files_only(**order):
        with gdal_errors(header.path):
            dataset = open_local(header.gdal_name, header.path)
        with dataset:
            yield dataset


def read_stored_blocks(
    dataset: rasterio.DatasetReader, header: Header, window: Window
) -> Iterator[tuple[Window, Stored, NDArray[np.bool_] | None]]:
    """Yield the stored numbers of a window in blocks, north-up, in their own type.

    Parameters
    ----------
    dataset : from `open_dataset`
    header : header of the file
    window : cells of `header.grid`; columns of a global raster may continue beyond the first and the last

    Yields
    ------
    block : position in the window
    stored : (rows, cols) of the block
    masked : (rows, cols), voids by mask, alpha band or nodata value of the file; None where the file has none
    """
    height = max(1, _BLOCK_PIXELS // window.cols)
    order = (slice(None, None, -1) if header.south_up else slice(None),) + (
        (slice(None, None, -1),) if header.from_east else ()
    )
    for top in range(0, window.rows, height):
        rows = min(height, window.rows - top)
        first = window.row + top
        stored_row = header.grid.rows - first - rows if header.south_up else first
        for left, cols, stored_col in _stored_columns(header, window):
            part = windows.Window(stored_col, stored_row, cols, rows)
            stored, masked = dataset.read(header.band, window=part), _masked(dataset, header, part)
            yield Window(top, left, rows, cols), stored[order], None if masked is None else masked[order]


def _masked(dataset: rasterio.DatasetReader, header: Header, part: windows.Window) -> NDArray[np.bool_] | None:
    """Return where mask, alpha band or nodata value of the file say void; None if the file has none of them."""
    flags = dataset.mask_flag_enums[header.band - 1]
    masked = None if MaskFlags.all_valid in flags else dataset.read_masks(header.band, window=part) == 0
    if header.alpha_band is None:
        return masked
    transparent: NDArray[np.bool_] = ~(dataset.read(header.alpha_band, window=part) > 0)
    return transparent if masked is None else masked | transparent


def _stored_columns(header: Header, window: Window) -> Iterator[tuple[int, int, int]]:
    """Yield (left in the window, columns, stored column) of one part, or of several across the seam of a globe."""
    left = 0
    while left < window.cols:
        start = (window.col + left + header.first_col) % header.grid.cols
        cols = min(window.cols - left, header.grid.cols - start)
        yield left, cols, header.stored_cols - start - cols if header.from_east else start
        left += cols
