"""A raster with its grid, its datum and its voids, and writing it; reading is done in `demsr.dem.read.raster`."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import windows
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.transform import Affine

from demsr.dem.grid import Grid
from demsr.dem.vertical import compound_crs, named_datum
from demsr.dem.windows import Window
from demsr.errors import GridError, RasterError, VoidError
from demsr.runtime.files import atomic_write

SYNTHETIC = "synthetic"  # how the source of terrain begins that was made, not measured
DATUM_TAG, SOURCE_TAG = "VERTICAL_DATUM", "SOURCE"
LOWEST_M, HIGHEST_M = -12_000.0, 9_500.0  # Challenger Deep and Everest with room for errors of measurement


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
        check_range(self.elevation_m, self.source)
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


def write_dem(path: Path, dem: Dem, *, tags: dict[str, str] | None = None) -> None:
    """Write a cloud-optimised GeoTIFF, float32 with NaN for voids, whole or not at all.

    The CRS is compound where EPSG has the vertical datum; datum and source stand in tags as well.
    """
    grid = dem.grid
    transform = Affine(grid.pixel_width, 0, grid.west, 0, -grid.pixel_height, grid.north)
    profile = {
        "driver": "COG",
        "dtype": "float32",
        "count": 1,
        "height": grid.rows,
        "width": grid.cols,
        "crs": CRS.from_user_input(compound_crs(grid.crs, named_datum(dem.vertical_datum, where=str(path)))),
        "transform": transform,
        "nodata": np.nan,
        "compress": "DEFLATE",
        "predictor": "YES",
        "blocksize": 512,
    }
    named = {DATUM_TAG: dem.vertical_datum, SOURCE_TAG: dem.source, "AREA_OR_POINT": grid.registration.title()}
    try:
        with atomic_write(path) as temporary, rasterio.Env(GDAL_PAM_ENABLED="NO"):
            with rasterio.open(temporary, "w", **profile) as dataset:
                dataset.write(dem.elevation_m, 1)
                dataset.update_tags(**named, **(tags or {}))
                dataset.set_band_unit(1, "metre")
            _check_written(temporary, dem)
    except (RasterioError, CPLE_BaseError, SystemError) as error:  # rasterio lets errors of GDAL's drivers through
        message = f"{path}: cannot be written ({error}); free space on the disk or choose another folder"
        raise RasterError(message) from error


def read_window(path: Path, window: Window) -> NDArray[np.float32]:
    """Read a part of a raster that was written here: metres, NaN where void."""
    with rasterio.open(f"netcdf:{path}:elevation" if path.suffix == ".nc" else path) as dataset:
        place = windows.Window(window.col, window.row, window.cols, window.rows)
        elevation: NDArray[np.float32] = dataset.read(1, window=place)
        return elevation


def out_of_range(elevation: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which numbers cannot be elevations in metres."""
    return np.isinf(elevation) | (elevation < LOWEST_M) | (elevation > HIGHEST_M)


def check_product_range(dem: Dem, range_m: tuple[float, float] | None, where: str) -> None:
    """Raise VoidError for heights that a product cannot have: they are in another unit, or of another sign."""
    if range_m is None or not dem.valid.any():
        return
    lowest, highest = float(np.nanmin(dem.elevation_m)), float(np.nanmax(dem.elevation_m))
    if lowest < range_m[0] or highest > range_m[1]:
        message = (
            f"{where}: heights from {lowest:.0f} to {highest:.0f} m, its product has {range_m[0]:.0f} to "
            f"{range_m[1]:.0f} m; the unit or the sign is another, or voids are not declared"
        )
        raise VoidError(message)


def check_range(elevation: NDArray[np.float32], source: str) -> None:
    """Raise VoidError for numbers that cannot be elevations in metres."""
    wrong = out_of_range(elevation)
    if wrong.any():
        row, col = np.argwhere(wrong)[0]
        message = (
            f"{source}: {int(wrong.sum())} pixels lie outside {LOWEST_M:.0f} to {HIGHEST_M:.0f} m, "
            f"the first is {elevation[row, col]:g} at row {row}, column {col}; "
            "declare their unit or the value for voids (--unit, --nodata, or harmonise.files in params.yaml)"
        )
        raise VoidError(message)


def _check_written(path: Path, dem: Dem) -> None:
    """Read the file back: GDAL reports a full disk late or never."""
    with rasterio.open(path) as dataset:
        if not np.array_equal(dataset.read(1), dem.elevation_m, equal_nan=True):
            message = f"[Errno 28] No space left on device or write error: {os.fspath(path)}"
            raise RasterioIOError(message)
