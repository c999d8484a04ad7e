"""Parts of large files: unpacked from archives, cut from local files, or read from a server by byte ranges."""

import math
import shutil
import time
import zipfile
import zlib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio import windows
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.features import geometry_mask

from demsr.dem.dem import Dem, check_product_range
from demsr.dem.gdal_environment import gdal_environment
from demsr.dem.grid import Box, Grid
from demsr.dem.read.raster import read_raster
from demsr.dem.write_errors import heard_write_errors
from demsr.download.remote_file import AbsentError, RetryPolicy
from demsr.errors import FetchError, OutsideError, RasterError
from demsr.runtime.archives import open_member
from demsr.runtime.files import atomic_write
from demsr.sources.data_sheet import DataSheet
from demsr.sources.raster_checks import checked_header, declared_by

TILED: dict[str, Any] = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": 512,
    "blockysize": 512,
    "compress": "deflate",
    "interleave": "band",
}
_TOLERANCE_PX = 1e-6  # edges that differ by less coincide
_OUTLINE_POINTS = 100  # along each side of a box that a projection bends
_COPY_BYTES = 1 << 22


def unpack(archive: Path, pattern: str, target: Path) -> None:
    """Write the one member of a zip archive whose name matches a pattern.

    Parameters
    ----------
    archive : zip file
    pattern : glob pattern of the member's name, case-insensitive
    target : file to write

    Raises
    ------
    FetchError : no member matches, or several do
    RasterError : the archive is damaged
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            names = [name for name in packed.namelist() if fnmatch(name.rpartition("/")[2].lower(), pattern.lower())]
            if len(names) != 1:
                message = (
                    f"{archive}: {len(names)} members match {pattern!r}, of {packed.namelist()[:8]}; exactly one is "
                    "required"
                )
                raise FetchError(message)
            with (
                atomic_write(target) as temporary,
                open_member(packed, names[0]) as source,
                temporary.open("wb") as file,
            ):
                shutil.copyfileobj(source, file, _COPY_BYTES)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        message = f"{archive}: cannot be unpacked ({error})"
        raise RasterError(message) from error


def cut(path: Path, box: Box, sheet: DataSheet) -> Dem:
    """Return the part of a raster within a box, in metres above the product's datum.

    The part of a projected raster is the rectangle around the box; pixels outside the box are void.

    Parameters
    ----------
    path : raster file
    box : degrees
    sheet : data sheet of the product

    Raises
    ------
    AbsentError : no pixel in the box is measured
    FetchError : CRS or unit differ from the data sheet
    VoidError : the part contains elevations outside the product's range
    """
    declared = declared_by(sheet, checked_header(path, sheet))
    try:
        dem = read_raster(path, declared=declared, vertical_datum=sheet.vertical_datum, within=box).dem
    except OutsideError as error:
        raise AbsentError(str(error)) from error
    if not dem.grid.is_geographic:
        dem = dem.without(_outside(dem.grid, box))
    if not dem.valid.any():
        message = f"{path}: no pixel is measured in {box}"
        raise AbsentError(message)
    check_product_range(dem, sheet.range_m, f"{path} in {box}")
    return dem


def copy_window(url: str, target: Path, box: Box, *, retry: RetryPolicy) -> None:
    """Write the part of a remote tiled GeoTIFF within a box, values unchanged, reading only its bytes.

    Parameters
    ----------
    url : address of the GeoTIFF
    target : file to write
    box : degrees
    retry : timeouts and number of attempts

    Raises
    ------
    AbsentError : the server has no such file, or the file does not intersect the box
    FetchError : the part cannot be read
    """
    for attempt in range(retry.attempts):
        try:
            vsicurl = f"/vsicurl/{url}"
            with gdal_environment(**_gdal_options(retry)), rasterio.open(vsicurl, driver="GTiff") as source:
                _write_window(source, target, box, url)
        except (RasterioError, CPLE_BaseError) as error:
            reason = str(error.__cause__ or error)
            if any(f"HTTP response code: {status}" in reason for status in (404, 410)):
                message = f"{url}: the server has no such file"
                raise AbsentError(message) from error
            if attempt == retry.attempts - 1:
                message = (
                    f"{url}: its part {box} cannot be read ({reason}); gave up after {retry.attempts} attempts, run "
                    "the same command later to resume"
                )
                raise FetchError(message) from error
            time.sleep(min(retry.max_wait_s, retry.first_wait_s * 2**attempt))
        else:
            return


def _write_window(source: rasterio.DatasetReader, target: Path, box: Box, url: str) -> None:
    """Write the whole pixels that a box touches."""
    width, height, left, top = source.transform.a, -source.transform.e, source.transform.c, source.transform.f
    west, south, east, north = box
    first_row = max(0, math.floor((top - north) / height + _TOLERANCE_PX))
    first_col = max(0, math.floor((west - left) / width + _TOLERANCE_PX))
    rows = min(source.height, math.ceil((top - south) / height - _TOLERANCE_PX)) - first_row
    cols = min(source.width, math.ceil((east - left) / width - _TOLERANCE_PX)) - first_col
    if rows <= 0 or cols <= 0:
        message = f"{url}: does not intersect {box}"
        raise AbsentError(message)
    values = source.read(window=windows.Window(first_col, first_row, cols, rows))
    transform = Affine(width, 0, left + first_col * width, 0, -height, top - first_row * height)
    profile = {**source.profile, **TILED, "height": rows, "width": cols, "transform": transform}
    with (
        atomic_write(target) as temporary,
        heard_write_errors(),
        rasterio.open(temporary, "w", **profile) as written,
    ):
        written.write(values)
        written.update_tags(**{key: text for key, text in source.tags().items() if key == "AREA_OR_POINT"})


def _outside(grid: Grid, box: Box) -> NDArray[np.bool_]:
    """Return the pixels (rows, cols) of a projected grid whose centres lie outside a box of degrees."""
    west, south, east, north = box
    width, height, ones = east - west, north - south, np.ones(_OUTLINE_POINTS)
    there = np.linspace(0, 1, _OUTLINE_POINTS, endpoint=False)
    back = 1 - there
    lons = np.concatenate([west + width * there, east * ones, west + width * back, west * ones])
    lats = np.concatenate([south * ones, south + height * there, north * ones, south + height * back])
    x, y = pyproj.Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True).transform(lons, lats)
    outline = {"type": "Polygon", "coordinates": [[*zip(x, y, strict=True), (x[0], y[0])]]}
    transform = Affine(grid.pixel_width, 0, grid.west, 0, -grid.pixel_height, grid.north)
    outside: NDArray[np.bool_] = geometry_mask([outline], (grid.rows, grid.cols), transform)
    return outside


def _gdal_options(retry: RetryPolicy) -> dict[str, Any]:
    """Return GDAL options: the same timeouts as `transfer`, no logins, no cached failures."""
    return {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_PAM_ENABLED": "NO",
        "GDAL_HTTP_NETRC": "NO",
        "GDAL_HTTP_MAX_RETRY": "2",
        "GDAL_HTTP_RETRY_DELAY": str(retry.first_wait_s),
        "GDAL_HTTP_RETRY_CODES": "ALL",
        "GDAL_HTTP_CONNECTTIMEOUT": str(math.ceil(retry.connect_s)),
        "GDAL_HTTP_LOW_SPEED_TIME": str(math.ceil(retry.window_s)),
        "GDAL_HTTP_LOW_SPEED_LIMIT": str(math.ceil(retry.min_bytes_per_s)),
        "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff",
    }
