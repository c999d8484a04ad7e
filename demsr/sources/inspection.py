"""What the program understands of a raster, what it has to assume, and what the raster can be used for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demsr.dem.average import average, finer_than, product_grid
from demsr.dem.dem import Dem
from demsr.dem.grid import Grid
from demsr.dem.read.header import Declared, Header, read_header
from demsr.dem.read.raster import is_large, read_elevation
from demsr.errors import GridError
from demsr.sources.harmonise import described

_MAX_VOID_SHARE = 0.25  # of a patch, as in the profile `local`


@dataclass(frozen=True)
class Inspection:
    """A raster in words.

    Attributes
    ----------
    facts : label -> what was found
    assumptions : what the file does not say and was taken for granted
    uses : what it is good for, and why not for the rest
    """

    path: Path
    facts: dict[str, str]
    assumptions: list[str]
    uses: list[str]


def inspect_raster(path: Path, declared: Declared | None = None, *, patch_hr: int = 160) -> Inspection:
    """Read a raster and describe it; a datum that nothing names is only missed where it is needed.

    Parameters
    ----------
    patch_hr : HR pixels along a side of a training patch
    """
    header = read_header(path, declared)
    if is_large(header.grid):
        return _unread(header)
    elevation, grid, of_values = read_elevation(header)
    valid = np.isfinite(elevation)
    west, south, east, north = grid.lonlat_bounds()
    width_m, height_m = grid.pixel_size_m()
    facts = {
        "format": f"{header.driver}, {header.layer}, {header.dtype}",
        "grid": described(grid),
        "pixel": f"{width_m:.1f} x {height_m:.1f} m in the middle",
        "bounds": f"{west:.4f} to {east:.4f} east, {south:.4f} to {north:.4f} north",
        "vertical datum": header.vertical_datum or "not stated; declare it with --vertical-datum",
        "sign": _sign(header),
        "voids": f"{np.count_nonzero(~valid):,} pixels, {100 * (1 - valid.mean()):.2f} %",
        "range": f"{np.nanmin(elevation):.1f} to {np.nanmax(elevation):.1f} m" if valid.any() else "nothing measured",
    }
    return Inspection(path, facts, [*header.assumptions, *of_values], _uses(header, elevation, grid, patch_hr))


def _unread(header: Header) -> Inspection:
    """Describe a raster that is too large to be looked at pixel by pixel."""
    west, south, east, north = header.grid.lonlat_bounds()
    facts = {
        "format": f"{header.driver}, {header.layer}, {header.dtype}",
        "grid": described(header.grid),
        "bounds": f"{west:.4f} to {east:.4f} east, {south:.4f} to {north:.4f} north",
        "vertical datum": header.vertical_datum or "not stated; declare it with --vertical-datum",
        "sign": _sign(header),
        "voids, range": "not looked at, it has too many pixels",
    }
    return Inspection(
        header.path, facts, list(header.assumptions), ["LR of real pairs, read in windows; cut it for more"]
    )


def _sign(header: Header) -> str:
    return {
        "up": "heights, positive up",
        "down": "depths in the file, turned into heights",
        None: "as the values tell, see assumptions",
    }[header.positive]


def _uses(header: Header, elevation: NDArray[np.float32], grid: Grid, patch_hr: int) -> list[str]:
    if not np.isfinite(elevation).any():
        return ["nothing: no pixel is measured"]
    uses = [_super_resolution(grid)]
    dem = Dem(elevation_m=elevation, grid=grid, vertical_datum=header.vertical_datum or "MSL", source=header.source)
    own = _patches(elevation, patch_hr)
    if grid.is_three_arcsec:
        return [*uses, f"3 arc-second pairs on its own grid: {own}"]
    return [*uses, _averaged(dem, patch_hr), f"scale-free pairs at its own spacing: {own}"]


def _super_resolution(grid: Grid) -> str:
    if grid.is_fifteen_arcsec:
        return "input of super-resolution from 15 to 3 arc-seconds, and LR of real pairs"
    return "input of super-resolution, 5 times as fine; the nets are trained for 15 arc-seconds"


def _averaged(dem: Dem, patch_hr: int) -> str:
    try:
        target = product_grid(dem.grid)
    except GridError as error:
        return f"no 3 arc-second pairs: {error}"
    if finer_than(target, dem.grid):
        return "no 3 arc-second pairs: it is coarser than that, and nothing finer is invented"
    patches = _patches(average(dem, target).elevation_m, patch_hr)
    return f"3 arc-second pairs, averaged to {target.rows} x {target.cols} pixels: {patches}"


def _patches(elevation: NDArray[np.float32], side: int) -> str:
    """Count patches beside each other that are measured enough."""
    rows, cols = (length // side for length in elevation.shape)
    if min(rows, cols) < 1:
        return f"none, a patch needs {side} x {side} pixels"
    blocks = np.isnan(elevation[: rows * side, : cols * side]).reshape(rows, side, cols, side).mean(axis=(1, 3))
    count = int((blocks <= _MAX_VOID_SHARE).sum())
    patches = f"{count} patch{'es' if count > 1 else ''} of {side} x {side} pixels"
    return patches if count else f"none, what would be {rows * cols} is too empty"
