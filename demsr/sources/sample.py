"""Embedded sample: real land from a file of matplotlib and a synthetic sea floor. Needs no download."""

from importlib.resources import as_file, files

import numpy as np

from demsr.dem.dem import SYNTHETIC, Dem
from demsr.dem.grid import Grid
from demsr.options import Registration
from demsr.sources.sea_floor import synthetic_sea_floor

_ARCSEC_3 = 3 / 3600


def land() -> Dem:
    """Return a 3 arc-second DEM of the Jacksboro fault, ridges and valleys of Tennessee, USA.

    344 x 403 pixels, real. The file has corner coordinates but no datum; its elevations are whole metres as in SRTM,
    so SRTM's datum EGM96 is assumed. `ymax` is the northern edge; `ymin` has the wrong sign of the offset and lies
    north of it. This position puts the highest pixel on Cross Mountain (36.1983 N, 84.2306 W).
    """
    packaged = files("matplotlib") / "mpl-data" / "sample_data" / "jacksboro_fault_dem.npz"
    with as_file(packaged) as path, np.load(path, allow_pickle=False) as archive:
        elevation = archive["elevation"].astype(np.float32)
        west, north = float(archive["xmin"]), float(archive["ymax"])
    rows, cols = elevation.shape
    grid = _grid(rows, cols, west, north, "point")
    return Dem(elevation_m=elevation, grid=grid, vertical_datum="EGM96", source="Jacksboro fault, Tennessee")


def sea_floor(*, seed: int) -> Dem:
    """Return a synthetic 3 arc-second sea floor, 680 x 680 pixels, placed on the Mid-Atlantic Ridge.

    It is synthetic: useful for testing the pipeline, but no evidence of accuracy at sea.

    Parameters
    ----------
    seed : base seed; the same seed gives the same sea floor
    """
    grid = _grid(680, 680, -33.4, 37.4, "area")
    elevation = synthetic_sea_floor(grid.rows, grid.cols, pixel_size_m=grid.pixel_size_m(), seed=seed)
    return Dem(elevation_m=elevation, grid=grid, vertical_datum="MSL", source=f"{SYNTHETIC} sea floor")


def _grid(rows: int, cols: int, west: float, north: float, registration: Registration) -> Grid:
    size = {"pixel_width": _ARCSEC_3, "pixel_height": _ARCSEC_3}
    return Grid(rows=rows, cols=cols, west=west, north=north, crs="EPSG:4326", registration=registration, **size)
