"""Names of the vertical datums that elevations refer to; no datum is ever assumed here."""

from dataclasses import dataclass

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
    source : product whose documentation names it
    """

    name: str
    epsg: int | None
    source: str


DATUMS = {
    datum.name: datum
    for datum in (
        VerticalDatum("EGM96", 5773, "SRTM and NASADEM user guides"),
        VerticalDatum("EGM2008", 3855, "Copernicus DEM product handbook"),
        VerticalDatum("WGS84 ellipsoid", None, "NASADEM_SHHP"),
        VerticalDatum("NAVD88", 5703, "NOAA NCEI CUDEM"),
        VerticalDatum("MSL", 5714, "GEBCO user guide"),
        VerticalDatum("LAT", None, "EMODnet bathymetry"),
        VerticalDatum("MLLW", None, "NOAA hydrographic surveys"),
        VerticalDatum("chart datum", None, "CHS NONNA; differs from chart to chart"),
    )
}


def named_datum(name: str, *, where: str) -> VerticalDatum:
    """Look a datum up by its name.

    Raises
    ------
    DatumError : no such name
    """
    if name not in DATUMS:
        message = f"{where}: vertical datum is {name!r}; it must be one of {', '.join(DATUMS)}"
        raise DatumError(message)
    return DATUMS[name]


def datum_of_crs(wkt: str, *, where: str) -> str | None:
    """Return the name of the datum that a CRS refers heights to, None if it says nothing about heights.

    A compound CRS has a vertical part; the heights of a three-dimensional one are above its ellipsoid.

    Raises
    ------
    DatumError : the vertical part is none of ours
    """
    crs = pyproj.CRS.from_user_input(wkt)
    if len(crs.axis_info) < 3:
        return None
    vertical = next((part for part in crs.sub_crs_list if part.is_vertical), crs)
    if vertical is crs and crs.ellipsoid is not None and crs.ellipsoid.name == "WGS 84":
        return "WGS84 ellipsoid"
    for datum in DATUMS.values():
        if datum.epsg is not None and vertical.equals(pyproj.CRS.from_epsg(datum.epsg)):
            return datum.name
    message = (
        f"{where}: vertical CRS is {vertical.name!r}; known datums are {', '.join(DATUMS)}; "
        f"if it is one of them, say so in the file: `gdal_edit.py -mo VERTICAL_DATUM=NAME {where}`"
    )
    raise DatumError(message)


def compound_crs(horizontal: str, datum: VerticalDatum) -> str:
    """Return the horizontal CRS joined with the datum's vertical CRS, where EPSG has one."""
    if datum.epsg is None:
        return horizontal
    flat, height = pyproj.CRS.from_user_input(horizontal), pyproj.CRS.from_epsg(datum.epsg)
    return str(pyproj.crs.CompoundCRS(f"{flat.name} + {height.name}", [flat, height]).to_wkt())
