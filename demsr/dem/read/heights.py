"""Meaning of the heights in a raster file: unit, sign and vertical datum."""

import math
import re

from demsr.dem.geotiff import DATUM_TAG
from demsr.dem.read.gdal import RasterFile
from demsr.dem.units import METRES_PER_UNIT
from demsr.dem.vertical import DATUMS, NOT_STATED, VerticalPart, datum_from_file_name, datum_from_tags, named_datum
from demsr.errors import DatumError, GridError
from demsr.options import Positive

_ELEVATION_FORMATS = ("BAG", "SRTMHGT")
"""Formats that hold elevations, positive up, whatever the CRS says (BAG: ONS Format Specification 1.6, 2.1)."""


def read_unit(file: RasterFile, vertical: VerticalPart) -> tuple[str, float]:
    """Return the unit of the heights and its length in metres.

    Raises
    ------
    GridError : unknown unit
    """
    stored = file.declared.unit or (file.dataset.units[file.band - 1] or "").lower()
    if not stored:
        if vertical.metres_per_unit is None:
            file.notes.append("unit: the file names none; metres taken")
        metres = vertical.metres_per_unit or 1.0
        return next((name for name, length in METRES_PER_UNIT.items() if math.isclose(length, metres)), "m"), metres
    if stored not in METRES_PER_UNIT:
        known = ", ".join(METRES_PER_UNIT)
        message = f"{file.path}: heights are in {stored!r}; declare a unit that is known: {known}"
        raise GridError(message)
    return stored, METRES_PER_UNIT[stored]


def read_vertical_datum(file: RasterFile, vertical: VerticalPart) -> str | None:
    """Return the declared or stated datum, else that of the product; None if none is stated.

    Raises
    ------
    DatumError : the CRS or a tag names an unknown datum
    """
    declared, tag = file.declared.vertical_datum, file.tags.get(DATUM_TAG)
    stated = (None if tag == NOT_STATED else tag) or vertical.datum or datum_from_tags(file.tags)
    if declared is not None:
        if (named := stated or vertical.foreign) not in (None, declared):
            file.notes.append(f"vertical datum: the file says {named}; {declared} was declared and is taken")
        return declared
    if stated is not None:
        return named_datum(stated, where=str(file.path)).name
    if vertical.foreign is not None:
        message = (
            f"{file.path}: vertical CRS is {vertical.foreign!r}; known datums are {', '.join(DATUMS)}; "
            "if it is one of them, declare it as the vertical datum of this file"
        )
        raise DatumError(message)
    if tag == NOT_STATED:
        return None
    product = datum_from_file_name("srtm.hgt" if file.dataset.driver == "SRTMHGT" else file.path.name)
    if product is not None:
        file.notes.append(f"vertical datum: the file names none; {product} taken, that of its product")
    return product


def read_positive(file: RasterFile, vertical: VerticalPart) -> Positive | None:
    """Return the direction of the heights, None if only the values show it because the CRS or the name means depths."""
    if file.declared.positive is not None:
        return file.declared.positive
    if file.dataset.driver in _ELEVATION_FORMATS or DATUM_TAG in file.tags:
        return "up"
    name = file.tags.get("standard_name", "")
    if file.tags.get("positive") == "down" or re.search(r"\bdepth\b|_depth\b|\bdepth_", name):
        return "down"
    if vertical.positive == "down" or "depth" in file.layer.lower():
        return None
    if vertical.positive is None and not re.search(r"height|altitude|elevation", f"{name} {file.layer}".lower()):
        file.notes.append("sign: the file does not say; heights, positive up, taken")
    return "up"
