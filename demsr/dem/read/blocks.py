"""Stored numbers of a raster file, read in blocks of bounded size."""

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import windows

from demsr.dem.read.confined import local_files_only, open_local
from demsr.dem.read.gdal import gdal_errors
from demsr.dem.read.header import Header
from demsr.dem.windows import Window

_BLOCK_PIXELS = 16_000_000


@contextlib.contextmanager
def open_dataset(header: Header) -> Iterator[rasterio.DatasetReader]:
    """Open the dataset of a header, for `read_stored_blocks`."""
    with local_files_only():
        with gdal_errors(header.path):
            dataset = open_local(header.gdal_name, header.path)
        with dataset:
            yield dataset


def read_stored_blocks(
    dataset: rasterio.DatasetReader, header: Header, window: Window
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """Yield the stored numbers of a window in blocks, north-up, with the scale and offset of the file applied.

    Parameters
    ----------
    dataset : from `open_dataset`
    header : header of the file
    window : cells of `header.grid`; columns of a global raster may continue beyond the first and the last

    Yields
    ------
    block : position in the window
    values : (rows, cols) of the block, NaN where the file states a void
    """
    scale, offset = dataset.scales[header.band - 1], dataset.offsets[header.band - 1]
    masked = _same(header.nodata, dataset.nodatavals[header.band - 1])  # a declared nodata overrides the file's mask
    height = max(1, _BLOCK_PIXELS // window.cols)
    for top in range(0, window.rows, height):
        rows = min(height, window.rows - top)
        first = window.row + top
        stored_row = header.grid.rows - first - rows if header.south_up else first
        for left, cols, stored_col in _stored_columns(header, window):
            stored = windows.Window(stored_col, stored_row, cols, rows)
            values = dataset.read(header.band, window=stored, masked=masked)
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
