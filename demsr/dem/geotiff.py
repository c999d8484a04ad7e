"""Storage of elevation models as cloud-optimised GeoTIFF.

Pipeline stages hand rasters to each other in this form. Products for users are written by `demsr.output`.
"""

import os
from pathlib import Path

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.transform import Affine

from demsr.dem.dem import Dem
from demsr.dem.gdal_environment import gdal_environment
from demsr.dem.grid import Grid
from demsr.dem.vertical import NOT_STATED, compound_crs
from demsr.dem.write_errors import heard_write_errors
from demsr.errors import RasterError
from demsr.runtime.files import atomic_write

DATUM_TAG, SOURCE_TAG = "VERTICAL_DATUM", "SOURCE"


def write_dem(path: Path, dem: Dem, *, tags: dict[str, str] | None = None) -> None:
    """Write a cloud-optimised GeoTIFF atomically: float32 metres, NaN for voids.

    The CRS is compound where EPSG defines the vertical datum. Tags name the datum and the source as well.

    Parameters
    ----------
    path : target, .tif
    dem : elevation to write
    tags : additional tags of the file

    Raises
    ------
    RasterError : the file cannot be written, for example because the disk is full
    """
    profile = {**geotiff_profile(dem.grid, compound_crs(dem.grid.crs, dem.vertical_datum)), "driver": "COG", "count": 1}
    compression = {"compress": "DEFLATE", "predictor": "YES", "blocksize": 512}
    try:
        with atomic_write(path) as temporary, gdal_environment():
            with heard_write_errors(), rasterio.open(temporary, "w", **profile, **compression) as dataset:
                dataset.write(dem.elevation_m, 1)
                dataset.update_tags(**elevation_tags(dem.grid, dem.vertical_datum, dem.source), **(tags or {}))
                dataset.set_band_unit(1, "metre")
            _check_written(temporary, dem)
    except (RasterioError, CPLE_BaseError, SystemError) as error:  # rasterio lets errors of GDAL's drivers through
        message = f"{path}: cannot be written ({error}); free space on the disk or choose another folder"
        raise RasterError(message) from error


def geotiff_profile(grid: Grid, crs: str) -> dict[str, object]:
    """Return the rasterio profile of a float32 raster on a grid, without driver, band count and compression."""
    return {
        "dtype": "float32",
        "height": grid.rows,
        "width": grid.cols,
        "crs": CRS.from_user_input(crs),
        "transform": Affine(grid.pixel_width, 0, grid.west, 0, -grid.pixel_height, grid.north),
        "nodata": np.nan,
    }


def elevation_tags(grid: Grid, vertical_datum: str | None, source: str) -> dict[str, str]:
    """Return the tags from which `demsr.dem.read.header` recognises datum, source and registration."""
    registration = {"AREA_OR_POINT": grid.registration.title()}
    return {DATUM_TAG: vertical_datum or NOT_STATED, SOURCE_TAG: source, **registration}


def _check_written(path: Path, dem: Dem) -> None:
    """Read the file back, because GDAL may report a full disk late or never."""
    with rasterio.open(path) as dataset:
        if not np.array_equal(dataset.read(1), dem.elevation_m, equal_nan=True):
            message = f"[Errno 28] No space left on device or write error: {os.fspath(path)}"
            raise RasterioIOError(message)
