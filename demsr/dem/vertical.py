"""Names of the vertical datums that elevations refer to; no datum is ever assumed here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyproj

from demsr.errors import DatumError


@dataclass(frozen=True)
class VerticalDatum:
    """A reference surface for heights.

    Attributes
    ----------
    name : how it is written in params.yaml and in files
    epsg : vertical CRS of heights for compound CRSs, None where EPSG has none: the ellipsoid is no separate vertical
        CRS, and for LAT and MLLW there are depths only, which count downwards
    pattern : how texts call it, a regular expression for lower case
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
PRODUCTS = {  # how file names of a product begin or go on, in lower case -> its datum, by the guides named above
    r"gebco": "MSL",
    r"copernicus_dsm": "EGM2008",
    r"nasadem_hgt|srtm": "EGM96",
}
_TELLING_TAGS = ("long_name", "standard_name", "sdn_parameter_name", "vertical_datum", "datum", "vertical_reference")


@dataclass(frozen=True)
class VerticalPart:
    """What a CRS says about heights; all None where it says nothing.

    Attributes
    ----------
    datum : one of ours, None where the CRS names another or none
    foreign : name of a vertical CRS that is none of ours
    metres_per_unit : of its axis
    positive : which way its axis counts
    """

    datum: str | None = None
    foreign: str | None = None
    metres_per_unit: float | None = None
    positive: Literal["up", "down"] | None = None


def named_datum(name: str, *, where: str) -> VerticalDatum:
    """Look a datum up by its name.

    Raises
    ------
    DatumError : no such name
    """
    name = next((known for known in DATUMS if known.lower() == name.lower()), name)
    if name not in DATUMS:
        message = f"{where}: vertical datum is {name!r}; it must be one of {', '.join(DATUMS)}"
        raise DatumError(message)
    return DATUMS[name]


def vertical_of_crs(wkt: str) -> VerticalPart:
    """Read what a CRS says about heights, in its vertical part or by a third axis above its ellipsoid."""
    crs = pyproj.CRS.from_user_input(wkt)
    if len(crs.axis_info) < 3:
        return VerticalPart()
    vertical = next((part for part in crs.sub_crs_list if part.is_vertical), crs)
    axis = vertical.axis_info[-1]
    positive: Literal["up", "down"] = "down" if axis.direction == "down" else "up"
    if vertical is crs:
        on_wgs84 = crs.ellipsoid is not None and crs.ellipsoid.name == "WGS 84"
        named = "WGS84 ellipsoid" if on_wgs84 else None
    else:
        named = _datum_in(f"{vertical.name}; {vertical.datum.name if vertical.datum else ''}")
    foreign = None if named or vertical.name.lower() == "unknown" else vertical.name
    return VerticalPart(named, foreign, axis.unit_conversion_factor, positive)


def datum_in_tags(tags: Mapping[str, str]) -> str | None:
    """Return the datum that the tags of a file name in words, None if they name none or several."""
    texts = [text for key, text in tags.items() if key.rsplit("#", 1)[-1].lower() in _TELLING_TAGS]
    return _datum_in("; ".join(texts))


def datum_of_product(file_name: str) -> str | None:
    """Return the datum of the product that a file name tells, None if it tells none."""
    return next((datum for pattern, datum in PRODUCTS.items() if re.search(pattern, file_name.lower())), None)


def compound_crs(horizontal: str, datum: VerticalDatum) -> str:
    """Return the horizontal CRS joined with the datum's vertical CRS, where EPSG has one."""
    if datum.epsg is None:
        return horizontal
    flat, height = pyproj.CRS.from_user_input(horizontal), pyproj.CRS.from_epsg(datum.epsg)
    return str(pyproj.crs.CompoundCRS(f"{flat.name} + {height.name}", [flat, height]).to_wkt())


def _datum_in(text: str) -> str | None:
    found = [datum.name for datum in DATUMS.values() if re.search(datum.pattern, text.lower().replace("_", " "))]
    return found[0] if len(found) == 1 else None
