"""A raster with its grid, its datum and its voids; reading and writing it. The only importer of rasterio."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.transform import Affine

from demsr.dem.grid import Grid, Registration
from demsr.dem.vertical import compound_crs, datum_of_crs, named_datum
from demsr.errors import DatumError, GridError, RasterError, VoidError
from demsr.files import whole_file

SYNTHETIC = "synthetic"  # how the source of terrain begins that was made, not measured
_DATUM_TAG, _SOURCE_TAG = "VERTICAL_DATUM", "SOURCE"
_USUAL_SENTINEL = -9999.0  # for voids in DEMs; a depth only in a few trenches
_LOWEST_M, _HIGHEST_M = -12_000.0, 9_500.0  # Challenger Deep and Everest with room for errors of measurement


@dataclass(frozen=True, kw_only=True)
class Dem:
    """Elevation on a grid.

    Attributes
    ----------
    elevation_m : (rows, cols) float32, metres, positive up, NaN where void; read-only
    grid : where the pixels lie
    vertical_datum : reference surface, a name of `demsr.dem.vertical.DATUMS`
    source : where the elevation came from, for people
    """

    elevation_m: NDArray[np.float32]
    grid: Grid
    vertical_datum: str
    source: str

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit the grid or cannot be elevations."""
        if self.elevation_m.shape != (self.grid.rows, self.grid.cols):
            message = (
                f"{self.source}: elevation has shape {self.elevation_m.shape}, "
                f"its grid has {self.grid.rows} x {self.grid.cols} cells"
            )
            raise GridError(message)
        if self.elevation_m.dtype != np.float32:
            message = f"{self.source}: elevation is {self.elevation_m.dtype}, it must be float32; convert it"
            raise GridError(message)
        named_datum(self.vertical_datum, where=self.source)
        _check_range(self.elevation_m, self.source)
        self.elevation_m.setflags(write=False)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Where a pixel was measured."""
        return np.isfinite(self.elevation_m)

    def window(self, row: int, col: int, rows: int, cols: int) -> "Dem":
        """Return the part that starts at (row, col)."""
        part = self.elevation_m[row : row + rows, col : col + cols]
        return replace(self, elevation_m=part, grid=self.grid.window(row, col, rows, cols))

    def without(self, pixels: NDArray[np.bool_]) -> "Dem":
        """Return the same raster with more pixels void."""
        return replace(self, elevation_m=np.where(pixels, np.float32(np.nan), self.elevation_m))


def read_dem(path: Path, *, vertical_datum: str | None = None) -> Dem:
    """Read the first band of any raster that GDAL knows, north-up, in float32 metres.

    Parameters
    ----------
    vertical_datum : what to take where the file does not say; a file that does say is believed

    Raises
    ------
    RasterError : not a raster
    GridError : no CRS, no geotransform, a rotated grid, or several bands
    DatumError : the file names no datum and none was given, or one that is unknown
    VoidError : infinite values or values outside the Earth's range
    """
    try:
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(path) as dataset:
            grid = _grid_of(dataset, str(path))
            band = dataset.read(1, masked=True) * dataset.scales[0] + dataset.offsets[0]
            declared = dataset.nodata is not None
            tags, crs_wkt, south_up = dataset.tags(), dataset.crs.to_wkt(), dataset.transform.e > 0
    except RasterioIOError as error:
        message = f"{path}: cannot be read as a raster ({error}); give a GeoTIFF or another format of GDAL"
        raise RasterError(message) from error
    elevation = band.astype(np.float32).filled(np.nan)
    if not declared and (elevation == _USUAL_SENTINEL).any():
        count = int((elevation == _USUAL_SENTINEL).sum())
        message = (
            f"{path}: {count} pixels are {_USUAL_SENTINEL:.0f} and the file declares no value for voids; "
            f"if these are voids, say so: `gdal_edit.py -a_nodata {_USUAL_SENTINEL:.0f} {path}`"
        )
        raise VoidError(message)
    datum = tags.get(_DATUM_TAG) or datum_of_crs(crs_wkt, where=str(path)) or vertical_datum
    if datum is None:
        message = f"{path}: the file names no vertical datum; name it in params.yaml or with --vertical-datum"
        raise DatumError(message)
    elevation = np.flipud(elevation) if south_up else elevation
    source = tags.get(_SOURCE_TAG, path.stem)
    return Dem(elevation_m=np.ascontiguousarray(elevation), grid=grid, vertical_datum=datum, source=source)


def write_dem(path: Path, dem: Dem, *, tags: dict[str, str] | None = None) -> None:
    """Write a cloud-optimised GeoTIFF, float32 with NaN for voids, whole or not at all.

    The CRS is compound where EPSG has the vertical datum; datum and source stand in tags as well.
    """
    grid = dem.grid
    transform = Affine(grid.pixel_width, 0, grid.west, 0, -grid.pixel_height, grid.north)
    profile = {
        "driver": "COG", "dtype": "float32", "count": 1, "height": grid.rows, "width": grid.cols,
        "crs": CRS.from_user_input(compound_crs(grid.crs, named_datum(dem.vertical_datum, where=str(path)))),
        "transform": transform, "nodata": np.nan, "compress": "DEFLATE", "predictor": "YES", "blocksize": 512,
    }  # fmt: skip
    named = {_DATUM_TAG: dem.vertical_datum, _SOURCE_TAG: dem.source, "AREA_OR_POINT": grid.registration.title()}
    try:
        with whole_file(path) as temporary, rasterio.Env(GDAL_PAM_ENABLED="NO"):
            with rasterio.open(temporary, "w", **profile) as dataset:
                dataset.write(dem.elevation_m, 1)
                dataset.update_tags(**named, **(tags or {}))
                dataset.set_band_unit(1, "metre")
            _check_written(temporary, dem)
    except (RasterioError, CPLE_BaseError, SystemError) as error:  # rasterio lets errors of GDAL's drivers through
        message = f"{path}: cannot be written ({error}); free space on the disk or choose another folder"
        raise RasterError(message) from error


def _grid_of(dataset: rasterio.DatasetReader, where: str) -> Grid:
    if dataset.crs is None:
        message = f"{where}: the file has no CRS; say what it is, for example `gdal_edit.py -a_srs EPSG:4326 {where}`"
        raise GridError(message)
    if dataset.count > 1:
        message = f"{where}: the file has {dataset.count} bands; give one band of elevation"
        raise GridError(message)
    transform = dataset.transform
    if transform.is_identity:
        message = f"{where}: the file does not say where it lies; set its corners, for example `gdal_edit.py -a_ullr`"
        raise GridError(message)
    if transform.b or transform.d or transform.a <= 0:
        message = f"{where}: the grid is rotated or mirrored; warp it north-up first, for example with gdalwarp"
        raise GridError(message)
    north = transform.f if transform.e < 0 else transform.f + dataset.height * transform.e
    registration: Registration = "point" if dataset.tags().get("AREA_OR_POINT") == "Point" else "area"
    return Grid(
        rows=dataset.height, cols=dataset.width, west=transform.c, north=north,
        pixel_width=transform.a, pixel_height=abs(transform.e),
        crs=_horizontal_crs(dataset.crs), registration=registration,
    )  # fmt: skip


def _horizontal_crs(crs: CRS) -> str:
    """Return the horizontal part as an EPSG code where there is one, else as WKT."""
    whole = pyproj.CRS.from_wkt(crs.to_wkt())
    flat = next((part for part in whole.sub_crs_list if not part.is_vertical), whole).to_2d()
    epsg = flat.to_epsg(min_confidence=70)
    return f"EPSG:{epsg}" if epsg else str(flat.to_wkt())


def _check_range(elevation: NDArray[np.float32], source: str) -> None:
    wrong = np.isinf(elevation) | (elevation < _LOWEST_M) | (elevation > _HIGHEST_M)
    if wrong.any():
        row, col = np.argwhere(wrong)[0]
        message = (
            f"{source}: {int(wrong.sum())} pixels lie outside {_LOWEST_M:.0f} to {_HIGHEST_M:.0f} m, "
            f"the first is {elevation[row, col]:g} at row {row}, column {col}; "
            "declare the value for voids in the file, for example `gdal_edit.py -a_nodata VALUE FILE`"
        )
        raise VoidError(message)


def _check_written(path: Path, dem: Dem) -> None:
    """Read the file back: GDAL reports a full disk late or never."""
    with rasterio.open(path) as dataset:
        if not np.array_equal(dataset.read(1), dem.elevation_m, equal_nan=True):
            message = f"[Errno 28] No space left on device or write error: {os.fspath(path)}"
            raise RasterioIOError(message)
