"""Horizontal reference systems: the parts of a CRS, and the kinds whose coordinates are no place on Earth."""

import math
import re
from pathlib import Path

import pyproj

from demsr.errors import GridError, RasterError

_DEGREE = math.pi / 180
_EQUATOR_M = 6_378_137.0
_FILES = re.compile(
    r"(?i:grids\s*=(?!@null)|parameterfile|\binit\s*=(?!\s*epsg:))|\+(?:file|model|catalog)\s*=|\"BoundCRS\""
)
_LONGEST_TEXT = 60_000


def horizontal_part(crs: pyproj.CRS) -> pyproj.CRS:
    """Return the two-dimensional, unbound horizontal part of a CRS."""
    flat = next((part for part in crs.sub_crs_list if not part.is_vertical), crs)
    flat = flat.source_crs if flat.is_bound and flat.source_crs else flat
    return flat.to_2d() if len(flat.axis_info) > 2 else flat


def check_crs_text(text: str, *, where: Path) -> None:
    """Refuse a CRS that names files, such as grids of shifts, because PROJ would open them wherever they are.

    Parameters
    ----------
    text : WKT or PROJ string, or a text with one
    where : raster file, for the message

    Raises
    ------
    RasterError : a file is named, or the text is longer than any CRS
    """
    if len(text) > _LONGEST_TEXT or _FILES.search(text):
        found = _FILES.search(text)
        what = f"has {len(text):,} letters" if found is None else f"names a file ({found[0]!r})"
        message = f"{where}: its CRS {what}; write it again with the EPSG code, for example with gdal_edit.py -a_srs"
        raise RasterError(message)


def check_horizontal(crs: pyproj.CRS, *, where: str) -> None:
    """Refuse a CRS whose coordinates are neither degrees from Greenwich nor projected from a place on Earth.

    Parameters
    ----------
    crs : any CRS
    where : first part of the error message

    Raises
    ------
    GridError : an engineering, geocentric, vertical or rotated CRS, one of another planet, or longitudes in another
        unit or from elsewhere
    """
    flat = horizontal_part(crs)
    ellipsoid = flat.ellipsoid
    is_earth = ellipsoid is None or math.isclose(ellipsoid.semi_major_metre, _EQUATOR_M, rel_tol=0.01)
    if flat.geodetic_crs is None or not (is_earth and (flat.is_geographic or flat.is_projected)):
        message = (
            f"{where}: the CRS {flat.name[:60]!r} is not tied to the Earth by longitude and latitude or a projection; "
            "declare the CRS that the coordinates are in, with --crs or in harmonise.files of params.yaml"
        )
        raise GridError(message)
    if not flat.is_geographic:
        return
    if flat.is_derived:
        message = f"{where}: the CRS {flat.name[:60]!r} has a rotated pole; interpolate the raster to EPSG:4326 first"
        raise GridError(message)
    unit, meridian = flat.axis_info[0], flat.prime_meridian
    from_greenwich = meridian is None or meridian.longitude == 0
    if not (math.isclose(unit.unit_conversion_factor, _DEGREE, rel_tol=1e-9) and from_greenwich):
        start = "Greenwich" if meridian is None or from_greenwich else meridian.name
        message = (
            f"{where}: the CRS {flat.name[:60]!r} counts in {unit.unit_name}s from {start}, degrees from Greenwich are "
            "needed; warp the raster to EPSG:4326 first"
        )
        raise GridError(message)
