"""What a person reads and sees when a raster was super-resolved."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from demsr.dem.grid import Grid, describe_spacing
from demsr.dem.read.stream import RasterReader
from demsr.dem.voids import fill_voids
from demsr.dem.windows import Window, tiles
from demsr.errors import GridError, ParamsError
from demsr.inference.estimate import CostEstimate
from demsr.inference.tiles import SourceReader
from demsr.model.baselines import Bicubic
from demsr.output.formats import read_product_elevation
from demsr.reporting.figures import BeforeAfter, save_before_after
from demsr.sources.inspection import is_lr_of_product

_PREVIEW_PX, _LOOKED_AT = 96, 400
_BICUBIC_REACH_PX = 2


def refuse_projected(grid: Grid, where: Path) -> None:
    """Raise GridError for a grid that is not in degrees."""
    if not grid.is_geographic:
        message = (
            f"{where}: the grid is projected, with pixels of {describe_spacing(grid)}; "
            "the nets are trained on degrees: warp it to EPSG:4326, "
            "or add --projected to have its pixels divided as they are"
        )
        raise GridError(message)


def print_spacing(grid: Grid, where: Path, *, scale: int) -> None:
    """Say so if pixels are not those that the nets are trained for."""
    if not is_lr_of_product(grid):
        became = f"pixels of {describe_spacing(grid)} become {describe_spacing(grid.refine(scale))}"
        console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        console.print(f"{where.name}: {became}; the nets are trained for 15 arcsec")


def print_plan(plan: CostEstimate, grid: Grid) -> None:
    """Print what super-resolving a region takes."""
    west, south, east, north = grid.lonlat_bounds()
    more = 100 * (plan.computed_lr_px / plan.lr_px - 1)
    measured = f"measured on a tile of {plan.calibration_px} x {plan.calibration_px}"
    rows = {
        "region": f"{west:g} to {east:g} east, {south:g} to {north:g} north",
        "input": f"{grid.rows:,} x {grid.cols:,} pixels",
        "output": f"{plan.hr_px:,} pixels of {describe_spacing(grid.refine(plan.scale))}",
        "disk": f"{_size(plan.bytes_at_most)} at most, {_size(plan.bytes_at_most * plan.compressed)} as made terrain "
        "compresses; twice that while it is made",
        "tiles": f"{plan.tiles:,} of {plan.tile_px} x {plan.tile_px} input pixels",
        "halo": f"{plan.halo_px} pixels around each; {more:.0f} % more pixels are computed for it",
        "operations": f"{plan.flop:.3g} FLOP",
        "memory": f"{_size(plan.memory_bytes)}, {measured}",
        "time": f"{_duration(plan.seconds)} on this {plan.device}, {measured}",
        "speed": f"{plan.lr_px_per_second:,.0f} input pixels a second",
    }
    table = Table(box=None, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for label, text in rows.items():
        table.add_row(label, text)
    Console(highlight=False, markup=False).print(table)


def _size(count: float) -> str:
    unit = max((1e3, 1e6, 1e9, 1e12), key=lambda size: (count >= size) * size)
    return f"{count / unit:.3g} {({1e3: 'kB', 1e6: 'MB', 1e9: 'GB', 1e12: 'TB'})[unit]}"


def _duration(seconds: float) -> str:
    for length, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {name}"
    return f"{seconds:.0f} seconds"


def check_preview(path: Path) -> None:
    """Refuse, before hours of work, a name that no picture can be written to."""
    if path.suffix.lower() != ".png" or path.is_dir():
        message = f"{path}: is no name for a picture; name a .png"
        raise ParamsError(message)


def save_preview(path: Path, source: SourceReader, target: Path, *, scale: int) -> None:
    """Draw the roughest part of a raster as it was, by bicubic interpolation, and super-resolved."""
    surface = source.surface
    window = _roughest(surface)
    lr, inner = surface.around(window, _BICUBIC_REACH_PX)
    with torch.inference_mode():
        interpolated = Bicubic(scale=scale)(torch.tensor(fill_voids(lr))[None, None])[0, 0].numpy()
    sr = read_product_elevation(target, window.refine(scale))
    before_after = BeforeAfter(
        lr=lr[inner.slices],
        bicubic=np.where(np.isnan(sr), np.nan, interpolated[inner.refine(scale).slices]),
        sr=sr,
        pixel_size_m=surface.grid.window(*astuple(window)).refine(scale).pixel_size_m(),
    )
    save_before_after(path, before_after)


def _roughest(surface: RasterReader) -> Window:
    """Return the window with most relief in steps from pixel to pixel, out of not too many."""
    windows = tiles(surface.grid.rows, surface.grid.cols, _PREVIEW_PX)

    def roughness(window: Window) -> float:
        elevation, _ = surface.around(window, 0)
        steps = np.abs(np.diff(elevation, n=2, axis=0))[:, 1:-1]
        return float(np.nan_to_num(steps).sum())

    return max(windows[:: max(1, len(windows) // _LOOKED_AT)], key=roughness)
