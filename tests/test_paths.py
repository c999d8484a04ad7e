"""A plane and a bump through every path from a file to pairs: the plane stays exact, the bump keeps its position."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyproj
import pytest
from raster_files import write_ascii, write_hgt, write_netcdf
from rasterio.transform import Affine
from synthetic import write_raw

from demsr.dem.dem import Dem
from demsr.dem.grid import Grid
from demsr.pairs.build import build_pairs, plan_pairs
from demsr.pairs.cut import CutRule
from demsr.pairs.degradations.block_mean import BlockMean
from demsr.pairs.pair_file import PairFile
from demsr.pairs.split import split_raster
from demsr.sources.harmonise import HarmoniseOptions, harmonise
from demsr.sources.manifest import describe_file

Terrain = Callable[[np.ndarray, np.ndarray], np.ndarray]  # longitude, latitude -> metres
OPTIONS = HarmoniseOptions(vertical_datum="MSL", average_to_3arcsec=True)
MIDDLE = (10.1, 49.9)
SIDE_DEG = 0.2
ARCSEC = 1 / 3600


def plane(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    return -1000 + 2000 * (lon - MIDDLE[0]) - 3000 * (lat - MIDDLE[1])


def bump(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """A Gaussian of 12 arc-seconds beside the middle, where no centre of a cell lies."""
    east, north = (lon - MIDDLE[0] - 0.00123) / (12 * ARCSEC), (lat - MIDDLE[1] - 0.00087) / (12 * ARCSEC)
    return 500 * np.exp(-(east**2 + north**2) / 2)


def axes(step_lon: float, step_lat: float, *, nodes: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return longitudes from the west and latitudes from the north, of nodes or of the centres of cells."""
    west, north = MIDDLE[0] - SIDE_DEG / 2, MIDDLE[1] + SIDE_DEG / 2
    cols, rows = (round(SIDE_DEG / (step * ARCSEC)) + nodes for step in (step_lon, step_lat))
    half = 0 if nodes else 0.5
    return west + (np.arange(cols) + half) * step_lon * ARCSEC, north - (np.arange(rows) + half) * step_lat * ARCSEC


def geotiff(folder: Path, terrain: Terrain, *, step: tuple[float, float] = (1, 1), nodes: bool = False) -> Path:
    lon, lat = axes(*step, nodes=nodes)
    width, height = (size * ARCSEC for size in step)
    transform = Affine(width, 0, lon[0] - width / 2, 0, -height, lat[0] + height / 2)
    values = terrain(lon, lat[:, None])
    return write_raw(folder / "a.tif", values, transform=transform, AREA_OR_POINT="Point" if nodes else "Area")


def netcdf(folder: Path, terrain: Terrain) -> Path:
    lon, lat = axes(1, 1)
    return write_netcdf(folder / "a.nc", terrain(lon, lat[::-1, None]), lon=lon + 360, lat=lat[::-1])


def ascii_grid(folder: Path, terrain: Terrain) -> Path:
    lon, lat = axes(1, 1)
    values = terrain(lon, lat[:, None])
    path = write_ascii(folder / "a.asc", values, west=lon[0] - ARCSEC / 2, south=lat[-1] - ARCSEC / 2, cell=ARCSEC)
    lines = path.read_text().splitlines()
    lines[6:] = [" ".join(f"{value:.9f}" for value in row) for row in values]
    path.write_text("\n".join(lines) + "\n")
    return path


def srtm_tile(folder: Path, terrain: Terrain, *, nodes: int) -> Path:
    """Write an SRTM tile; `terrain` must return whole metres at its nodes."""
    lon, lat = 10 + np.arange(nodes) / (nodes - 1), 50 - np.arange(nodes) / (nodes - 1)
    return write_hgt(folder, terrain(lon, lat[:, None]), name="N49E010")


def utm(folder: Path, terrain: Terrain, *, pixel_m: float) -> Path:
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True)
    x, y = to_utm.transform(*MIDDLE)
    count = int(20_000 / pixel_m)
    west, north = round(x) - count * pixel_m / 2, round(y) + count * pixel_m / 2
    at = np.arange(count) + 0.5
    lon, lat = to_utm.transform(*np.meshgrid(west + at * pixel_m, north - at * pixel_m), direction="INVERSE")
    transform = Affine(pixel_m, 0, west, 0, -pixel_m, north)
    return write_raw(folder / "a.tif", terrain(lon, lat), crs="EPSG:32632", transform=transform)


WAYS = {
    "GeoTIFF, 3 arc-second cells": partial(geotiff, step=(3, 3)),
    "GeoTIFF, 3 arc-second nodes": partial(geotiff, step=(3, 3), nodes=True),
    "GeoTIFF, 1 arc-second cells": geotiff,
    "GeoTIFF, 1 arc-second nodes": partial(geotiff, nodes=True),
    "GeoTIFF, 1.11 arc-second cells": partial(geotiff, step=(10 / 9, 10 / 9)),
    "GeoTIFF, 2 x 1.5 arc-second cells": partial(geotiff, step=(2, 1.5)),
    "NetCDF from the south, longitudes beyond 360": netcdf,
    "Esri ASCII": ascii_grid,
    "UTM, 30 m": partial(utm, pixel_m=30),
    "UTM, 50 m": partial(utm, pixel_m=50),
}


def through(path: Path, folder: Path) -> Dem:
    """Harmonise a file, and read the result."""
    from demsr.dem.read.raster import read_dem

    (record,) = harmonise([describe_file(path)], folder / "out", OPTIONS, work=folder / "work")
    return read_dem(folder / "out" / f"{record.name}.tif")


def centres(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    lon, _ = grid.centre(0, np.arange(grid.cols))
    _, lat = grid.centre(np.arange(grid.rows), 0)
    return lon, lat[:, None]


@pytest.mark.parametrize("way", WAYS)
def test_plane_comes_out_as_that_plane(tmp_path, way):
    dem = through(WAYS[way](tmp_path, plane), tmp_path)
    assert dem.grid.is_three_arcsec
    assert dem.valid.mean() > 0.6  # the corners of a turned projected raster are void
    error = dem.elevation_m - plane(*centres(dem.grid))
    bent_m = 1.5e-3 if "UTM" in way else 0.0  # the plane is one in degrees, so between UTM pixels it is bent
    assert np.nanmax(np.abs(error)) <= 2e-3 + bent_m


@pytest.mark.parametrize("way", WAYS)
def test_bump_stays_where_it_is(tmp_path, way):
    dem = through(WAYS[way](tmp_path, bump), tmp_path)
    lon, lat = centres(dem.grid)
    weight = np.nan_to_num(dem.elevation_m).astype(np.float64)
    found = (weight * lon).sum() / weight.sum(), (weight * lat).sum() / weight.sum()
    off_px = np.abs(np.subtract(found, (MIDDLE[0] + 0.00123, MIDDLE[1] + 0.00087))) / (3 * ARCSEC)
    assert off_px.max() <= 0.05


@pytest.mark.parametrize("nodes", [1201, 3601])
def test_srtm_tile_keeps_a_plane_of_whole_metres(tmp_path, nodes):
    def steps(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return np.rint((lon - 10) * 3600) - 2 * np.rint((lat - 49) * 3600) + 5000

    dem = through(srtm_tile(tmp_path, steps, nodes=nodes), tmp_path)
    lon, lat = centres(dem.grid)
    expected = (lon - 10) * 3600 - 2 * (lat - 49) * 3600 + 5000
    assert dem.grid.registration == ("point" if nodes == 1201 else "area")
    assert np.abs(dem.elevation_m - expected).max() <= 2e-3


@pytest.mark.parametrize("way", ["GeoTIFF, 1 arc-second nodes", "UTM, 30 m"])
def test_every_pair_of_a_plane_holds_that_plane(tmp_path, way):
    through(WAYS[way](tmp_path, plane), tmp_path)
    splitter = partial(
        split_raster,
        method="quadrants",
        quadrant_splits=("train", "train", "test", "valid"),
        valid=[],
        test=[],
        gap_lr=2,
        scale=5,
    )
    rasters = sorted((tmp_path / "out").glob("*.tif"))
    plan = plan_pairs(rasters, splitter, domain="land", scale_free=False, degradations=[BlockMean()])
    rule = CutRule(patch_lr=8, stride_hr=33, gap_lr=2, max_void_share=0, min_relief_m=1)
    build_pairs(plan, tmp_path / "pairs", rule, all_regions=plan.regions, work=tmp_path / "pieces")
    pairs = PairFile(tmp_path / "pairs" / "train.h5")
    step = (np.arange(8) - 3.5) * 15 * ARCSEC
    for index in range(len(pairs)):
        lr, _ = pairs.pair(index)
        lon, lat = pairs.samples["lon"][index], pairs.samples["lat"][index]
        assert np.abs(lr[0] - plane(lon + step, (lat - step)[:, None])).max() <= 4e-3
