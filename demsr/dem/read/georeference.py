"""Position of a raster file: CRS, north-up grid and registration."""

import math
from dataclasses import replace
from typing import NamedTuple

import pyproj

from demsr.dem.geotiff import DATUM_TAG
from demsr.dem.grid import Grid
from demsr.dem.read.gdal import RasterFile
from demsr.errors import GridError
from demsr.options import Registration

_COARSEST_DEG = 0.25  # a raster without CRS, with finer cells and inside +-180, +-90, is in degrees
_LATTICE = 1e-3  # of a cell: tolerance of corners at multiples of the spacing


class StoredGrid(NamedTuple):
    """Grid of a raster, and the order in which its file stores the cells.

    Attributes
    ----------
    grid : north-up, longitudes from -180 on
    south_up : rows are stored from the south
    first_col : stored column that comes first in `grid`; not 0 for global rasters that start at Greenwich
    """

    grid: Grid
    south_up: bool
    first_col: int


def read_crs(file: RasterFile) -> pyproj.CRS:
    """Return the CRS that is declared or stored; coordinates that can only be degrees are taken as WGS 84.

    Raises
    ------
    GridError : no position, no CRS, or a declared CRS that PROJ does not know
    """
    dataset, declared = file.dataset, file.declared.crs
    if dataset.transform.is_identity:
        message = f"{file.path}: the file states no position; set its corners, for example `gdal_edit.py -a_ullr`"
        raise GridError(message)
    if declared is not None:
        try:
            return pyproj.CRS.from_user_input(declared)
        except pyproj.exceptions.CRSError as error:
            message = f"{file.path}: the CRS {declared[:60]!r} is not known to PROJ; give an EPSG code or WKT"
            raise GridError(message) from error
    if dataset.crs is not None:
        return pyproj.CRS.from_wkt(dataset.crs.to_wkt())
    west, south, east, north = dataset.bounds
    in_degrees = "degrees_north" in file.tags.values() or max(map(abs, dataset.res)) <= _COARSEST_DEG
    if not (in_degrees and -360 <= west <= east <= 540 and -91 < south <= north < 91):
        message = f"{file.path}: the file has no CRS; declare it, with --crs or in harmonise.files of params.yaml"
        raise GridError(message)
    file.notes.append("CRS: the file names none and its coordinates are degrees; WGS 84 (EPSG:4326) taken")
    return pyproj.CRS.from_epsg(4326)


def read_grid(file: RasterFile, crs: pyproj.CRS) -> StoredGrid:
    """Return the grid of a file.

    Raises
    ------
    GridError : a rotated or mirrored grid, or coordinates that do not fit the CRS
    """
    dataset, transform = file.dataset, file.dataset.transform
    if transform.b or transform.d or transform.a <= 0:
        message = f"{file.path}: the grid is rotated or mirrored; warp it north-up first, for example with gdalwarp"
        raise GridError(message)
    _check_coordinates(file, crs)
    south_up = transform.e > 0
    try:
        grid = Grid(
            rows=dataset.height,
            cols=dataset.width,
            west=transform.c,
            north=transform.f + dataset.height * transform.e if south_up else transform.f,
            pixel_width=transform.a,
            pixel_height=abs(transform.e),
            crs=_horizontal_crs(crs),
        )
    except GridError as error:
        message = f"{file.path}: {error}"
        raise GridError(message) from error
    grid = replace(grid, registration=file.declared.registration or _registration(file, grid))
    if not grid.is_geographic:
        return StoredGrid(grid, south_up, 0)
    if abs((grid.cols - 1) * grid.pixel_width - 360) < grid.pixel_width / 2:
        grid = replace(grid, cols=grid.cols - 1)
        file.notes.append("columns: the last repeats the first, around the globe; left out")
    west, first_col = _from_antimeridian(grid)
    return StoredGrid(replace(grid, west=west), south_up, first_col)


def _check_coordinates(file: RasterFile, crs: pyproj.CRS) -> None:
    """Refuse degrees in a projected CRS, and metres in a geographic one."""
    west, south, east, north = file.dataset.bounds
    in_range = -541 < west <= east < 541 and -91 < min(south, north) <= max(south, north) < 91
    place = f"{file.path}: coordinates such as {west:g}, {south:g}"
    if crs.is_geographic and not in_range:
        message = f"{place} are no degrees; declare the CRS that they are in"
        raise GridError(message)
    if crs.is_projected and in_range and max(file.dataset.res) < _COARSEST_DEG:
        message = f"{place} are degrees, {crs.name} is not; declare another CRS"
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
    flat = next((part for part in crs.sub_crs_list if not part.is_vertical), crs).to_2d()
    flat = flat.source_crs if flat.is_bound and flat.source_crs else flat
    epsg = flat.to_epsg(min_confidence=70) or flat.to_epsg(min_confidence=25)
    same = epsg is not None and flat.equals(pyproj.CRS.from_epsg(epsg), ignore_axis_order=True)
    certain = same or flat.to_epsg(min_confidence=70) is not None
    return f"EPSG:{epsg}" if certain else str(flat.to_wkt())
