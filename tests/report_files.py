"""Products with their inputs, for tests of reports."""

from pathlib import Path
from typing import Any

import numpy as np
from product_files import write
from rasterio.transform import Affine
from synthetic import ARCSEC_3, dem, grid, write_raw

from demsr.dem.geotiff import write_dem
from demsr.dem.grid import Grid
from demsr.runtime.files import sha256_of_file

ROWS, COLS = 64, 70
"""Cells of the input: two windows of a spectrum fit into the product."""


def surface(of: Grid) -> np.ndarray:
    """Return a wavy surface of known height, which depends on the place alone, (rows, cols) metres."""
    lon = of.west + (np.arange(of.cols) + 0.5) * of.pixel_width
    lat = of.north - (np.arange(of.rows) + 0.5) * of.pixel_height
    x, y = (lon - 10) / ARCSEC_3, (50 - lat) / ARCSEC_3
    return (200 + 60 * np.sin(x / 17)[None, :] * np.cos(y / 23)[:, None] + 0.5 * x[None, :] - y[:, None]).astype(
        np.float32
    )


def written_input(path: Path, *, rows: int = ROWS, cols: int = COLS) -> Path:
    """Write the input: the surface at the centres of cells of 15 arc-seconds."""
    size = 5 * ARCSEC_3
    coarse = grid(rows, cols, pixel_width=size, pixel_height=size)
    return write_raw(path, surface(coarse), transform=Affine(size, 0, 10, 0, -size, 50))


def written_product(
    folder: Path, *, name: str = "a.tif", moved_arcsec: float = 0.0, rows: int = ROWS, cols: int = COLS, **tags: str
) -> Path:
    """Write an input and a product of it: the surface 1 m too high, with a standard error of 2 m."""
    source = written_input(folder / "in.tif", rows=rows, cols=cols)
    fine = grid(5 * rows, 5 * cols)
    fine = fine.moved(-moved_arcsec / 3600, -moved_arcsec / 3600)
    values = np.stack([surface(fine) + 1, np.full((fine.rows, fine.cols), 2, np.float32)])
    known = {"INPUT": "in.tif", "INPUT_SHA256": sha256_of_file(source), "UNCERTAINTY": "True", "MODEL": "a <model>"}
    write(folder / name, values, fine, side=400, **{**known, **tags})
    return folder / name


def written_truth(path: Path, **options: Any) -> Path:
    """Write the surface itself on the pixels of the product."""
    of = grid(5 * ROWS, 5 * COLS)
    write_dem(path, dem(surface(of), **options))
    return path
