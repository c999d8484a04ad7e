"""Formats of products, and the functions that choose one by the suffix of the target.

A new format is a module with functions to write and to read, and its line in `FORMATS`.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from demsr.dem.gdal_environment import gdal_environment
from demsr.dem.grid import Grid
from demsr.dem.windows import Window
from demsr.errors import DemsrError, RasterError
from demsr.output.cog import read_cog, write_cog
from demsr.output.folder import check_folder, read_folder, write_folder
from demsr.output.netcdf import read_netcdf, write_netcdf
from demsr.output.product import Product
from demsr.output.tiles import Tiles, Values, check_tiles
from demsr.runtime.files import check_is_path


class Format(NamedTuple):
    """Format of a product.

    Attributes
    ----------
    write : writes a product from its tiles, atomically
    read_elevation : returns the elevation of a window of a product, (rows, cols)
    """

    write: Callable[[Path, Tiles, Product], None]
    read_elevation: Callable[[Path, Window], Values]


FOLDER = ""
FORMATS = {
    ".tif": Format(write_cog, read_cog),
    ".tiff": Format(write_cog, read_cog),
    ".nc": Format(write_netcdf, read_netcdf),
    ".nc4": Format(write_netcdf, read_netcdf),
    ".grd": Format(write_netcdf, read_netcdf),
    FOLDER: Format(write_folder, read_folder),
}
"""Suffix in lower case -> format; a target without suffix is a folder."""
_NAMED = (".tif", ".nc")  # in messages
_ENVIRONMENT = {
    "GDAL_CACHEMAX": 16_000_000,  # bytes
    "GDAL_MAX_DATASET_POOL_SIZE": 8,  # open files of a mosaic, each with its buffers
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # else opening one of n tiles lists all n
}


def write_product(target: Path, tiles: Tiles, product: Product) -> None:
    """Join tiles to one product, atomically, in memory that does not grow with it; equal tiles give equal bytes.

    Parameters
    ----------
    target : .tif or .tiff for a COG, .nc, .nc4 or .grd for NetCDF, a name without suffix for a folder of COGs
    tiles : windows of the product's grid, disjoint and covering it, and files made by `encode_tile`
    product : description that the files carry

    Raises
    ------
    RasterError : see `check_target`; or a tile that cannot be read, or a full disk
    GridError : tiles that do not cover the grid, or a folder of one-degree squares for a projected grid
    VoidError : a folder of one-degree squares in which nothing was measured
    """
    check_target(target, product.grid)
    with _write_errors(target), gdal_environment(**_ENVIRONMENT):
        check_tiles(tiles, product)
        FORMATS[target.suffix.lower()].write(target, tiles, product)


def read_product_elevation(target: Path, window: Window) -> Values:
    """Return the elevation of a window of a product that `write_product` has written, (rows, cols) metres."""
    return FORMATS[target.suffix.lower()].read_elevation(target, window)


def check_target(target: Path, grid: Grid | None = None) -> None:
    """Refuse a target that `write_product` cannot write, before hours of work.

    Parameters
    ----------
    target : see `write_product`
    grid : grid of the product, if it is known already

    Raises
    ------
    RasterError : a URL, unknown suffix, a file in the place of a folder or the reverse, or no write permission
    GridError : a folder of one-degree squares for a projected grid
    """
    check_is_path(target)
    suffix = target.suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(f"a {suffix}" for suffix in FORMATS if suffix in _NAMED)
        message = f"{target}: ends in {target.suffix}; name {known}, or a folder, which has no suffix"
        raise RasterError(message)
    if suffix == FOLDER:
        if target.exists() and not target.is_dir():
            hint = "add .tif or .nc, or name another folder"
            message = f"{target}: is a file, a name without suffix is for a folder; {hint}"
            raise RasterError(message)
        check_folder(target, grid)
    elif target.is_dir():
        message = f"{target}: is a folder, a file is to be written; name the file"
        raise RasterError(message)
    _check_writable(target)


def _check_writable(target: Path) -> None:
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = f"{target}: nothing can be written to {folder} ({error.strerror}); name another folder"
        raise RasterError(message) from error


@contextlib.contextmanager
def _write_errors(target: Path) -> Iterator[None]:
    """Turn errors of rasterio, GDAL and HDF5 into a RasterError that names the target."""
    try:
        yield
    except DemsrError:
        raise
    except (RasterioError, CPLE_BaseError, SystemError, OSError, RuntimeError) as error:
        message = f"{target}: cannot be written ({error}); free space on the disk or choose another folder"
        raise RasterError(message) from error
