"""Products of made terrain, for tests of their writers."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import rough

from demsr.dem import windows
from demsr.dem.grid import Grid
from demsr.dem.windows import Window
from demsr.output.formats import write_product
from demsr.output.product import Band, Product
from demsr.output.tiles import encode_tile

ELEVATION = Band(name="elevation", description="height of the ground or the sea floor")
UNCERTAINTY = Band(name="uncertainty", description="standard error of the elevation")
KINDS = ("a.tif", "a.nc", "a")
READ_FROM = {"a.tif": "a.tif", "a.nc": "a.nc", "a": "a/a.vrt"}
UTM = {"crs": "EPSG:32633", "west": 400_000, "north": 5e6, "pixel_width": 90, "pixel_height": 80}


def holed(rows: int = 70, cols: int = 90, bands: int = 2) -> np.ndarray:
    values = np.stack([rough(rows, cols, seed=band) for band in range(bands)])
    values[:, 3, 4] = values[0, 0, 0] = np.nan
    return values


def tiled(
    folder: Path, values: np.ndarray, of: Grid, *, side: int = 50, datum: str | None = "EGM96", **tags: str
) -> tuple[dict[Window, Path], Product]:
    folder.mkdir(parents=True, exist_ok=True)
    tiles = {}
    for window in windows.tiles(of.rows, of.cols, side):
        tiles[window] = folder / f"tile {window.row} {window.col}.tif"
        part = of.window(window.row, window.col, window.rows, window.cols)
        tiles[window].write_bytes(encode_tile(values[(slice(None), *window.slices)], part))
    bands = (ELEVATION, UNCERTAINTY)[: len(values)]
    return tiles, Product(grid=of, vertical_datum=datum, source="a survey", bands=bands, tags=tags)


def write(target: Path, values: np.ndarray, of: Grid, **options: Any) -> Path:
    """Write a product from tiles, and return what to read."""
    write_product(target, *tiled(target.parent / "tiles", values, of, **options))
    return target.parent / READ_FROM[target.name]


def contents(path: Path) -> dict[str, bytes]:
    files = path.iterdir() if path.is_dir() else [path]
    return {file.name: file.read_bytes() for file in files}


def assert_near(found: Grid, needed: Grid) -> None:
    """NetCDF stores centres, of which the corner is known to some 1e-15 degrees."""
    assert (found.rows, found.cols, found.crs) == (needed.rows, needed.cols, needed.crs)
    for edge in ("west", "north", "pixel_width", "pixel_height"):
        assert getattr(found, edge) == pytest.approx(getattr(needed, edge), rel=1e-13)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
