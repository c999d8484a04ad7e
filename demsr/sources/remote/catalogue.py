"""Products that can be fetched: what each is, by its provider's documents, and how it is asked for.

None of the addresses was tried against the live services; `docs/sources.md` says so, source by source.
"""

from dataclasses import dataclass
from typing import Any, Literal

from demsr.dem.grid import Box
from demsr.errors import ParamsError
from demsr.sources.remote.transfer import Kind

TID = "-tid"  # ends the names of grids of source types
AS_SERVED = "as served"  # version of products that change without one
How = Literal["tiles", "files", "wcs", "gmrt", "ncss", "urls"]
Commercial = Literal["allowed", "forbidden", "not stated"]


@dataclass(frozen=True, kw_only=True)
class ProductFile:
    """A file of a product.

    Attributes
    ----------
    member : pattern of its name in that archive
    box : degrees; None where it is not known, or around the globe
    tag : tells its rasters from those of the other files
    about_mb : its size, where the provider does not name it; None for the product's mean
    """

    url: str
    kind: Kind
    member: str = ""
    box: Box | None = None
    tag: str = ""
    bytes: int | None = None
    about_mb: float | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Product:
    """The data sheet of a product.

    Attributes
    ----------
    domain : what it is truth for, land or marine; "lr" is an input
    spacing : as the provider names it
    registration : what a sample stands for
    horizontal : EPSG code, "projected", or "as the file says"
    vertical_datum : a name of `demsr.dem.vertical.DATUMS`
    positive, unit : of the numbers
    nodata : value for voids; None where files declare it themselves or have none
    range_m : heights that it can have, to tell another unit or sign
    unsure : fields that no document was found for, taken from its kin
    commercial : whether its licence allows such use; for people to look at, no legal advice
    how : `tiles` of a degree by name, `files` to cut from, a Web Coverage Service, GMRT's GridServer, a NetCDF Subset
        Service, or `urls` that the user names
    host, path : where it is asked for; `path` has the words of `demsr.sources.remote.pieces`
    windows : the server gives ranges of bytes, and the files are tiled
    listing : catalogue of its tiles
    coverage : name of what is asked for at a service, `axes` those of its axes
    files : that are cut from; none where the user names them
    member : pattern of the raster in archives that the user names
    tid, tid_path : grid of source types that belongs to an input, as a whole and at the service
    cell_deg : side of one request or one raster
    tile_mb : mean size of a file or request, for plans; an estimate where the provider names none
    login : how to get credentials; empty where none are needed
    """

    name: str
    title: str
    version: str
    domain: Literal["land", "marine", "lr"]
    spacing: str
    registration: Literal["area", "point"]
    horizontal: str = "EPSG:4326"
    vertical_datum: str
    positive: Literal["up", "down"] = "up"
    unit: str = "m"
    nodata: float | None = None
    range_m: tuple[float, float] | None = None
    unsure: tuple[str, ...] = ()
    licence: str
    commercial: Commercial
    citation: str
    doi: str = ""
    page: str
    how: How
    kind: Kind = "tiff"
    host: str = ""
    path: str = ""
    windows: bool = False
    listing: str = ""
    coverage: str = ""
    axes: tuple[str, str] = ("Long", "Lat")
    files: tuple[ProductFile, ...] = ()
    member: str = ""
    tid: ProductFile | None = None
    tid_path: str = ""
    cell_deg: float = 1.0
    tile_mb: float
    login: str = ""
    note: str = ""

    @property
    def takes_urls(self) -> bool:
        """Whether the user names its files."""
        return self.how in ("urls", "files") and not self.files


EARTHDATA_HOST = "urs.earthdata.nasa.gov"
EARTHDATA = (
    f"make an account at {EARTHDATA_HOST} and put its token into EARTHDATA_TOKEN (it lasts 60 days), or login and "
    "password for that host into ~/.netrc"
)
_CMR = "https://cmr.earthdata.nasa.gov/search/granules.json?collection_concept_id=C2763264762-LPCLOUD"
_US = "US federal public domain"


def product_of(name: str, *, where: str = "product") -> Product:
    """Return a product by its name.

    Raises
    ------
    ParamsError : there is none
    """
    if name not in PRODUCTS:
        message = f"{where} is {name!r}; `demsr sources` lists what there is: {', '.join(PRODUCTS)}"
        raise ParamsError(message)
    return PRODUCTS[name]


def _copernicus(metres: int, spacing: str, code: int, tile_mb: float) -> Product:
    tile = f"Copernicus_DSM_COG_{code}_{{ns}}{{lat:02d}}_00_{{ew}}{{lon:03d}}_00_DEM"
    return Product(
        name=f"glo-{metres}",
        title=f"Copernicus DEM GLO-{metres}",
        version="2021",
        domain="land",
        spacing=spacing,
        registration="point",
        vertical_datum="EGM2008",
        nodata=-32767,
        range_m=(-500, 8900),
        licence=f"Copernicus WorldDEM-{metres} licence, with its notice",
        commercial="allowed",
        citation="European Space Agency and Airbus (2022). Copernicus Global Digital Elevation Model. To be said "
        f"with what is made of it: produced using Copernicus WorldDEM-{metres} © DLR e.V. 2010-2014 and © Airbus "
        "Defence and Space GmbH 2014-2018 provided under COPERNICUS by the European Union and ESA; all rights "
        "reserved.",
        doi="10.5270/ESA-c5d3d65",
        page="https://copernicus-dem-30m.s3.amazonaws.com/readme.html",
        how="tiles",
        host=f"https://copernicus-dem-{metres}m.s3.amazonaws.com",
        path=f"/{tile}/{tile}.tif",
        windows=True,
        listing="/tileList.txt",
        tile_mb=tile_mb,
        unsure=("licence",) if metres == 90 else (),
        note="a surface model, with trees and houses; no tiles at sea, wider pixels from 50 degrees on",
    )


def _gebco(year: int, doi: str, *, whole: str, tid: str, tid_grid: str, size: int | None = None) -> Product:
    grid = f"/thredds/ncss/bodc/gebco/global/gebco_{year}"
    group = "GEBCO Bathymetric Compilation Group" if year == 2026 else "GEBCO Compilation Group"
    return Product(
        name=f"gebco-{year}",
        title=f"GEBCO_{year} Grid",
        version=str(year),
        domain="lr",
        spacing="15 arc-seconds",
        registration="area",
        vertical_datum="MSL",
        range_m=(-11_100, 8_900),
        licence="public domain, with attribution; not for navigation",
        commercial="allowed",
        citation=f"{group} ({year}). GEBCO {year} Grid.",
        doi=doi,
        page="https://www.gebco.net",
        how="ncss",
        kind="netcdf",
        host="https://dap.ceda.ac.uk",
        path=f"{grid}/ice_surface_elevation/netcdf/GEBCO_{year}.nc",
        coverage="elevation",
        tid_path=f"{grid}/type_identifier_grid/netcdf/{tid_grid}",
        files=(ProductFile(url=whole, kind="zip", member="gebco_*.nc", bytes=size, about_mb=4_260),),
        tid=ProductFile(url=tid, kind="zip", member="gebco_*tid*.nc", about_mb=92),
        cell_deg=5.0,
        tile_mb=2.9,
        unsure=() if year in (2024, 2026) else ("host",),
    )


def _bodc(year: int, doi: str) -> Product:
    folder = "https://www.bodc.ac.uk/data/open_download/gebco/gebco_"
    whole, tid = f"{folder}{year}/zip/", f"{folder}{year}_tid/zip/"
    size = 4_267_373_073 if year == 2024 else None
    return _gebco(year, doi, whole=whole, tid=tid, tid_grid=f"GEBCO_{year}_TID.nc", size=size)


def _ceda(year: int, doi: str, *, whole: str, size: int | None = None) -> Product:
    folder = f"https://dap.ceda.ac.uk/bodc/gebco/global/gebco_{year}"
    return _gebco(
        year,
        doi,
        whole=f"{folder}/ice_surface_elevation/netcdf/{whole}?download=1",
        size=size,
        tid=f"{folder}/type_identifier_grid/netcdf/gebco_{year}_tid.zip?download=1",
        tid_grid=f"gebco_{year}_tid.nc",
    )


def _nonna(metres: int, spacing: str, cell_deg: float, tile_mb: float) -> Product:
    return Product(
        name=f"nonna-{metres}",
        title=f"CHS NONNA-{metres} bathymetry of Canada",
        version=AS_SERVED,
        domain="marine",
        spacing=spacing,
        registration="area",
        horizontal="as the file says",
        vertical_datum="chart datum",
        nodata=3.4028234663852886e38,
        range_m=(-6_000, 300),
        licence="Open Government Licence - Canada; CHS non-navigational bathymetric data licence",
        commercial="not stated",
        citation="Canadian Hydrographic Service. Non-Navigational (NONNA) Bathymetric Data.",
        page="https://data.chs-shc.ca",
        how="wcs",
        host="https://nonna-geoserver.data.chs-shc.ca",
        path="/geoserver/wcs",
        coverage=f"nonna__NONNA {metres} Coverage",
        cell_deg=cell_deg,
        tile_mb=tile_mb,
        unsure=("registration",),
        note="not for navigation; the served grid may be Web Mercator, resampled",
    )


_BOEM: dict[str, Any] = {
    "version": "2017",
    "domain": "marine",
    "spacing": "40 feet (12.2 m)",
    "registration": "area",
    "horizontal": "projected",
    "vertical_datum": "MSL",
    "range_m": (-3_500, 0),
    "licence": _US,
    "commercial": "allowed",
    "how": "files",
    "kind": "zip",
    "member": "boembathy*.tif",
    "tile_mb": 511.0,
    "citation": "Kramer, K.V. and Shedd, W.W. (2017). A 1.4-Billion-Pixel Map of the Gulf of Mexico Seafloor. Eos.",
    "page": "https://www.boem.gov/oil-gas-energy/mapping-and-data/map-gallery/"
    "northern-goa-deepwater-bathymetry-grid-3d-seismic",
    "unsure": ("vertical_datum", "registration"),
    "note": "no document has the addresses of its two zips: copy them from the page into `urls` of the region",
}
_CRM_BOXES: dict[int, Box] = {
    1: (-80, 40, -64, 48),
    2: (-85, 31, -68, 40),
    3: (-87, 24, -78, 35),
    4: (-94, 24, -87, 36),
    5: (-108, 24, -94, 38),
    6: (-126, 32, -114, 37),
    7: (-128, 37, -117, 44),
    8: (-128, 44, -116, 49),
    9: (-68, 16, -64, 20),
    10: (-162, 18, -152, 24),
}
_CRM = "https://www.ngdc.noaa.gov/thredds/fileServer/crm/crm_vol"
_IBCSO = "https://download.pangaea.de/dataset/937574/files/IBCSO_v2_bed.nc"
_IBCSO_SHA256 = "74d55acb219deb87dc5be019d6dafeceb7b1ebcf9095866f257671d12670a5e2"

PRODUCTS = {
    product.name: product
    for product in (
        Product(
            name="nasadem",
            title="NASADEM Merged DEM Global 1 arc second",
            version="001",
            domain="land",
            spacing="1 arc-second",
            registration="point",
            vertical_datum="EGM96",
            nodata=-32768,
            range_m=(-500, 8900),
            licence="open without restriction, to be cited",
            commercial="allowed",
            citation="NASADEM Merged DEM Global 1 arc second V001. NASA Land Processes Distributed Active Archive "
            "Center.",
            doi="10.5067/MEASURES/NASADEM/NASADEM_HGT.001",
            page="https://lpdaac.usgs.gov/products/nasadem_hgtv001/",
            how="tiles",
            kind="zip",
            host="https://data.lpdaac.earthdatacloud.nasa.gov",
            path="/lp-prod-protected/NASADEM_HGT.001/NASADEM_HGT_{name}/NASADEM_HGT_{name}.zip",
            listing=_CMR,
            tile_mb=7.13,
            login=EARTHDATA,
            note="its water body mask makes the sea, lakes and rivers void",
        ),
        _copernicus(30, "1 arc-second", 10, 35.0),
        _copernicus(90, "3 arc-seconds", 30, 4.0),
        _bodc(2021, "10.5285/c6612cbe-50b3-0cff-e053-6c86abc09f8f"),
        _bodc(2022, "10.5285/e0f0bb80-ab44-2739-e053-6c86abc0289c"),
        _bodc(2023, "10.5285/f98b053b-0cbc-6c23-e053-6c86abc0af7b"),
        _bodc(2024, "10.5285/1c44ce99-0a0d-5f4f-e063-7086abc0ea0f"),
        _ceda(2025, "10.5285/37c52e96-24ea-67ce-e063-7086abc05f29", whole="gebco_2025.zip"),
        _ceda(2026, "10.5285/4f68d5c7-45eb-f999-e063-7086abc036fa", whole="GEBCO_2026.zip", size=4_252_016_343),
        _nonna(10, "0.0001 degrees", 0.5, 25.0),
        _nonna(100, "0.001 degrees", 1.0, 4.0),
        Product(name="boem", title="BOEM northern Gulf of Mexico deepwater bathymetry, in metres", unit="m", **_BOEM),
        Product(
            name="boem-feet", title="BOEM northern Gulf of Mexico deepwater bathymetry, in feet", unit="ft", **_BOEM
        ),
        Product(
            name="ibcso",
            title="International Bathymetric Chart of the Southern Ocean, bed",
            version="2",
            domain="marine",
            spacing="500 m",
            registration="area",
            horizontal="EPSG:9354",
            vertical_datum="MSL",
            nodata=-32768,
            range_m=(-8_500, 5_000),
            licence="CC BY 4.0",
            commercial="allowed",
            citation="Dorschel, B. et al. (2022). The International Bathymetric Chart of the Southern Ocean Version 2. "
            "Scientific Data 9, 275.",
            doi="10.1594/PANGAEA.937574",
            page="https://doi.org/10.1594/PANGAEA.937574",
            how="files",
            kind="netcdf",
            files=(ProductFile(url=_IBCSO, kind="netcdf", box=(-180, -90, 180, -50), sha256=_IBCSO_SHA256),),
            cell_deg=5.0,
            tile_mb=700.0,
            unsure=("vertical_datum", "registration"),
            note="coarser than 3 arc-seconds: for pairs that are scale-free",
        ),
        Product(
            name="crm",
            title="NOAA NCEI Coastal Relief Model, 3 arc-second volumes",
            version="1 to 10",
            domain="marine",
            spacing="3 arc-seconds",
            registration="point",
            horizontal="as the file says",
            vertical_datum="MSL",
            range_m=(-8_500, 4_500),
            licence=_US,
            commercial="allowed",
            citation="NOAA National Centers for Environmental Information. U.S. Coastal Relief Model.",
            page="https://www.ncei.noaa.gov/products/coastal-relief-model",
            how="files",
            kind="netcdf",
            files=tuple(
                ProductFile(
                    url=f"{_CRM}{volume}.nc",
                    kind="netcdf",
                    box=box,
                    tag=f"vol{volume}",
                    bytes=570_529_124 if volume == 3 else None,
                )
                for volume, box in _CRM_BOXES.items()
            ),
            tile_mb=570.0,
            note="land and sea of mixed tidal datums; not for navigation",
        ),
        Product(
            name="gmrt",
            title="Global Multi-Resolution Topography, measured depths",
            version=AS_SERVED,
            domain="marine",
            spacing="100 m or so",
            registration="area",
            vertical_datum="MSL",
            range_m=(-11_100, 300),
            licence="CC BY 4.0",
            commercial="allowed",
            citation="Ryan, W.B.F. et al. (2009). Global Multi-Resolution Topography synthesis. Geochemistry, "
            "Geophysics, Geosystems 10, Q03014.",
            doi="10.1029/2008GC002332",
            page="https://www.gmrt.org",
            how="gmrt",
            host="https://www.gmrt.org",
            path="/services/GridServer",
            tile_mb=15.0,
            unsure=("vertical_datum", "registration", "nodata"),
            note="the layer topo-mask: void where nobody has measured",
        ),
        Product(
            name="emodnet",
            title="EMODnet Digital Bathymetry (DTM)",
            version=AS_SERVED,
            domain="marine",
            spacing="1/16 arc-minute",
            registration="area",
            vertical_datum="LAT",
            range_m=(-6_500, 5_000),
            licence="CC BY 4.0",
            commercial="allowed",
            citation="EMODnet Bathymetry Consortium (2024). EMODnet Digital Bathymetry (DTM 2024).",
            doi="10.12770/cf51df64-56f9-4a99-b1aa-36b8d7b743a1",
            page="https://emodnet.ec.europa.eu/en/bathymetry",
            how="wcs",
            host="https://ows.emodnet-bathymetry.eu",
            path="/wcs",
            coverage="emodnet__mean",
            tile_mb=3.7,
            unsure=("nodata",),
            note="coarser than 3 arc-seconds (3.75): for pairs that are scale-free",
        ),
        Product(
            name="bag",
            title="NOAA hydrographic surveys as Bathymetric Attributed Grids",
            version="by survey",
            domain="marine",
            spacing="0.5 to 32 m",
            registration="point",
            horizontal="projected",
            vertical_datum="MLLW",
            range_m=(-8_000, 300),
            licence=_US,
            commercial="allowed",
            citation="NOAA National Centers for Environmental Information. NOS Hydrographic Survey Data.",
            page="https://www.ncei.noaa.gov/maps/bathymetry/",
            how="urls",
            kind="bag",
            tile_mb=50.0,
        ),
        Product(
            name="bluetopo",
            title="NOAA BlueTopo",
            version="by tile",
            domain="marine",
            spacing="2 to 16 m",
            registration="area",
            horizontal="projected",
            vertical_datum="NAVD88",
            range_m=(-8_000, 4_500),
            licence=_US,
            commercial="allowed",
            citation="NOAA Office of Coast Survey. BlueTopo.",
            page="https://nauticalcharts.noaa.gov/data/bluetopo.html",
            how="urls",
            tile_mb=50.0,
            unsure=("registration", "nodata"),
            note="holds interpolated cells, which its attribute table tells apart",
        ),
        Product(
            name="cudem",
            title="NOAA NCEI CUDEM, 1/9 and 1/3 arc-second",
            version="by tile",
            domain="marine",
            spacing="1/9 or 1/3 arc-second",
            registration="area",
            horizontal="EPSG:4269",
            vertical_datum="NAVD88",
            range_m=(-8_000, 4_500),
            licence=_US,
            commercial="allowed",
            citation="CIRES at the University of Colorado, Boulder (2014). Continuously Updated Digital Elevation "
            "Model (CUDEM), 1/9 arc-second. NOAA NCEI.",
            doi="10.25921/ds9v-ky35",
            page="https://coast.noaa.gov/htdata/raster2/elevation/",
            how="urls",
            tile_mb=200.0,
            unsure=("registration", "nodata"),
        ),
        Product(
            name="ausseabed",
            title="AusSeabed surveys",
            version="by survey",
            domain="marine",
            spacing="by survey",
            registration="area",
            horizontal="as the file says",
            vertical_datum="MSL",
            range_m=(-8_000, 300),
            licence="CC BY 4.0 for published surveys",
            commercial="allowed",
            citation="Geoscience Australia. AusSeabed Marine Data Portal.",
            page="https://www.ausseabed.gov.au",
            how="urls",
            kind="zip",
            member="*_cog.tif",
            tile_mb=200.0,
            unsure=("vertical_datum", "registration"),
        ),
        Product(
            name="tandem-x-90",
            title="TanDEM-X 90 m DEM",
            version="1",
            domain="land",
            spacing="3 arc-seconds",
            registration="point",
            vertical_datum="WGS84 ellipsoid",
            nodata=-32767,
            range_m=(-600, 8_900),
            licence="DLR, scientific use only",
            commercial="forbidden",
            citation="German Aerospace Center (DLR). TanDEM-X 90 m DEM.",
            page="https://download.geoservice.dlr.de/TDM90/",
            how="urls",
            kind="zip",
            member="*_DEM.tif",
            tile_mb=13.0,
            unsure=("registration", "member"),
            login="DLR's is not supported: fetch the files by hand, and name them on a server of your own",
            note="truth of the paper's test on land",
        ),
        Product(
            name="srtm-cgiar",
            title="CGIAR-CSI SRTM",
            version="4.1",
            domain="land",
            spacing="3 arc-seconds",
            registration="area",
            vertical_datum="EGM96",
            nodata=-32768,
            range_m=(-500, 8_900),
            licence="CIAT, no commercial use without permission",
            commercial="forbidden",
            citation="Jarvis, A., Reuter, H.I., Nelson, A. and Guevara, E. (2008). Hole-filled seamless SRTM data V4. "
            "CIAT.",
            page="https://srtm.csi.cgiar.org",
            how="urls",
            kind="zip",
            tile_mb=20.0,
        ),
    )
}
