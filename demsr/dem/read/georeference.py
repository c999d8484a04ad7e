"""Position of a raster file: CRS, north-up grid and registration."""

import math
import re
from dataclasses import replace
from typing import NamedTuple

import pyproj

from demsr.dem.axes import Axes
from demsr.dem.crs import check_horizontal, horizontal_part
from demsr.dem.geotiff import DATUM_TAG
from demsr.dem.grid import Grid
from demsr.dem.read.gdal import RasterFile
from demsr.dem.units import metres_per_unit
from demsr.errors import GridError
from demsr.options import Registration

_COARSEST_DEG = 0.25  # a raster without CRS, with finer cells and inside +-180, +-90, is in degrees
_DEGREES = re.compile("deg|\N{DEGREE SIGN}", re.IGNORECASE)
_LATTICE = 1e-3  # of a cell: tolerance of corners at multiples of the spacing


class Placement(NamedTuple):
    """Position of the stored cells, before its reference system is known.

    Attributes
    ----------
    west, south, east, north : outer edges, in units of the CRS
    pixel_width, pixel_height : size of a cell
    south_up : rows are stored from the south
    from_east : columns are stored from the east
    in_degrees : the file says that these are longitudes and latitudes
    unit : of the coordinates, as the file names it; empty where it names none
    """

    west: float
    south: float
    east: float
    north: float
    pixel_width: float
    pixel_height: float
    south_up: bool
    from_east: bool
    in_degrees: bool
    unit: str = ""


class StoredGrid(NamedTuple):
    """Grid of a raster, and the order in which its file stores the cells.

    Attributes
    ----------
    grid : north-up, longitudes from -180 on
    south_up : rows are stored from the south
    from_east : columns are stored from the east
    first_col : column, counted from the west, that comes first in `grid`; not 0 for globes that start at Greenwich
    """

    grid: Grid
    south_up: bool
    from_east: bool
    first_col: int


def read_placement(file: RasterFile, axes: Axes | None) -> Placement:
    """Return the position of the cells: by all coordinates of the file where it stores them, else as GDAL states it.

    Parameters
    ----------
    file : open raster file
    axes : axes of the layer, None where the file stores no coordinates

    Raises
    ------
    GridError : no position, or a rotated grid
    """
    dataset, transform = file.dataset, file.dataset.transform
    in_degrees = "degrees_north" in file.tags.values()
    if axes is not None:
        x, y, in_degrees = axes.x, axes.y, axes.in_degrees or in_degrees
        if (y.length, x.length) != dataset.shape:
            message = f"{file.path}: has {y.length} x {x.length} coordinates for {dataset.shape} pixels; store it anew"
            raise GridError(message)
        edges, size = (x.lowest_edge, y.lowest_edge, x.highest_edge, y.highest_edge), (abs(x.step), abs(y.step))
        return Placement(*edges, *size, y.step > 0, x.step < 0, in_degrees, axes.unit)
    if transform.is_identity:
        message = f"{file.path}: the file states no position; set its corners, for example `gdal_edit.py -a_ullr`"
        raise GridError(message)
    if transform.b or transform.d:
        message = f"{file.path}: the grid is rotated; warp it north-up first, for example with gdalwarp"
        raise GridError(message)
    xs = sorted((transform.c, transform.c + dataset.width * transform.a))
    ys = sorted((transform.f, transform.f + dataset.height * transform.e))
    edges = (xs[0], ys[0], xs[1], ys[1])
    return Placement(*edges, abs(transform.a), abs(transform.e), transform.e > 0, transform.a < 0, in_degrees)


def read_crs(file: RasterFile, place: Placement) -> pyproj.CRS:
    """Return the CRS that is declared or stored; coordinates that can only be degrees are taken as WGS 84.

    Raises
    ------
    GridError : no CRS, one that is not tied to the Earth, or a declared CRS that PROJ does not know
    """
    crs = _stated_crs(file)
    if crs is not None:
        check_horizontal(crs, where=str(file.path))
        return crs
    in_degrees = place.in_degrees or max(place.pixel_width, place.pixel_height) <= _COARSEST_DEG
    if not (in_degrees and -360 <= place.west <= place.east <= 540 and -91 < place.south <= place.north < 91):
        message = f"{file.path}: the file has no CRS; declare it, with --crs or in harmonise.files of params.yaml"
        raise GridError(message)
    file.notes.append("CRS: the file names none and its coordinates are degrees; WGS 84 (EPSG:4326) taken")
    return pyproj.CRS.from_epsg(4326)


def read_grid(file: RasterFile, crs: pyproj.CRS, place: Placement) -> StoredGrid:
    """Return the grid of a file.

    Raises
    ------
    GridError : coordinates that do not fit the CRS
    """
    _check_coordinates(file, crs, place)
    try:
        grid = Grid(
            rows=file.dataset.height,
            cols=file.dataset.width,
            west=place.west,
            north=place.north,
            pixel_width=place.pixel_width,
            pixel_height=place.pixel_height,
            crs=_horizontal_crs(crs),
        )
    except GridError as error:
        message = f"{file.path}: {error}"
        raise GridError(message) from error
    grid = replace(grid, registration=file.declared.registration or _registration(file, grid))
    if not grid.is_geographic:
        return StoredGrid(grid, place.south_up, place.from_east, 0)
    if abs((grid.cols - 1) * grid.pixel_width - 360) < grid.pixel_width / 2:
        grid = replace(grid, cols=grid.cols - 1)
        file.notes.append("columns: the last repeats the first, around the globe; left out")
    west, first_col = _from_antimeridian(grid)
    return StoredGrid(replace(grid, west=west), place.south_up, place.from_east, first_col)


def _stated_crs(file: RasterFile) -> pyproj.CRS | None:
    """Return the CRS that is declared or stored, None if there is none."""
    if file.declared.crs is None:
        return None if file.dataset.crs is None else pyproj.CRS.from_wkt(file.dataset.crs.to_wkt())
    try:
        return pyproj.CRS.from_user_input(file.declared.crs)
    except pyproj.exceptions.CRSError as error:
        message = f"{file.path}: the CRS {file.declared.crs[:60]!r} is not known to PROJ; give an EPSG code or WKT"
        raise GridError(message) from error


def _check_coordinates(file: RasterFile, crs: pyproj.CRS, place: Placement) -> None:
    """Refuse degrees in a projected CRS, metres in a geographic one, and another unit than that of the CRS."""
    in_range = -541 < place.west <= place.east < 541 and -91 < place.south <= place.north < 91
    found = f"{file.path}: coordinates such as {place.west:g}, {place.south:g}"
    if crs.is_geographic and not in_range:
        message = f"{found} are no degrees; declare the CRS that they are in"
        raise GridError(message)
    if crs.is_projected and in_range and max(place.pixel_width, place.pixel_height) < _COARSEST_DEG:
        message = f"{found} are degrees, {crs.name} is not; declare another CRS"
        raise GridError(message)
    unit = horizontal_part(crs).axis_info[0]
    metres = None if crs.is_geographic else metres_per_unit(place.unit)
    is_same = metres is not None and math.isclose(metres, unit.unit_conversion_factor, rel_tol=1e-5)
    if place.unit and not is_same and not (crs.is_geographic and _DEGREES.search(place.unit)):
        message = (
            f"{found} are in {place.unit[:60]!r}, the unit of {crs.name} is {unit.unit_name!r}; convert the coordinates"
        )
        raise GridError(message)


def _registration(file: RasterFile, grid: Grid) -> Registration:
    """Return the stated registration; "point" if all pixel centres of an area raster are multiples of its spacing."""
    node_offset = file.tags.get("NC_GLOBAL#node_offset")
    if file.tags.get("AREA_OR_POINT") == "Point" or node_offset == "0":
        return "point"
    written_by_demsr = DATUM_TAG in file.tags
    if node_offset == "1" or written_by_demsr or not grid.is_geographic:
        return "area"
    corner = ((grid.west - 180) / grid.pixel_width) % 1, ((90 - grid.north) / grid.pixel_height) % 1
    if all(abs(part - 0.5) < _LATTICE for part in corner):
        message = "registration: the file says area, but its pixel centres are multiples of its spacing; point taken"
        file.notes.append(message)
        return "point"
    return "area"


def _from_antimeridian(grid: Grid) -> tuple[float, int]:
    """Return the west edge between -180 and 180, and the stored column that comes first in a global raster."""
    turns = math.floor((grid.west + 180) / 360 + _LATTICE * grid.pixel_width)
    west = grid.west - 360 * turns
    if not grid.is_periodic or abs(west + 180) < grid.pixel_width:
        return west, 0
    first_col = round((180 - west) / grid.pixel_width)
    return west + first_col * grid.pixel_width - 360, first_col


def _horizontal_crs(crs: pyproj.CRS) -> str:
    """Return the horizontal part as an EPSG code where there is one, else as WKT."""
    flat = horizontal_part(crs)
    epsg = flat.to_epsg(min_confidence=70) or flat.to_epsg(min_confidence=25)
    same = epsg is not None and flat.equals(pyproj.CRS.from_epsg(epsg), ignore_axis_order=True)
    certain = same or flat.to_epsg(min_confidence=70) is not None
    return f"EPSG:{epsg}" if certain else str(flat.to_wkt())
