"""Meaning of the heights in a raster file: unit, sign and vertical datum."""

import math

import numpy as np
from rasterio.enums import ColorInterp

from demsr.dem.geotiff import DATUM_TAG
from demsr.dem.read.gdal import RasterFile, raster_name
from demsr.dem.read.meaning import check_heights, objections, positive_by_name, says_heights
from demsr.dem.units import METRES_PER_UNIT, metres_per_unit
from demsr.dem.vertical import DATUMS, NOT_STATED, VerticalPart, datum_from_file_name, datum_from_tags, named_datum
from demsr.errors import DatumError, GridError
from demsr.options import Positive

_POSITIVE: dict[str, Positive] = {"BAG": "up", "SRTMHGT": "up", "DTED": "up", "S102": "down"}
"""Format -> direction of its heights, whatever the CRS says (ONS Format Specification 1.6, 2.1; IHO S-102, 2.2)."""
_COLOURS = (ColorInterp.palette, ColorInterp.red, ColorInterp.green, ColorInterp.blue)


def check_meaning(file: RasterFile) -> bool:
    """Refuse a layer that is no elevation by its name, attributes or colours, unless the user has declared the layer.

    Returns
    -------
    is_sure : False where only the numbers show whether these are heights

    Raises
    ------
    GridError : something speaks against heights
    """
    dataset, index = file.dataset, file.band - 1
    if file.declared.layer is not None or dataset.driver in _POSITIVE or DATUM_TAG in file.tags:
        return True
    dtype = np.dtype(dataset.dtypes[index])
    is_sure = says_heights(file.layer, file.tags, has_unit=bool(file.declared.unit or dataset.units[index]))
    found = objections(file.layer, file.tags, dtype, is_sure=is_sure, file_name=raster_name(file.path))
    if dataset.colorinterp[index] in _COLOURS:
        found.append(f"its band is one of colours ({dataset.colorinterp[index].name})")
    check_heights(found, str(file.path), f"declare --layer {file.layer.removeprefix('band ')} if these are heights")
    return is_sure


def read_unit(file: RasterFile, vertical: VerticalPart) -> tuple[str, float]:
    """Return the unit of the heights and its length in metres.

    Raises
    ------
    GridError : unknown unit
    """
    stored = file.declared.unit or (file.dataset.units[file.band - 1] or "").strip()
    if not stored:
        if vertical.metres_per_unit is None:
            file.notes.append("unit: the file names none; metres taken")
        metres = vertical.metres_per_unit or 1.0
        return next((name for name, length in METRES_PER_UNIT.items() if math.isclose(length, metres)), "m"), metres
    metres_of_stored = metres_per_unit(stored)
    if metres_of_stored is None:
        known = ", ".join(METRES_PER_UNIT)
        message = f"{file.path}: heights are in {stored!r}; declare a unit that is known: {known}"
        raise GridError(message)
    return stored, metres_of_stored


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
    if DATUM_TAG in file.tags:
        return "up"
    if file.dataset.driver in _POSITIVE:
        return _POSITIVE[file.dataset.driver]
    positive, is_said = positive_by_name(file.layer, file.tags)
    if positive == "up" and vertical.positive == "down":
        return None
    if vertical.positive is None and not is_said:
        file.notes.append("sign: the file does not say; heights, positive up, taken")
    return positive
