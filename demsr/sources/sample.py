"""The embedded sample: real land that ships inside matplotlib, and a synthetic sea floor. Needs no download."""

from importlib.resources import as_file, files

import numpy as np

from demsr.dem.dem import SYNTHETIC, Dem
from demsr.dem.grid import Grid
from demsr.sources.sea_floor import synthetic_sea_floor

_ARCSEC_3 = 3 / 3600


def land() -> Dem:
    """Return a 3 arc-second DEM of the Jacksboro fault, ridges and valleys of Tennessee, USA.

    344 x 403 pixels, real. The file gives the corner coordinates but no datum; its heights are whole metres as in
    SRTM, whose datum EGM96 is taken. Its `ymax` is the northern edge, but its `ymin` lies as far north of that as it
    should lie south: only then is the highest pixel Cross Mountain (36.1983 N, 84.2306 W).
    """
    packaged = files("matplotlib") / "mpl-data" / "sample_data" / "jacksboro_fault_dem.npz"
    with as_file(packaged) as path, np.load(path, allow_pickle=False) as archive:
        elevation = archive["elevation"].astype(np.float32)
        west, north = float(archive["xmin"]), float(archive["ymax"])
    grid = Grid(
        rows=elevation.shape[0],
        cols=elevation.shape[1],
        west=west,
        north=north,
        pixel_width=_ARCSEC_3,
        pixel_height=_ARCSEC_3,
        crs="EPSG:4326",
        registration="point",
    )
    return Dem(elevation_m=elevation, grid=grid, vertical_datum="EGM96", source="Jacksboro fault, Tennessee")


def sea_floor(*, seed: int) -> Dem:
    """Return a synthetic 3 arc-second sea floor, 680 x 680 pixels, placed on the Mid-Atlantic Ridge.

    It is made, not measured: good for trying the pipeline, never evidence of accuracy at sea.
    """
    grid = Grid(
        rows=680,
        cols=680,
        west=-33.4,
        north=37.4,
        pixel_width=_ARCSEC_3,
        pixel_height=_ARCSEC_3,
        crs="EPSG:4326",
    )
    elevation = synthetic_sea_floor(grid.rows, grid.cols, pixel_size_m=grid.pixel_size_m(), seed=seed)
    return Dem(elevation_m=elevation, grid=grid, vertical_datum="MSL", source=f"{SYNTHETIC} sea floor")
