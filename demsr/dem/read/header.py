"""What a raster file says about itself, what its user says, and what had to be assumed: never in silence.

Only the description of a file is read here; its pixels are read by `demsr.dem.read.raster`.
"""

import contextlib
import math
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

import pyproj
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from demsr.dem.dem import DATUM_TAG, SOURCE_TAG
from demsr.dem.grid import Grid
from demsr.dem.read.integrity import check_whole
from demsr.dem.read.netcdf import check_order
from demsr.dem.vertical import DATUMS, VerticalPart, datum_in_tags, datum_of_product, named_datum, vertical_of_crs
from demsr.errors import DatumError, DemsrError, GridError, RasterError
from demsr.options import Positive, Registration

RASTER_SUFFIXES = (".tif", ".tiff", ".hgt", ".nc", ".bag", ".asc", ".grd", ".img", ".bil", ".vrt")
METRES_PER_UNIT = {
    "m": 1.0,
    "metre": 1.0,
    "metres": 1.0,
    "meter": 1.0,
    "meters": 1.0,
    "cm": 0.01,
    "dm": 0.1,
    "km": 1000.0,
    "ft": 0.3048,
    "foot": 0.3048,
    "feet": 0.3048,
    "us-ft": 1200 / 3937,
    "us survey foot": 1200 / 3937,
    "us_survey_foot": 1200 / 3937,
    "fathom": 1.8288,
    "fathoms": 1.8288,
}

_ELEVATION_NAMES = (  # in the order of preference
    "elevation",
    "z",
    "band1",
    "height",
    "altitude",
    "topo",
    "topography",
    "bathymetry",
    "dem",
    "depth",
)
DECLARED = "declared: "  # how a note begins that is no assumption
_COARSEST_DEG = 0.25  # a raster without CRS and with finer cells inside +-180, +-90 lies in degrees
_LATTICE = 1e-3  # of a cell: how far a corner may lie from a multiple of the spacing


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a user says about a file that the file does not say, or says wrongly; None leaves it to the file.

    Attributes
    ----------
    crs : any text that PROJ understands
    vertical_datum : a name of `demsr.dem.vertical.DATUMS`
    unit : of the heights, a name of `METRES_PER_UNIT`
    positive : "down" where the numbers are depths
    nodata : the value that stands for voids
    registration : what a sample stands for
    layer : variable, or number of the band counted from 1, that holds the elevation
    """

    crs: str | None = None
    vertical_datum: str | None = None
    unit: str | None = None
    positive: Positive | None = None
    nodata: float | None = None
    registration: Registration | None = None
    layer: str | None = None

    def __post_init__(self) -> None:
        """Refuse names that nobody knows."""
        if self.vertical_datum is not None:
            named_datum(self.vertical_datum, where="declared")
        for key, allowed in (
            ("unit", tuple(METRES_PER_UNIT)),
            ("positive", get_args(Positive)),
            ("registration", get_args(Registration)),
        ):
            if (value := getattr(self, key)) is not None and value not in allowed:
                message = f"declared {key} is {value!r}; it must be one of {', '.join(allowed)}"
                raise GridError(message)


@dataclass(frozen=True, kw_only=True)
class Header:
    """How the pixels of a file are to be read.

    Attributes
    ----------
    path : as the user named it
    gdal_name, band : what GDAL opens
    driver, layer, dtype : format, variable or band, type of the stored numbers, for people
    grid : north-up, longitudes from -180 on
    vertical_datum : None where neither the file nor its format says it
    metres_per_unit : factor to metres
    positive : None where only the values can tell, because the CRS counts depths downwards
    nodata : value that stands for voids, None where none is declared
    south_up : rows are stored from the south
    first_col : stored column that comes first in `grid`; not 0 for globes that start at Greenwich
    source : for people
    assumptions : what the file does not say and was taken for granted, one sentence each
    """

    path: Path
    gdal_name: str
    band: int
    driver: str
    layer: str
    dtype: str
    grid: Grid
    vertical_datum: str | None
    metres_per_unit: float
    positive: Positive | None
    nodata: float | None
    south_up: bool
    first_col: int
    source: str
    assumptions: tuple[str, ...]


def raster_name(path: Path) -> str:
    """Return the name of a file without what tells its format: N43E007 for N43E007.hgt.zip."""
    bare = path.with_suffix("") if path.suffix.lower() == ".zip" else path
    return bare.stem if bare.suffix.lower() in RASTER_SUFFIXES else bare.name


def read_header(path: Path, declared: Declared | None = None) -> Header:
    """Read what a file says about itself.

    Raises
    ------
    RasterError : not a raster, or an archive without exactly one
    GridError : no position, a rotated grid, an unknown unit, or several layers of which none is known to be elevation
    DatumError : the file names a vertical datum that is unknown
    """
    declared = declared or Declared()
    if path.is_dir():
        message = f"{path}: is a folder; name files in it"
        raise RasterError(message)
    with gdal_errors(path), rasterio.Env(GDAL_PAM_ENABLED="NO"):
        said = [f"{key} {value}" for key, value in asdict(declared).items() if value is not None]
        notes = [DECLARED + ", ".join(said)] if said else []
        name, band = _layer(_gdal_name(path), declared.layer, notes, str(path))
        with rasterio.open(name) as dataset:
            tags = {**dataset.tags(), **dataset.tags(band)}
            crs = _crs(dataset, declared.crs, tags, notes, str(path))
            grid, south_up, first_col = _grid(dataset, crs, declared.registration, tags, notes, str(path))
            vertical = vertical_of_crs(crs.to_wkt())
            unit, factor = _unit(dataset.units[band - 1], vertical.metres_per_unit, declared.unit, notes, str(path))
            layer = tags.get("NETCDF_VARNAME") or dataset.descriptions[band - 1] or f"band {band}"
            if dataset.driver == "netCDF":
                check_order(path, layer)
            return Header(
                path=path,
                gdal_name=name,
                band=band,
                driver=dataset.driver,
                layer=layer,
                dtype=f"{dataset.dtypes[band - 1]} in {unit}",
                grid=grid,
                vertical_datum=_datum(tags, vertical, declared.vertical_datum, dataset.driver, notes, str(path)),
                metres_per_unit=factor,
                positive=_positive(dataset.driver, layer, tags, declared.positive, vertical.positive, notes),
                nodata=declared.nodata if declared.nodata is not None else dataset.nodatavals[band - 1],
                south_up=south_up,
                first_col=first_col,
                source=tags.get(SOURCE_TAG, raster_name(path)),
                assumptions=tuple(notes),
            )


def sidecar_files(path: Path) -> list[Path]:
    """Return the files beside a raster that GDAL reads with it, such as .hdr, .prj, or what a .vrt refers to."""
    try:
        with gdal_errors(path), rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(_gdal_name(path)) as dataset:
            names = dataset.files
    except DemsrError:
        return []  # reading it will say what is wrong
    files = (Path(name) for name in names)
    return sorted(file for file in files if file.is_file() and file.resolve() != path.resolve())


@contextlib.contextmanager
def gdal_errors(path: Path) -> Iterator[None]:
    """Turn what rasterio, GDAL and PROJ raise over a broken file into one error that names it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # an error of ours says what to do
            yield
    except DemsrError:
        raise
    except (
        RasterioError,
        CPLE_BaseError,
        pyproj.exceptions.ProjError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        TypeError,
        SystemError,
        MemoryError,
        RuntimeError,
        KeyError,
    ) as error:
        reason = error.__cause__ or error  # rasterio refers to it
        message = f"{path}: cannot be read as a raster ({reason}); give a whole GeoTIFF or another format of GDAL"
        raise RasterError(message) from error


def _gdal_name(path: Path) -> str:
    """Return the path for GDAL: of the one raster in an archive, or of the file itself."""
    if path.suffix.lower() != ".zip":
        check_whole(path)
        return str(path)
    with zipfile.ZipFile(path) as archive:
        inside = [name for name in archive.namelist() if name.lower().endswith(RASTER_SUFFIXES)]
    if len(inside) != 1:
        message = f"{path}: holds {len(inside)} rasters ({', '.join(inside[:5])}); unpack it and name one"
        raise RasterError(message)
    if inside[0].lower().endswith((".nc", ".bag")):
        message = f"{path}: holds {inside[0]}, which cannot be read inside an archive; unpack it"
        raise RasterError(message)
    with zipfile.ZipFile(path) as archive, archive.open(inside[0]) as packed:
        while packed.read(2**20):  # to its CRC, which GDAL does not check
            pass
    return f"/vsizip/{{{path.resolve()}}}/{inside[0]}"


def _layer(gdal_name: str, wanted: str | None, notes: list[str], where: str) -> tuple[str, int]:
    """Return what to open, and the band in it, that holds the elevation."""
    with rasterio.open(gdal_name) as dataset:
        if dataset.count == 0:
            layers = {name.rsplit(":", 1)[-1].strip("/"): (name, 1) for name in dataset.subdatasets}
        elif dataset.count == 1 and wanted is None:
            return gdal_name, 1
        else:
            texts = zip(dataset.indexes, dataset.descriptions, strict=True)
            layers = {text or str(band): (gdal_name, band) for band, text in texts}
    known = {name.lower(): name for name in layers}
    chosen = wanted or next((known[name] for name in _ELEVATION_NAMES if name in known), None)
    found = ", ".join([*layers][:12]) or "none"
    if chosen not in layers:
        message = f"{where}: has the layers {found}; name the one of elevation with `layer`"
        raise GridError(message)
    if wanted is None and len(layers) > 1:
        notes.append(f"layer: the file has {found}; {chosen} taken")
    return layers[chosen]


def _crs(
    dataset: rasterio.DatasetReader, declared: str | None, tags: Mapping[str, str], notes: list[str], where: str
) -> pyproj.CRS:
    if dataset.transform.is_identity:
        message = f"{where}: the file does not say where it lies; set its corners, for example `gdal_edit.py -a_ullr`"
        raise GridError(message)
    if declared is not None:
        try:
            return pyproj.CRS.from_user_input(declared)
        except pyproj.exceptions.CRSError as error:
            message = f"{where}: the CRS {declared[:60]!r} is not known to PROJ; give an EPSG code or WKT"
            raise GridError(message) from error
    if dataset.crs is not None:
        return pyproj.CRS.from_wkt(dataset.crs.to_wkt())
    west, south, east, north = dataset.bounds
    in_degrees = "degrees_north" in tags.values() or max(map(abs, dataset.res)) <= _COARSEST_DEG
    if not (in_degrees and -360 <= west <= east <= 540 and -91 < south <= north < 91):
        message = f"{where}: the file has no CRS; declare it, with --crs or in harmonise.files of params.yaml"
        raise GridError(message)
    notes.append("CRS: the file names none and its coordinates are degrees; WGS 84 (EPSG:4326) taken")
    return pyproj.CRS.from_epsg(4326)


def _grid(
    dataset: rasterio.DatasetReader,
    crs: pyproj.CRS,
    declared: Registration | None,
    tags: Mapping[str, str],
    notes: list[str],
    where: str,
) -> tuple[Grid, bool, int]:
    """Return the north-up grid, whether rows are stored from the south, and the stored column that comes first."""
    transform = dataset.transform
    if transform.b or transform.d or transform.a <= 0:
        message = f"{where}: the grid is rotated or mirrored; warp it north-up first, for example with gdalwarp"
        raise GridError(message)
    _check_coordinates(dataset, crs, where)
    south_up = transform.e > 0
    try:
        grid = Grid(
            rows=dataset.height,
            cols=dataset.width,
            west=transform.c,
            north=transform.f + dataset.height * transform.e if south_up else transform.f,
            pixel_width=transform.a,
            pixel_height=abs(transform.e),
            crs=_horizontal(crs),
        )
    except GridError as error:
        message = f"{where}: {error}"
        raise GridError(message) from error
    registration = declared or _registration(grid, tags, notes)
    if grid.is_geographic and abs((grid.cols - 1) * grid.pixel_width - 360) < grid.pixel_width / 2:
        grid = replace(grid, cols=grid.cols - 1)
        notes.append("columns: the last is the first again, around the globe; left out")
    west, first_col = _from_antimeridian(grid) if grid.is_geographic else (grid.west, 0)
    return replace(grid, registration=registration, west=west), south_up, first_col


def _check_coordinates(dataset: rasterio.DatasetReader, crs: pyproj.CRS, where: str) -> None:
    """Refuse degrees in a projected CRS, and metres in a geographic one."""
    west, south, east, north = dataset.bounds
    in_range = -541 < west <= east < 541 and -91 < min(south, north) <= max(south, north) < 91
    if crs.is_geographic and not in_range:
        message = f"{where}: coordinates such as {west:g}, {south:g} are no degrees; declare the CRS that they are in"
        raise GridError(message)
    if crs.is_projected and in_range and max(dataset.res) < _COARSEST_DEG:
        message = (
            f"{where}: coordinates such as {west:g}, {south:g} are degrees, {crs.name} is not; declare another CRS"
        )
        raise GridError(message)


def _registration(grid: Grid, tags: Mapping[str, str], notes: list[str]) -> Registration:
    """Believe what the file says, unless its corner tells that samples are nodes at multiples of the spacing."""
    node_offset = tags.get("NC_GLOBAL#node_offset")
    if tags.get("AREA_OR_POINT") == "Point" or node_offset == "0":
        return "point"
    if node_offset == "1" or DATUM_TAG in tags or not grid.is_geographic:  # the tag: a file of our own says what it is
        return "area"
    halves = [((grid.west - 180) / grid.pixel_width) % 1, ((90 - grid.north) / grid.pixel_height) % 1]
    if all(abs(half - 0.5) < _LATTICE for half in halves):
        notes.append(
            "registration: the file says area, but its pixel centres are multiples of its spacing; point taken"
        )
        return "point"
    return "area"


def _from_antimeridian(grid: Grid) -> tuple[float, int]:
    """Return the west between -180 and 180, and the column to start with if the raster goes around the globe."""
    turns = math.floor((grid.west + 180) / 360 + _LATTICE * grid.pixel_width)
    west = grid.west - 360 * turns
    if not grid.is_periodic or abs(west + 180) < grid.pixel_width:
        return west, 0
    first_col = round((180 - west) / grid.pixel_width)
    return west + first_col * grid.pixel_width - 360, first_col


def _unit(
    stored: str | None, of_crs: float | None, declared: str | None, notes: list[str], where: str
) -> tuple[str, float]:
    """Return the unit of the heights and its length in metres."""
    if declared is not None:
        return declared, METRES_PER_UNIT[declared]
    if not stored:
        if of_crs is None:
            notes.append("unit: the file names none; metres taken")
        factor = of_crs or 1.0
        return next((name for name, length in METRES_PER_UNIT.items() if math.isclose(length, factor)), "m"), factor
    if stored.lower() not in METRES_PER_UNIT:
        message = f"{where}: heights are in {stored!r}; declare a unit that is known: {', '.join(METRES_PER_UNIT)}"
        raise GridError(message)
    return stored.lower(), METRES_PER_UNIT[stored.lower()]


def _datum(
    tags: Mapping[str, str], vertical: VerticalPart, declared: str | None, driver: str, notes: list[str], where: str
) -> str | None:
    stated = tags.get(DATUM_TAG) or vertical.datum or datum_in_tags(tags)
    if declared is not None:
        if (said := stated or vertical.foreign) not in (None, declared):
            notes.append(f"vertical datum: the file says {said}; {declared} was declared and is taken")
        return declared
    if stated is None and vertical.foreign is not None:
        message = (
            f"{where}: vertical CRS is {vertical.foreign!r}; known datums are {', '.join(DATUMS)}; "
            "if it is one of them, declare it as the vertical datum of this file"
        )
        raise DatumError(message)
    if stated is None:
        name = "srtm.hgt" if driver == "SRTMHGT" else Path(where).name
        stated = datum_of_product(name)
        if stated is not None:
            notes.append(f"vertical datum: the file names none; {stated} taken, that of its product")
        return stated
    return named_datum(stated, where=where).name


def _positive(
    driver: str,
    layer: str,
    tags: Mapping[str, str],
    declared: Positive | None,
    of_crs: Positive | None,
    notes: list[str],
) -> Positive | None:
    """Return which way the numbers grow, None where only the values can tell.

    A BAG holds elevations whatever its CRS says (ONS Format Specification Document 1.6, 2.1), a .hgt file as well.
    """
    if declared is not None:
        return declared
    if driver in ("BAG", "SRTMHGT") or DATUM_TAG in tags:
        return "up"
    name = tags.get("standard_name", "")
    if tags.get("positive") == "down" or re.search(r"\bdepth\b|_depth\b|\bdepth_", name):
        return "down"
    if of_crs == "down" or "depth" in layer.lower():
        return None
    if of_crs is None and not re.search(r"height|altitude|elevation", f"{name} {layer}".lower()):
        notes.append("sign: the file does not say; heights, positive up, taken")
    return "up"


def _horizontal(crs: pyproj.CRS) -> str:
    """Return the horizontal part as an EPSG code where there is one, else as WKT."""
    flat = next((part for part in crs.sub_crs_list if not part.is_vertical), crs).to_2d()
    flat = flat.source_crs if flat.is_bound and flat.source_crs else flat
    epsg = flat.to_epsg(min_confidence=70) or flat.to_epsg(min_confidence=25)
    same = epsg is not None and flat.equals(pyproj.CRS.from_epsg(epsg), ignore_axis_order=True)
    certain = same or flat.to_epsg(min_confidence=70) is not None
    return f"EPSG:{epsg}" if certain else str(flat.to_wkt())
