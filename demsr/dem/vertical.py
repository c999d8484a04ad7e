"""Vertical datums: their names, and how CRSs, tags and file names state them.

No datum is ever assumed here; None stands for a datum that is not stated.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyproj

from demsr.errors import DatumError
from demsr.options import Positive

NOT_STATED = "not stated"
"""Text in files and messages for a vertical datum of None."""


@dataclass(frozen=True)
class VerticalDatum:
    """Reference surface of heights.

    Attributes
    ----------
    name : name in params.yaml and in files
    epsg : vertical CRS for compound CRSs, None where EPSG has none: the ellipsoid is no separate vertical CRS, and for
        LAT and MLLW EPSG defines depths only
    pattern : regular expression that finds the datum in lower-case text
    source : product whose documentation names it
    """

    name: str
    epsg: int | None
    pattern: str
    source: str


DATUMS = {
    datum.name: datum
    for datum in (
        VerticalDatum("EGM96", 5773, r"\begm ?(19)?96\b", "SRTM and NASADEM user guides"),
        VerticalDatum("EGM2008", 3855, r"\begm ?(20)?08\b", "Copernicus DEM product handbook"),
        VerticalDatum("WGS84 ellipsoid", None, r"\bwgs ?(19)?84 ellipsoid\b", "NASADEM_SHHP"),
        VerticalDatum("NAVD88", 5703, r"\bnavd ?(19)?88\b|north american vertical datum 1988", "NOAA NCEI CUDEM"),
        VerticalDatum("MSL", 5714, r"mean sea level|relative to sea level", "GEBCO user guide"),
        VerticalDatum("LAT", None, r"lowest astronomical tide", "EMODnet bathymetry"),
        VerticalDatum("MLLW", None, r"mean lower low water|\bmllw\b", "NOAA hydrographic surveys"),
        VerticalDatum("chart datum", None, r"chart datum", "CHS NONNA; differs from chart to chart"),
    )
}
_FILE_NAMES = {r"gebco": "MSL", r"copernicus_dsm": "EGM2008", r"nasadem_hgt|srtm": "EGM96"}
"""Pattern of lower-case file names -> datum of that product, from the documentation named in `DATUMS`."""
_WORD_BREAK = re.compile(r"_|(?<=[a-z])(?=[A-Z])")  # S-102 writes meanLowerLowWater
_DESCRIPTIVE_TAGS = (
    "long_name standard_name sdn_parameter_name vertical_datum vertical_datum_meaning datum vertical_reference"
)


@dataclass(frozen=True)
class VerticalPart:
    """Vertical part of a CRS; all None for a horizontal CRS.

    Attributes
    ----------
    datum : name in `DATUMS`, None if the CRS has another datum or none
    foreign : name of a vertical CRS whose datum is not in `DATUMS`
    metres_per_unit : length of the axis unit
    positive : direction of the axis
    """

    datum: str | None = None
    foreign: str | None = None
    metres_per_unit: float | None = None
    positive: Positive | None = None


def named_datum(name: str, *, where: str) -> VerticalDatum:
    """Look up a datum by its name, ignoring case.

    Parameters
    ----------
    name : a name in `DATUMS`
    where : first part of the error message

    Raises
    ------
    DatumError : unknown name
    """
    name = next((known for known in DATUMS if known.lower() == name.lower()), name)
    if name not in DATUMS:
        message = f"{where}: vertical datum is {name!r}; it must be one of {', '.join(DATUMS)}"
        raise DatumError(message)
    return DATUMS[name]


def vertical_part(crs: pyproj.CRS | str) -> VerticalPart:
    """Return the vertical part of a compound CRS, or the height axis of a three-dimensional CRS."""
    crs = pyproj.CRS.from_user_input(crs)
    if len(crs.axis_info) < 3:
        return VerticalPart()
    vertical = next((part for part in crs.sub_crs_list if part.is_vertical), crs)
    axis = vertical.axis_info[-1]
    positive: Positive = "down" if axis.direction == "down" else "up"
    if vertical is crs:
        on_wgs84 = crs.ellipsoid is not None and crs.ellipsoid.name == "WGS 84"
        datum = "WGS84 ellipsoid" if on_wgs84 else None
    else:
        datum = _datum_in(f"{vertical.name}; {vertical.datum.name if vertical.datum else ''}")
    foreign = None if datum or vertical.name.lower() == "unknown" else vertical.name
    return VerticalPart(datum, foreign, axis.unit_conversion_factor, positive)


def datum_from_tags(tags: Mapping[str, str]) -> str | None:
    """Return the datum named in the descriptive tags of a file, None if they name none or several."""
    texts = [text for key, text in tags.items() if key.rsplit("#", 1)[-1].lower() in _DESCRIPTIVE_TAGS.split()]
    return _datum_in("; ".join(texts))


def datum_from_file_name(file_name: str) -> str | None:
    """Return the datum of the product that a file name indicates, None for other names."""
    return next((datum for pattern, datum in _FILE_NAMES.items() if re.search(pattern, file_name.lower())), None)


def compound_crs(horizontal: str, vertical_datum: str | None) -> str:
    """Return a horizontal CRS joined with the vertical CRS of a datum, or unchanged where EPSG has none.

    Parameters
    ----------
    horizontal : any text that PROJ understands
    vertical_datum : a name in `DATUMS`; None if not stated
    """
    epsg = None if vertical_datum is None else named_datum(vertical_datum, where=horizontal[:60]).epsg
    if epsg is None:
        return horizontal
    flat, height = pyproj.CRS.from_user_input(horizontal), pyproj.CRS.from_epsg(epsg)
    return str(pyproj.crs.CompoundCRS(f"{flat.name} + {height.name}", [flat, height]).to_wkt())


def _datum_in(text: str) -> str | None:
    words = _WORD_BREAK.sub(" ", text).lower()
    found = [datum.name for datum in DATUMS.values() if re.search(datum.pattern, words)]
    return found[0] if len(found) == 1 else None
