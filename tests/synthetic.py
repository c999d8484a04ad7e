"""Grids, rasters and pairs with a known truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from demsr.dem.dem import Dem
from demsr.dem.grid import Grid
from demsr.pairs.area import Area
from demsr.pairs.cut import Patch
from demsr.pairs.degrade import block_mean
from demsr.pairs.pair_writer import PairWriter

ARCSEC_3 = 3 / 3600
NORTH_UP = Affine(ARCSEC_3, 0, 10, 0, -ARCSEC_3, 50)


def grid(rows: int, cols: int, *, west: float = 10.0, north: float = 50.0, **options: Any) -> Grid:
    """Return a 3 arc-second grid in WGS84, unless told otherwise."""
    size = {"pixel_width": ARCSEC_3, "pixel_height": ARCSEC_3, "crs": "EPSG:4326"}
    return Grid(rows=rows, cols=cols, west=west, north=north, **{**size, **options})


def plane(rows: int, cols: int, *, level: float = 100.0, per_row: float = 2.0, per_col: float = -3.0) -> NDArray[Any]:
    """Return a tilted plane, float32."""
    row, col = np.indices((rows, cols))
    return (level + per_row * row + per_col * col).astype(np.float32)


def rough(rows: int, cols: int, *, seed: int = 0, level: float = 500.0, rms: float = 50.0) -> NDArray[Any]:
    """Return white noise around a level, float32."""
    return (level + rms * np.random.default_rng(seed).standard_normal((rows, cols))).astype(np.float32)


def dem(elevation: NDArray[Any], *, vertical_datum: str | None = "EGM96", source: str = "made", **of_grid: Any) -> Dem:
    """Put elevation on a grid."""
    return Dem(
        elevation_m=np.asarray(elevation, np.float32),
        grid=grid(*elevation.shape, **of_grid),
        vertical_datum=vertical_datum,
        source=source,
    )


def write_raw(
    path: Path,
    values: NDArray[Any],
    *,
    crs: str | None = "EPSG:4326",
    transform: Affine | None = NORTH_UP,
    nodata: float | None = None,
    scale: float = 1,
    offset: float = 0,
    **tags: str,
) -> Path:
    """Write a GeoTIFF without the tags of demsr, one band for each plane of a three-dimensional array."""
    bands = values if values.ndim == 3 else values[None]
    profile = {"driver": "GTiff", "dtype": bands.dtype, "count": len(bands), "crs": crs, "nodata": nodata}
    with rasterio.open(path, "w", height=bands.shape[1], width=bands.shape[2], transform=transform, **profile) as file:
        file.write(bands)
        file.scales, file.offsets = [scale] * len(bands), [offset] * len(bands)
        file.update_tags(**tags)
    return path


def patches(count: int, *, patch_lr: int = 8, scale: int = 5, seed: int = 0) -> list[Patch]:
    """Return patches of noise whose LR is the block mean of their HR."""
    side = patch_lr * scale
    result = []
    for index in range(count):
        hr = rough(side, side, seed=seed + index)
        result.append(
            Patch(block_mean(hr, scale=scale), hr, index, 2 * index, grid(side, side, west=10 + index * ARCSEC_3))
        )
    return result


def write_pairs(path: Path, counts: Sequence[int] = (3,), *, patch_lr: int = 8, scale: int = 5) -> Path:
    """Write a file of pairs with one area for each count."""
    raster = dem(plane(40, 40))
    with PairWriter(path, patch_lr=patch_lr, scale=scale, attributes={"domain": "land", "split": "train"}) as writer:
        for place, count in enumerate(counts):
            some = patches(count, patch_lr=patch_lr, scale=scale, seed=100 * place)
            writer.add_area(Area.from_dem(f"area {place}", raster), some)
    return path


def described(name: str, **lr: Any) -> Area:
    """Return an area of 40 x 40 HR pixels."""
    return Area.from_dem(name, dem(plane(40, 40)), **lr)


def written(path: Path, *areas: tuple[Area, list[Patch]], **attributes: Any) -> Path:
    """Write a pair file of these areas and their patches of 8 x 8 LR pixels."""
    with PairWriter(path, patch_lr=8, scale=5, attributes=attributes) as writer:
        for area, some in areas:
            writer.add_area(area, some)
    return path
