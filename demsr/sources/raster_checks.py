"""Checks of downloaded rasters against their data sheets: CRS, unit, position, range of elevations."""

import math
from pathlib import Path

from demsr.dem.dem import check_product_range
from demsr.dem.grid import Box
from demsr.dem.read.declared import Declared
from demsr.dem.read.header import Header, read_header
from demsr.dem.read.raster import read_raster
from demsr.dem.units import METRES_PER_UNIT
from demsr.errors import FetchError
from demsr.sources.cells import box_text
from demsr.sources.data_sheet import SOURCE_TYPES, DataSheet
from demsr.sources.protocols.base import RasterRequest


def declared_by(sheet: DataSheet, header: Header | None = None) -> Declared:
    """Return the properties that a data sheet declares for a file; a file overrides fields that the sheet is unsure of.

    Parameters
    ----------
    sheet : data sheet of the product
    header : header of the file, whose own nodata value is kept
    """
    needs_nodata = header is None or all(map(math.isnan, header.storage.voids))
    return Declared(
        vertical_datum=None if "vertical_datum" in sheet.unsure else sheet.vertical_datum,
        registration=None if "registration" in sheet.unsure else sheet.registration,
        positive=sheet.positive,
        unit=None if sheet.unit == "m" else sheet.unit,
        nodata=sheet.nodata if needs_nodata else None,
    )


def checked_header(path: Path, sheet: DataSheet) -> Header:
    """Return the header of a file whose CRS and unit agree with the data sheet.

    Parameters
    ----------
    path : raster file
    sheet : data sheet of the product

    Raises
    ------
    FetchError : the CRS or the unit differs
    """
    declared = Declared(vertical_datum=sheet.vertical_datum)
    header = read_header(path, declared, is_elevation=not sheet.name.endswith(SOURCE_TYPES))
    grid, name = header.grid, sheet.name
    agrees = {"projected": not grid.is_geographic, "as the file says": True}.get(sheet.crs, grid.crs == sheet.crs)
    if not agrees:
        message = f"{path}: its CRS is {grid.crs[:60]!r}, {name} has {sheet.crs}; check that it is a file of {name}"
        raise FetchError(message)
    stated = not any(note.startswith("unit:") for note in header.assumptions)
    if stated and not math.isclose(header.storage.metres_per_unit, METRES_PER_UNIT[sheet.unit]):
        message = (
            f"{path}: its elevations are in units of {header.storage.metres_per_unit:g} m, those of {name} in "
            f"{sheet.unit}; choose the product that it belongs to"
        )
        raise FetchError(message)
    return header


def check_place(header: Header, request: RasterRequest, sheet: DataSheet) -> None:
    """Raise FetchError if a raster does not lie where it was requested.

    Parameters
    ----------
    header : header of the raster
    request : request that it answers
    sheet : data sheet of the product
    """
    if not sheet.access.is_in_place(header.grid, request.box):
        message = (
            f"{header.path}: covers {box_text(header.grid.lonlat_bounds())}, requested was {box_text(request.box)}; "
            f"check that it is the right file of {sheet.name}, and the box of the region"
        )
        raise FetchError(message)


def check_window(path: Path, box: Box, sheet: DataSheet) -> None:
    """Check a window of an input: it must fill its box and contain possible elevations only.

    Parameters
    ----------
    path : raster file
    box : requested box, degrees
    sheet : data sheet of the input

    Raises
    ------
    FetchError : CRS, unit or extent differ
    VoidError : it contains elevations outside the product's range
    """
    header = checked_header(path, sheet)
    bounds, cell = header.grid.lonlat_bounds(), header.grid.pixel_width
    if max(abs(one - other) for one, other in zip(bounds, box, strict=True)) > cell:
        message = f"{path}: covers {bounds}, requested was {box}; the service has changed, try lr_whole"
        raise FetchError(message)
    is_elevation, declared = not sheet.name.endswith(SOURCE_TYPES), declared_by(sheet, header)
    reading = read_raster(path, declared=declared, vertical_datum=sheet.vertical_datum, is_elevation=is_elevation)
    check_product_range(reading.dem, sheet.range_m, str(path))
