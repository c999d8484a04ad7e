"""Estimate the cost of super-resolving a region: counted where possible, else timed on one calibration tile."""

import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from demsr.dem.grid import Box, Grid, window_within
from demsr.dem.read.header import read_header
from demsr.dem.windows import Window
from demsr.errors import ParamsError
from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tile_plan import BANDS, TilePlan
from demsr.model.cost import flop_per_lr_px
from demsr.output.formats import write_product
from demsr.output.product import Product
from demsr.output.tiles import encode_tile

GLOBE = Grid(
    rows=43_200, cols=86_400, west=-180.0, north=90.0, pixel_width=15 / 3600, pixel_height=15 / 3600, crs="EPSG:4326"
)
_CALIBRATION_PX = 256
_TERRAIN_OCTAVES = 6


@dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """Cost of super-resolving a region.

    Attributes
    ----------
    plan : the tiles
    scale : HR pixels per LR pixel along one axis
    flop : floating-point operations, halos included
    size_bytes : of the product before compression
    compressed : compressed share of that size, from the calibration tile
    seconds : on this device, from the calibration tile
    memory_bytes : peak, from the calibration tile
    calibration_px : side of the calibration tile, LR pixels
    device : type of the device, "cpu" or "cuda"
    """

    plan: TilePlan
    scale: int
    flop: float
    size_bytes: int
    compressed: float
    seconds: float
    memory_bytes: float
    calibration_px: int
    device: str

    @property
    def hr_px(self) -> int:
        """Number of output pixels."""
        return self.plan.lr_px * self.scale**2

    @property
    def lr_px_per_second(self) -> float:
        """Speed in LR pixels, halos not counted."""
        return self.plan.lr_px / self.seconds


def estimate_cost(grid: Grid, resolver: SuperResolver, *, tile_px: int | None = None) -> CostEstimate:
    """Estimate the cost of a region by timing one calibration tile of synthetic terrain.

    Parameters
    ----------
    grid : of the region, LR
    resolver : net to apply
    tile_px : side of a tile, LR pixels; None takes the largest that fits in memory
    """
    plan = TilePlan.of(grid, resolver, tile_px)
    calibration = _calibrate(resolver, min(plan.tile_px, _CALIBRATION_PX, grid.rows, grid.cols))
    hr_px = plan.lr_px * resolver.scale**2
    largest_px = (min(plan.tile_px, grid.rows) + 2 * plan.halo_px) * (min(plan.tile_px, grid.cols) + 2 * plan.halo_px)
    return CostEstimate(
        plan=plan,
        scale=resolver.scale,
        flop=plan.computed_lr_px * flop_per_lr_px(resolver.folded),
        size_bytes=4 * hr_px * (1 + resolver.uncertain),
        compressed=calibration.compressed,
        seconds=plan.computed_lr_px * calibration.seconds_per_lr_px + hr_px * calibration.seconds_per_hr_px,
        memory_bytes=calibration.memory_before + largest_px * calibration.memory_per_lr_px,
        calibration_px=calibration.side_px,
        device=resolver.device.type,
    )


def region_grid(source: Path | None, box: Box | None, *, globe: bool) -> Grid:
    """Return the LR grid of a region.

    Parameters
    ----------
    source : raster whose grid is taken, None for the 15 arc-second grid of the globe
    box : only the cells that touch this box, degrees
    globe : the whole globe

    Raises
    ------
    ParamsError : no region is given, `globe` is combined with another region, or a box is given for a projected raster
    """
    if globe == (source is not None or box is not None):
        message = "no region, or two: give a raster, --bbox W S E N, both, or --globe alone"
        raise ParamsError(message)
    whole = GLOBE if source is None else read_header(source).grid
    if box is not None and not whole.is_geographic:
        message = f"{source}: the raster is projected and the box is in degrees; estimate the whole raster"
        raise ParamsError(message)
    return window_within(whole, box, where=str(source or "globe"))[1]


@dataclass(frozen=True, kw_only=True)
class _Calibration:
    """Cost of one tile: per LR pixel computed and per HR pixel written."""

    side_px: int
    seconds_per_lr_px: float
    seconds_per_hr_px: float
    memory_before: float
    memory_per_lr_px: float
    compressed: float


def _calibrate(resolver: SuperResolver, side_px: int) -> _Calibration:
    """Compute and write one tile, as a run would."""
    elevation = _terrain(side_px + 2 * resolver.reach_px)
    inner = Window(resolver.reach_px, resolver.reach_px, side_px, side_px)
    resolver(elevation[: side_px // 2], Window(0, 0, side_px // 2, side_px // 2))  # the first call costs more
    memory_before = _peak_bytes()
    started = time.perf_counter()
    bands = resolver(elevation, inner)
    computing = time.perf_counter() - started
    memory = _peak_bytes() - memory_before
    grid = GLOBE.window(0, 0, side_px, side_px).refine(resolver.scale)
    product = Product(grid=grid, vertical_datum="MSL", source="calibration", bands=BANDS[: len(bands)], tags={})
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        tile, target = Path(folder) / "tile.tif", Path(folder) / "product.tif"
        tile.write_bytes(encode_tile(bands, grid))
        write_product(target, {Window(0, 0, grid.rows, grid.cols): tile}, product)
        writing, size_bytes = time.perf_counter() - started, target.stat().st_size
    computed_px = (side_px + 2 * resolver.halo_px) ** 2
    return _Calibration(
        side_px=side_px,
        seconds_per_lr_px=computing / computed_px,
        seconds_per_hr_px=writing / bands[0].size,
        memory_before=memory_before,
        memory_per_lr_px=memory / computed_px,
        compressed=size_bytes / bands.nbytes,
    )


def _peak_bytes() -> int:
    """Return the peak memory of this process so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _terrain(side_px: int) -> NDArray[np.float32]:
    """Return (side, side) metres of synthetic hills as rough as a continental margin."""
    noise = np.random.default_rng(0).standard_normal((side_px, side_px))
    hills = np.zeros_like(noise)
    for octave in range(_TERRAIN_OCTAVES):
        smooth = ndimage.gaussian_filter(noise, 2.0**octave)
        hills += 2.0**octave * smooth / smooth.std()
    elevation: NDArray[np.float32] = np.round(-2000 + 4 * hills).astype(np.float32)
    return elevation
