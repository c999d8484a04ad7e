"""Products read back: grid, tags and bands, by window or decimated."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio.windows
from rasterio.enums import Resampling

from demsr.dem.grid import Grid
from demsr.dem.read.blocks import open_dataset, read_stored_blocks
from demsr.dem.read.declared import Declared
from demsr.dem.read.gdal import gdal_errors, open_file
from demsr.dem.read.header import Header, read_header
from demsr.dem.windows import Window
from demsr.errors import GridError, printable
from demsr.output.tiles import Values

_OF_FILE = "NC_GLOBAL#"  # what GDAL puts before the attributes of a NetCDF file
_WITHOUT_OVERVIEWS_PX = 200_000_000  # NetCDF has no overviews, so that all pixels are read for a decimated picture


@dataclass(frozen=True)
class StoredProduct:
    """A product that was written earlier.

    Attributes
    ----------
    path : raster that is read: the file, or the mosaic of a folder
    header : of the elevation
    of_uncertainty : header of the standard error, None where the product has none
    tags : provenance, names in upper case, such as MODEL or COMMAND
    """

    path: Path
    header: Header
    of_uncertainty: Header | None
    tags: dict[str, str]

    @property
    def grid(self) -> Grid:
        """Grid of the product."""
        return self.header.grid

    @property
    def is_quickly_decimated(self) -> bool:
        """Whether `decimated` takes little time: the product has overviews, or is small."""
        return self.header.driver != "netCDF" or self.grid.rows * self.grid.cols <= _WITHOUT_OVERVIEWS_PX

    def read(self, window: Window) -> tuple[Values, Values | None]:
        """Return elevation and standard error of a window, (rows, cols) metres, NaN where void."""
        error = None if self.of_uncertainty is None else _read(self.of_uncertainty, window)
        return _read(self.header, window), error

    def decimated(self, window: Window, factor: int) -> tuple[Values, Values | None]:
        """Return means of `factor` x `factor` pixels of a window, whose sides are multiples of it; see `read`."""
        error = None if self.of_uncertainty is None else _decimated(self.of_uncertainty, window, factor)
        return _decimated(self.header, window, factor), error


def open_product(target: Path) -> StoredProduct:
    """Read the header and the tags of a product.

    Parameters
    ----------
    target : product of `write_product`: a file, a folder, or the .vrt in it

    Raises
    ------
    RasterError, GridError, DatumError : it is no raster that demsr reads
    GridError : its elevations are no 32-bit floating-point numbers, as those of every product are
    """
    path = target / f"{target.name}.vrt" if target.is_dir() else target
    header = read_header(path)
    with open_file(path, Declared()) as file:
        tags = {
            name.removeprefix(_OF_FILE).upper(): printable(text)
            for name, text in file.dataset.tags().items()
            if "#" not in name.removeprefix(_OF_FILE)
        }
    if not header.dtype.startswith("float32"):
        message = f"{target}: stores {header.dtype}, a product stores float32 in m; name what super-resolve has written"
        raise GridError(message)
    error = None
    if tags.get("UNCERTAINTY") == "True":
        error = read_header(path, Declared(layer="uncertainty"), is_elevation=False)
    return StoredProduct(path, header, error, tags)


def _read(header: Header, window: Window) -> Values:
    values = np.empty((window.rows, window.cols), np.float32)
    with gdal_errors(header.path), open_dataset(header) as dataset:
        for block, stored, masked in read_stored_blocks(dataset, header, window):
            values[block.slices] = stored if masked is None else np.where(masked, np.float32(np.nan), stored)
    return values


def _decimated(header: Header, window: Window, factor: int) -> Values:
    shape = window.rows // factor, window.cols // factor
    part = rasterio.windows.Window(window.col, window.row, window.cols, window.rows)
    with gdal_errors(header.path), open_dataset(header) as dataset:
        values: Values = dataset.read(header.band, window=part, out_shape=shape, resampling=Resampling.average)
    return values
