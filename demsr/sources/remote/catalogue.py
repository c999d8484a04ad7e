"""Products that can be fetched: what each is, by its provider's own documents, and how it is asked for.

Addresses and facts were gathered from documents; none was tried against the live services.
"""

from dataclasses import dataclass
from typing import Literal

Commercial = Literal["allowed", "forbidden", "unclear"]


@dataclass(frozen=True, kw_only=True)
class Product:
    """The data sheet of a product.

    Attributes
    ----------
    domain : what it is truth for, land or marine; "lr" is an input
    spacing : as the provider names it
    registration : what a sample stands for, area or point
    horizontal, vertical_datum : CRS and datum of the heights, as `demsr.dem.vertical` knows it
    positive, unit, nodata : sign, unit and value for voids
    host : where it is asked for; a mirror or a test may take its place
    tile_mb : mean size of a file
    login : how to get credentials; empty where none are needed
    """

    name: str
    title: str
    version: str
    domain: Literal["land", "marine", "lr"]
    spacing: str
    registration: Literal["area", "point"]
    horizontal: str
    vertical_datum: str
    positive: Literal["up", "down"]
    unit: str
    nodata: float | None
    licence: str
    commercial: Commercial
    citation: str
    doi: str
    host: str
    tile_mb: float
    login: str = ""


_EARTHDATA = (
    "make an account at urs.earthdata.nasa.gov and put its token into EARTHDATA_TOKEN, or login and password for that "
    "host into ~/.netrc"
)
_GEBCO = {
    "domain": "lr", "spacing": "15 arc-seconds", "registration": "area", "horizontal": "EPSG:4326",
    "vertical_datum": "MSL", "positive": "up", "unit": "m", "nodata": None, "commercial": "allowed",
    "licence": "public domain, with attribution", "tile_mb": 4_300.0,
}  # fmt: skip

PRODUCTS = {
    product.name: product
    for product in (
        Product(
            name="nasadem", title="NASADEM Merged DEM Global 1 arc second", version="001", domain="land",
            spacing="1 arc-second", registration="point", horizontal="EPSG:4326", vertical_datum="EGM96", positive="up",
            unit="m", nodata=-32768, licence="free, to be cited", commercial="allowed",
            citation="NASA JPL (2020). NASADEM Merged DEM Global 1 arc second V001. NASA EOSDIS Land Processes DAAC.",
            doi="10.5067/MEASURES/NASADEM/NASADEM_HGT.001", host="https://data.lpdaac.earthdatacloud.nasa.gov",
            tile_mb=7.1, login=_EARTHDATA,
        ),
        Product(
            name="glo-30", title="Copernicus DEM GLO-30", version="2021", domain="land", spacing="1 arc-second",
            registration="point", horizontal="EPSG:4326", vertical_datum="EGM2008", positive="up", unit="m", nodata=None,
            licence="Copernicus DEM licence", commercial="allowed",
            citation="European Space Agency, Copernicus DEM GLO-30 (2021). Airbus Defence and Space.",
            doi="10.5270/ESA-c5d3d65", host="https://copernicus-dem-30m.s3.amazonaws.com", tile_mb=35.0,
        ),
        Product(
            name="glo-90", title="Copernicus DEM GLO-90", version="2021", domain="land", spacing="3 arc-seconds",
            registration="point", horizontal="EPSG:4326", vertical_datum="EGM2008", positive="up", unit="m", nodata=None,
            licence="Copernicus DEM licence", commercial="allowed",
            citation="European Space Agency, Copernicus DEM GLO-90 (2021). Airbus Defence and Space.",
            doi="10.5270/ESA-c5d3d65", host="https://copernicus-dem-90m.s3.amazonaws.com", tile_mb=4.5,
        ),
    )
}  # fmt: skip
