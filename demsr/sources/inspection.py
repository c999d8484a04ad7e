"""Description of a raster: its properties, the assumptions made about it, and its possible uses."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demsr.dem.average import average, finer_than, product_grid
from demsr.dem.dem import Dem
from demsr.dem.grid import Grid
from demsr.dem.read.declared import Declared
from demsr.dem.read.header import Header, read_header
from demsr.dem.read.identity import LAND_OFFSET_ARCSEC, LAND_SIGMA_M, SRTM_NORTH, SRTM_SOUTH
from demsr.dem.read.raster import is_large, read_elevation
from demsr.errors import GridError
from demsr.sources.harmonise import describe_grid

_MAX_VOID_SHARE = 0.25  # of a patch, as in the profile `local`
_SIGNS = {
    "up": "elevations, positive up",
    "down": "depths in the file, converted to elevations",
    None: "inferred from the values, see assumptions",
}


@dataclass(frozen=True)
class Inspection:
    """Description of a raster.

    Attributes
    ----------
    path : raster file
    facts : label -> value
    assumptions : properties that the file does not state
    uses : possible uses, and reasons against others
    """

    path: Path
    facts: dict[str, str]
    assumptions: list[str]
    uses: list[str]


def inspect_raster(path: Path, declared: Declared | None = None, *, patch_hr: int = 160) -> Inspection:
    """Read and describe a raster; its vertical datum may be unknown.

    Parameters
    ----------
    path : raster file
    declared : properties that the file does not state or states wrongly
    patch_hr : side of a training patch, HR pixels
    """
    header = read_header(path, declared)
    if is_large(header.grid):
        facts = _facts(header, header.grid) | {"voids, range": "not read, the raster is too large"}
        uses = ["LR of real pairs, read in windows; crop it for other uses"]
        return Inspection(path, facts, list(header.assumptions), uses)
    elevation, grid, of_values = read_elevation(header)
    valid = np.isfinite(elevation)
    facts = _facts(header, grid) | {
        "voids": f"{np.count_nonzero(~valid):,} pixels, {100 * (1 - valid.mean()):.2f} %",
        "range": f"{np.nanmin(elevation):.1f} to {np.nanmax(elevation):.1f} m" if valid.any() else "nothing measured",
    }
    if grid.is_fifteen_arcsec and valid.any():
        facts["operator"] = _operator(header.product, elevation, grid)
    return Inspection(path, facts, [*header.assumptions, *of_values], _uses(header, elevation, grid, patch_hr))


def _facts(header: Header, grid: Grid) -> dict[str, str]:
    west, south, east, north = grid.lonlat_bounds()
    width_m, height_m = grid.pixel_size_m()
    return {
        "format": f"{header.driver}, {header.layer}, {header.dtype}",
        "grid": describe_grid(grid),
        "pixel": f"{width_m:.1f} x {height_m:.1f} m at the centre",
        "bounds": f"{west:.4f} to {east:.4f} east, {south:.4f} to {north:.4f} north",
        "vertical datum": header.vertical_datum or "not stated; declare it with --vertical-datum",
        "sign": _SIGNS[header.storage.positive],
    }


def _operator(product: str | None, elevation: NDArray[np.float32], grid: Grid) -> str:
    """Return how the cells came from the terrain, as far as the product tells, and for which of them that is not so."""
    if product is None:
        return "blind: no product by its name and texts; a finer raster beside it shows how it was sampled"
    latitudes = np.array([grid.centre(row, 0)[1] for row in range(grid.rows)])
    has_srtm = ((latitudes >= SRTM_SOUTH) & (latitudes <= SRTM_NORTH))[:, None]
    land, measured = elevation > 0, np.isfinite(elevation)
    whole = elevation == np.rint(elevation)
    shares = {
        "sea floor, which follows no law": measured & ~land,
        f"land beyond SRTM, north of {SRTM_NORTH:g} or south of {-SRTM_SOUTH:g} degrees": land & ~has_srtm,
        "land not in whole metres, so from another source": land & has_srtm & ~whole,
    }
    count = int(np.count_nonzero(measured))
    left_out = np.logical_or.reduce([np.broadcast_to(cells, land.shape) for cells in shares.values()])
    broken = [f"{_percent(cells, count)} is {name}" for name, cells in shares.items() if cells.any()]
    law = f"SRTM under a Gaussian of {LAND_SIGMA_M:g} m, {LAND_OFFSET_ARCSEC:g} arc-seconds north-east of where it is"
    text = f"gebco, for {product}: {_percent(measured & ~left_out, count)} of the cells should be {law}"
    return "; ".join([text, *broken, "a finer raster beside it shows whether it is so"])


def _percent(cells: NDArray[np.bool_], count: int) -> str:
    return f"{100 * np.count_nonzero(cells) / count:.1f} %"


def _uses(header: Header, elevation: NDArray[np.float32], grid: Grid, patch_hr: int) -> list[str]:
    if not np.isfinite(elevation).any():
        return ["nothing: no pixel is measured"]
    # refuses impossible elevations
    dem = Dem(elevation_m=elevation, grid=grid, vertical_datum=header.vertical_datum, source=header.source)
    if grid.is_fifteen_arcsec:
        uses = ["input of super-resolution from 15 to 3 arc-seconds, and LR of real pairs"]
    else:
        uses = ["input of super-resolution by a factor of 5; the nets are trained for 15 arc-seconds"]
    own = _patches(elevation, patch_hr)
    if grid.is_three_arcsec:
        return [*uses, f"3 arc-second pairs on its own grid: {own}"]
    return [*uses, _averaged(dem, patch_hr), f"scale-free pairs at its own spacing: {own}"]


def _averaged(dem: Dem, patch_hr: int) -> str:
    try:
        target = product_grid(dem.grid)
    except GridError as error:
        return f"no 3 arc-second pairs: {error}"
    if finer_than(target, dem.grid):
        return "no 3 arc-second pairs: the raster is coarser than 3 arc-seconds"
    patches = _patches(average(dem, target).elevation_m, patch_hr)
    return f"3 arc-second pairs, averaged to {target.rows} x {target.cols} pixels: {patches}"


def _patches(elevation: NDArray[np.float32], side: int) -> str:
    """Return the number of non-overlapping patches with few enough voids, in words."""
    rows, cols = (length // side for length in elevation.shape)
    if min(rows, cols) < 1:
        return f"none, a patch needs {side} x {side} pixels"
    void_share = np.isnan(elevation[: rows * side, : cols * side]).reshape(rows, side, cols, side).mean(axis=(1, 3))
    count = int((void_share <= _MAX_VOID_SHARE).sum())
    patches = f"{count} patch{'es' if count > 1 else ''} of {side} x {side} pixels"
    return patches if count else f"none, {rows * cols} candidate{'s' if rows * cols > 1 else ''} with too many voids"
