"""Tiles from which products are written: encoding, reading and checking."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.windows
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.io import MemoryFile

from demsr.dem import windows
from demsr.dem.gdal_environment import gdal_environment
from demsr.dem.geotiff import geotiff_profile
from demsr.dem.grid import Grid
from demsr.dem.windows import Window
from demsr.errors import GridError, RasterError
from demsr.output.product import Product

BLOCK = 512  # cells along a side of a compressed block
BLOCKS_AT_ONCE = 2 * BLOCK  # cells along a side of the part in memory: 4 MB for each band

_ROUNDING = {"rtol": 1e-6, "atol": 1e-3}  # metres; means may be summed in another order

Values = NDArray[np.float32]
Tiles = Mapping[Window, Path]
"""Windows of the product's grid -> files made by `encode_tile`; disjoint and covering the grid."""


def encode_tile(values: Values, grid: Grid) -> bytes:
    """Return a tile as GeoTIFF, for `demsr.output.formats.write_product`; equal values give equal bytes.

    Parameters
    ----------
    values : (bands, rows, cols) float32, metres, NaN where void
    grid : grid of the tile

    Raises
    ------
    GridError : the values do not fit the grid
    """
    bands, rows, cols = values.shape
    if (rows, cols) != (grid.rows, grid.cols) or values.dtype != np.float32:
        message = f"tile: {rows} x {cols} values of {values.dtype}, needed are {grid.rows} x {grid.cols} of float32"
        raise GridError(message)
    blocks = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    compression = {"compress": "DEFLATE", "zlevel": 1, "predictor": 3}
    with gdal_environment(), MemoryFile() as memory:
        profile = {**geotiff_profile(grid, grid.crs), "driver": "GTiff", "count": bands}
        with memory.open(**profile, **blocks, **compression) as dataset:
            dataset.write(values)
        return bytes(memory.getbuffer())


def read_block(dataset: rasterio.DatasetReader, window: Window) -> Values:
    """Return the (bands, rows, cols) of a window of a dataset."""
    values: Values = dataset.read(window=rasterio.windows.Window(window.col, window.row, window.cols, window.rows))
    return values


def check_tiles(tiles: Tiles, product: Product) -> None:
    """Raise GridError if the tiles do not cover the product, and RasterError for a tile of another size."""
    cells, needed_cells = sum(window.cells for window in tiles), product.window.cells
    if cells != needed_cells:
        found = f"its {len(tiles)} tiles hold {cells:,} cells"
        message = f"product: {found}, the grid {needed_cells:,}; give every tile once"
        raise GridError(message)
    for window, path in tiles.items():
        needed = (len(product.bands), window.rows, window.cols)
        try:
            with rasterio.open(path) as dataset:
                shape = (dataset.count, dataset.height, dataset.width)
        except RasterioError as error:
            message = f"{path}: cannot be read as a tile ({error}); remove it and run the same command again"
            raise RasterError(message) from error
        if shape != needed:
            message = f"{path}: holds {shape} bands, rows and columns, needed are {needed}; remove it and run again"
            raise RasterError(message)


def check_stored(source: str | Path, path: Path) -> None:
    """Compare layout, place, tags and overviews of a written COG with its source.

    A failed write may leave no error: libtiff prints a line, and GDAL goes on without a tag, a block or an overview.

    Parameters
    ----------
    source : what was copied
    path : written file

    Raises
    ------
    RasterioError : something is missing, cannot be read, or differs
    """
    with rasterio.open(source) as before, rasterio.open(path) as dataset:
        found = _description(dataset)
        for name, needed in _description(before).items():
            if found[name] != needed:
                message = f"its {name} was not stored: found {found[name]}, needed is {needed}"
                raise RasterioIOError(message)
        if dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
            message = "its layout was not stored: it is not a cloud-optimised GeoTIFF"
            raise RasterioIOError(message)
        levels = ["NONE", *range(len(dataset.overviews(1)))]
    for finer, level in itertools.pairwise(levels):
        with rasterio.open(path, overview_level=finer) as fine, rasterio.open(path, overview_level=level) as coarse:
            for part in windows.tiles(coarse.height, coarse.width, BLOCKS_AT_ONCE):
                if not np.allclose(read_block(coarse, part), _means(fine, coarse, part), **_ROUNDING, equal_nan=True):
                    message = f"overview {coarse.width} x {coarse.height} was not stored as it was computed"
                    raise RasterioIOError(message)


def _description(dataset: rasterio.DatasetReader) -> dict[str, Any]:
    bands = range(1, dataset.count + 1)
    return {
        "size": (dataset.count, dataset.height, dataset.width),
        "reference system": dataset.crs,
        "position": dataset.transform,
        "value of voids": [str(value) for value in dataset.nodatavals],
        "bands": (dataset.descriptions, dataset.units, [dataset.tags(band) for band in bands]),
        "tags": dataset.tags(),
    }


def _means(fine: rasterio.DatasetReader, coarse: rasterio.DatasetReader, part: Window) -> Values:
    """Return the means of a finer level over the cells of a coarser one, as GDAL computes them for an overview."""
    rows, cols = fine.height / coarse.height, fine.width / coarse.width  # fine cells per coarse cell
    window = rasterio.windows.Window(part.col * cols, part.row * rows, part.cols * cols, part.rows * rows)
    shape = (fine.count, part.rows, part.cols)
    means: Values = fine.read(window=window, out_shape=shape, resampling=Resampling.average)
    return means


def check_written(tiles: Tiles, read: Callable[[Window], Values]) -> None:
    """Compare the written product with its tiles, because GDAL may report a full disk late or never.

    Parameters
    ----------
    tiles : tiles that were written
    read : returns the (bands, rows, cols) of a window of the written product
    """
    for window, path in tiles.items():
        with rasterio.open(path) as tile:
            for part in windows.tiles(window.rows, window.cols, BLOCKS_AT_ONCE):
                written = read(part.relative_to(-window.row, -window.col))
                if not np.array_equal(written, read_block(tile, part), equal_nan=True):
                    message = f"[Errno 28] No space left on device or write error: {path.name} was not stored"
                    raise RasterioIOError(message)
