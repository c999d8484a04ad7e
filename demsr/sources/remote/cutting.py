"""Parts of large files: unpacked, cut out of what is here, or asked for by ranges of bytes; checked by data sheet."""

import contextlib
import math
import shutil
import time
import zipfile
import zlib
from collections.abc import Sequence
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
from demsr.dem.grid import Box, Grid
from demsr.dem.read.declared import Declared
from demsr.dem.read.header import Header, read_header
from demsr.dem.read.raster import read_raster
from demsr.dem.units import METRES_PER_UNIT
from demsr.errors import FetchError, OutsideError, RasterError
from demsr.runtime.files import atomic_write
from demsr.sources.remote.catalogue import Product
from demsr.sources.remote.pieces import Piece
from demsr.sources.remote.transfer import AbsentError, Patience

_BLOCK = 512
_STRIP = 240  # cells, side of the blocks of an assembled input: windows of whole degrees fill them
_SLACK = 1e-6  # of a pixel: edges that differ by less coincide
_OFF_GRID = 0.01  # of a cell
_PIXELS_OFF = 2  # that a tile's corner may lie off: half a pixel for points, one that is shared
_CORNERS = 100  # along each side of a box that is bent by a projection
_COPIED = 1 << 22  # bytes at a time


def declared_by(product: Product, header: Header | None = None) -> Declared:
    """Return what the data sheet says of a file for sure; what it took from other products, the file may know better.

    Parameters
    ----------
    header : read without it; voids that it declares are believed
    """
    silent_about_nodata = header is None or header.nodata is None or math.isnan(header.nodata)
    return Declared(
        vertical_datum=None if "vertical_datum" in product.unsure else product.vertical_datum,
        registration=None if "registration" in product.unsure else product.registration,
        positive=product.positive,
        unit=None if product.unit == "m" else product.unit,
        nodata=product.nodata if silent_about_nodata else None,
    )


def checked_header(path: Path, product: Product) -> Header:
    """Read what a file says about itself, and hold it against the data sheet.

    Raises
    ------
    FetchError : CRS or unit are others than the data sheet has
    """
    header = read_header(path, Declared(vertical_datum=product.vertical_datum))
    grid = header.grid
    right_crs = {
        "projected": not grid.is_geographic,
        "as the file says": True,
    }.get(product.horizontal, grid.crs == product.horizontal)
    if not right_crs:
        message = f"{path}: its CRS is {grid.crs[:60]!r}, {product.name} has {product.horizontal}; is it that product?"
        raise FetchError(message)
    stated = not any(note.startswith("unit:") for note in header.assumptions)
    if stated and not math.isclose(header.metres_per_unit, METRES_PER_UNIT[product.unit]):
        message = (
            f"{path}: its heights are in units of {header.metres_per_unit:g} m, those of {product.name} in "
            f"{product.unit}; choose the product that it is"
        )
        raise FetchError(message)
    return header


def check_place(header: Header, piece: Piece, product: Product) -> None:
    """Raise FetchError for a raster that lies elsewhere: a tile must be where its name says, others must touch."""
    (west, south, east, north), place = header.grid.lonlat_bounds(), piece.place
    asked_east = place[2] if place[2] > place[0] else place[2] + 360
    if product.how == "tiles":
        width, height = header.grid.pixel_width, header.grid.pixel_height
        off = max(abs((west - place[0] + 180) % 360 - 180) / width, abs(north - place[3]) / height)
        meets = off < _PIXELS_OFF
    else:
        meets = any(west < asked_east + turn and place[0] + turn < east for turn in (-360, 0, 360))
        meets = meets and south < place[3] and place[1] < north
    if not meets:
        message = (
            f"{header.path}: lies at {west:g} to {east:g} east, {south:g} to {north:g} north, wanted was "
            f"{place[0]:g} to {place[2]:g} east, {place[1]:g} to {place[3]:g} north; is it the right file of "
            f"{product.name}, and the right box?"
        )
        raise FetchError(message)


def check_window(path: Path, place: Box, product: Product) -> None:
    """Raise FetchError for a window of an input that does not fill its place, or holds what is no such heights."""
    header = checked_header(path, product)
    bounds, cell = header.grid.lonlat_bounds(), header.grid.pixel_width
    if max(abs(one - other) for one, other in zip(bounds, place, strict=True)) > cell:
        message = f"{path}: covers {bounds}, asked for was {place}; the service has changed, try lr_whole"
        raise FetchError(message)
    declared, datum = declared_by(product, header), product.vertical_datum
    check_product_range(read_raster(path, declared=declared, vertical_datum=datum).dem, product.range_m, str(path))


def unpack(archive: Path, pattern: str, target: Path) -> None:
    """Write the one file of a zip whose name matches.

    Raises
    ------
    FetchError : none matches, or several
    RasterError : the archive is damaged
    """
    try:
        _unpack(archive, pattern, target)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        message = f"{archive}: cannot be unpacked ({error})"
        raise RasterError(message) from error


def _unpack(archive: Path, pattern: str, target: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        names = [name for name in packed.namelist() if fnmatch(name.rpartition("/")[2].lower(), pattern.lower())]
        if len(names) != 1:
            message = f"{archive}: holds {len(names)} files like {pattern!r} of {packed.namelist()[:8]}; one is needed"
            raise FetchError(message)
        with atomic_write(target) as temporary, packed.open(names[0]) as source, temporary.open("wb") as file:
            shutil.copyfileobj(source, file, _COPIED)


def part_of(path: Path, box: Box, product: Product) -> Dem:
    """Return the part of a raster within a box, in metres above the product's datum.

    Of a projected raster it is the rectangle around the box; its pixels beyond the box are void, those of other boxes.

    Raises
    ------
    AbsentError : no pixel is measured there
    FetchError : the file is not as the data sheet says
    """
    header = checked_header(path, product)
    try:
        declared, datum = declared_by(product, header), product.vertical_datum
        dem = read_raster(path, declared=declared, vertical_datum=datum, within=box).dem
    except OutsideError as error:
        raise AbsentError(str(error)) from error
    if not dem.grid.is_geographic:
        dem = dem.without(_beyond(dem.grid, box))
    if not dem.valid.any():
        message = f"{path}: no pixel is measured in {box}"
        raise AbsentError(message)
    check_product_range(dem, product.range_m, f"{path} in {box}")
    return dem


def copy_window(url: str, target: Path, box: Box, *, patience: Patience) -> None:
    """Write the part of a remote tiled GeoTIFF within a box, numbers as they are; only its bytes are asked for.

    Raises
    ------
    AbsentError : the server has no such file
    FetchError : it did not come, or is no raster
    """
    for attempt in range(patience.tries):
        try:
            _copy_window(url, target, box, patience)
            return
        except (RasterioError, CPLE_BaseError) as error:
            reason = str(error.__cause__ or error)
            if any(f"HTTP response code: {status}" in reason for status in (404, 410)):
                message = f"{url}: the server has no such file"
                raise AbsentError(message) from error
            if attempt == patience.tries - 1:
                message = (
                    f"{url}: its part {box} cannot be read ({reason}); gave up after {patience.tries} tries, run this "
                    "again later to go on"
                )
                raise FetchError(message) from error
            time.sleep(min(patience.longest_wait_s, patience.first_wait_s * 2**attempt))


def _copy_window(url: str, target: Path, box: Box, patience: Patience) -> None:
    with rasterio.Env(**_http_options(patience)), rasterio.open(f"/vsicurl/{url}") as source:
        window, transform = _window(source, box)
        if not (window.width and window.height):
            message = f"{url}: nothing of it lies in {box}"
            raise AbsentError(message)
        values = source.read(window=window)
        place = {"height": window.height, "width": window.width, "transform": transform}
        profile = {**source.profile, **_TILED, **place}
        with atomic_write(target) as temporary, rasterio.open(temporary, "w", **profile) as written:
            written.write(values)
            written.update_tags(**{key: text for key, text in source.tags().items() if key == "AREA_OR_POINT"})


def assemble(parts: Sequence[Path], target: Path) -> None:
    """Put windows of one grid around the globe back into it; what is in none of them stays void and takes no room.

    Raises
    ------
    FetchError : a window does not lie on that grid
    """
    with rasterio.open(parts[0]) as first:
        dtype, nodata, spacing_deg = first.dtypes[0], first.nodata, _regular(first.res[0])
    if not np.issubdtype(np.dtype(dtype), np.integer):
        message = f"{parts[0]}: holds numbers of type {dtype}, not whole ones; the service has changed, try lr_whole"
        raise FetchError(message)
    signed = np.issubdtype(np.dtype(dtype), np.signedinteger)
    limits = np.iinfo(dtype)
    profile = {
        **_TILED,
        "blockxsize": _STRIP,
        "blockysize": _STRIP,
        "sparse_ok": True,
        "count": 1,
        "dtype": dtype,
        "crs": "EPSG:4326",
        "nodata": (limits.min if signed else limits.max) if nodata is None else nodata,
        "width": round(360 / spacing_deg),
        "height": round(180 / spacing_deg),
        "transform": Affine(spacing_deg, 0, -180, 0, -spacing_deg, 90),
    }
    with contextlib.ExitStack() as stack:
        temporary = stack.enter_context(atomic_write(target))
        whole = stack.enter_context(rasterio.open(temporary, "w", **profile))
        sources = [stack.enter_context(rasterio.open(part)) for part in parts]
        placed = sorted((*_place_of(source, whole, dtype), number) for number, source in enumerate(sources))
        for top in range(0, whole.height, _STRIP):  # in the order of the file, so that its bytes are always the same
            for row, col, number in placed:
                source = sources[number]
                first, last = max(row, top), min(row + source.height, top + _STRIP)
                if first < last:
                    values = source.read(1, window=windows.Window(0, first - row, source.width, last - first))
                    whole.write(values, 1, window=windows.Window(col, first, source.width, last - first))


def _place_of(source: rasterio.DatasetReader, whole: rasterio.DatasetReader, dtype: str) -> tuple[int, int]:
    """Return the row and the column of a window's first cell on the globe."""
    spacing_deg = whole.res[0]
    row, col = (90 - source.bounds.top) / spacing_deg, (source.bounds.left + 180) / spacing_deg
    if max(abs(row - round(row)), abs(col - round(col))) > _OFF_GRID or source.dtypes[0] != dtype:
        message = f"{source.name}: its cells are not those of the other windows; the service has changed"
        raise FetchError(message)
    if min(row, col) < -_OFF_GRID or row + source.height > whole.height or col + source.width > whole.width:
        message = f"{source.name}: reaches beyond the globe; the service has changed"
        raise FetchError(message)
    return round(row), round(col)


def _beyond(grid: Grid, box: Box) -> NDArray[np.bool_]:
    """Return which pixels of a projected grid have their centre beyond a box of degrees."""
    to_grid = pyproj.Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    along = np.linspace(0, 1, _CORNERS, endpoint=False)
    (west, south, east, north), there, back = box, along, 1 - along
    lons = np.concatenate(
        [west + (east - west) * there, np.full(_CORNERS, east), west + (east - west) * back, np.full(_CORNERS, west)]
    )
    lats = np.concatenate(
        [
            np.full(_CORNERS, south),
            south + (north - south) * there,
            np.full(_CORNERS, north),
            south + (north - south) * back,
        ]
    )
    x, y = to_grid.transform(lons, lats)
    outline = {"type": "Polygon", "coordinates": [[*zip(x, y, strict=True), (x[0], y[0])]]}
    transform = Affine(grid.pixel_width, 0, grid.west, 0, -grid.pixel_height, grid.north)
    beyond: NDArray[np.bool_] = geometry_mask([outline], (grid.rows, grid.cols), transform)
    return beyond


def _regular(spacing_deg: float) -> float:
    """Return a spacing that goes a whole number of times into a degree, without the rounding of coordinates."""
    return 1 / round(1 / spacing_deg)


_TILED: dict[str, Any] = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": _BLOCK,
    "blockysize": _BLOCK,
    "compress": "deflate",
    "interleave": "band",
}


def _window(source: rasterio.DatasetReader, box: Box) -> tuple[windows.Window, Affine]:
    """Return the whole pixels that a box touches, and their place; the window is empty if there are none."""
    width, height, left, top = source.transform.a, -source.transform.e, source.transform.c, source.transform.f
    west, south, east, north = box
    first_row, first_col = (
        max(0, math.floor(edge + _SLACK)) for edge in ((top - north) / height, (west - left) / width)
    )
    last_row = min(source.height, math.ceil((top - south) / height - _SLACK))
    last_col = min(source.width, math.ceil((east - left) / width - _SLACK))
    window = windows.Window(first_col, first_row, max(0, last_col - first_col), max(0, last_row - first_row))
    return window, Affine(width, 0, left + first_col * width, 0, -height, top - first_row * height)


def _http_options(patience: Patience) -> dict[str, Any]:
    """Return options of GDAL: try again as `transfer` does, send no login, remember no failure."""
    return {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_PAM_ENABLED": "NO",
        "GDAL_HTTP_NETRC": "NO",
        "GDAL_HTTP_MAX_RETRY": "2",
        "GDAL_HTTP_RETRY_DELAY": str(patience.first_wait_s),
        "GDAL_HTTP_RETRY_CODES": "ALL",
        "GDAL_HTTP_CONNECTTIMEOUT": str(math.ceil(patience.connect_s)),
        "GDAL_HTTP_LOW_SPEED_TIME": str(math.ceil(patience.window_s)),
        "GDAL_HTTP_LOW_SPEED_LIMIT": str(math.ceil(patience.least_bytes_per_s)),
        "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff",
    }
