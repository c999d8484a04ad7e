"""What super-resolving a region will take: counted where it can be, else measured by doing a tile of it."""

import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from demsr.dem.grid import Grid
from demsr.dem.windows import Window, tiles
from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tiles import BANDS
from demsr.model.cost import flop_per_lr_px
from demsr.output.formats import write_product
from demsr.output.product import Product
from demsr.output.tiles import encode_tile

GLOBE = Grid(
    rows=43_200, cols=86_400, west=-180.0, north=90.0, pixel_width=15 / 3600, pixel_height=15 / 3600, crs="EPSG:4326"
)
_MEMORY_BYTES = 1.2e9  # for the arrays of one tile, unless the device has its own memory
_SHARE_OF_DEVICE = 0.5  # of the memory that is free there
_LARGEST_PX, _SMALLEST_PX, _STEP_PX = 2048, 32, 16
_HR_ARRAYS = 8  # of float32 at the same time, on the way from detail to metres
_CALIBRATION_PX = 256


@dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """What super-resolving a region will take.

    Attributes
    ----------
    scale : HR pixels per LR pixel along one axis
    lr_px, hr_px : cells in and out
    tiles, tile_px : how many, and their side in LR pixels
    halo_px : around each tile, computed for it alone
    computed_lr_px : with halos
    flop : floating-point operations, with halos
    bytes_at_most : of the product, float32 without compression
    compressed : size of the calibration tile's product, as a share of that
    seconds : on this device, by the calibration tile
    memory_bytes : peak, by that of the calibration tile
    calibration_px : side of that tile
    device : on which it was done
    """

    scale: int
    lr_px: int
    hr_px: int
    tiles: int
    tile_px: int
    halo_px: int
    computed_lr_px: int
    flop: float
    bytes_at_most: int
    compressed: float
    seconds: float
    memory_bytes: float
    calibration_px: int
    device: str

    @property
    def lr_px_per_second(self) -> float:
        """Useful pixels, halos not counted."""
        return self.lr_px / self.seconds


def default_tile_px(resolver: SuperResolver) -> int:
    """Return the side of the largest tile whose arrays fit in memory."""
    net = resolver.net
    of_features = net.features * (3 * (2 if resolver.precision == "bf16" else 4) + 8)
    of_heights = 4 * _HR_ARRAYS * net.scale**2
    budget = _MEMORY_BYTES
    if resolver.device.type == "cuda":
        budget = _SHARE_OF_DEVICE * torch.cuda.mem_get_info(resolver.device)[0]
    side = int((budget / (of_features + of_heights)) ** 0.5) - 2 * resolver.halo_px
    return max(_SMALLEST_PX, min(_LARGEST_PX, side - side % _STEP_PX))


def computed_lr_px(grid: Grid, tile_px: int, halo_px: int) -> int:
    """Return how many LR pixels are computed with the halos; what lies beyond the region is taken as readable."""
    rows = sum(min(tile_px, grid.rows - top) + 2 * halo_px for top in range(0, grid.rows, tile_px))
    cols = sum(min(tile_px, grid.cols - left) + 2 * halo_px for left in range(0, grid.cols, tile_px))
    return rows * cols


def plan(grid: Grid, resolver: SuperResolver, *, tile_px: int) -> CostEstimate:
    """CostEstimate a region, and do one tile of made terrain to tell the time and the memory.

    Parameters
    ----------
    grid : of the region, LR
    tile_px : side of a tile
    """
    side = min(tile_px, _CALIBRATION_PX, grid.rows, grid.cols)
    of_tile = _calibrate(resolver, side)
    lr_px, hr_px = grid.rows * grid.cols, grid.rows * grid.cols * resolver.scale**2
    computed = computed_lr_px(grid, tile_px, resolver.halo_px)
    largest = (min(tile_px, grid.rows) + 2 * resolver.halo_px) * (min(tile_px, grid.cols) + 2 * resolver.halo_px)
    return CostEstimate(
        scale=resolver.scale,
        lr_px=lr_px,
        hr_px=hr_px,
        tiles=len(tiles(grid.rows, grid.cols, tile_px)),
        tile_px=tile_px,
        halo_px=resolver.halo_px,
        computed_lr_px=computed,
        flop=computed * flop_per_lr_px(resolver.folded),
        bytes_at_most=4 * hr_px * (1 + resolver.uncertain),
        compressed=of_tile.compressed,
        seconds=computed * of_tile.seconds_per_lr_px + hr_px * of_tile.seconds_per_hr_px,
        memory_bytes=of_tile.memory_before + largest * of_tile.memory_per_lr_px,
        calibration_px=side,
        device=resolver.device.type,
    )


@dataclass(frozen=True, kw_only=True)
class _Calibration:
    """What one tile took: per LR pixel with its halo, and per HR pixel written; bytes, and a share of float32."""

    seconds_per_lr_px: float
    seconds_per_hr_px: float
    memory_before: float
    memory_per_lr_px: float
    compressed: float


def _calibrate(resolver: SuperResolver, side: int) -> _Calibration:
    """Do one tile as a run would do it."""
    elevation = _terrain(side + 2 * resolver.reach_px)
    inner = Window(resolver.reach_px, resolver.reach_px, side, side)
    resolver(elevation[: side // 2], Window(0, 0, side // 2, side // 2))  # the first time costs more
    memory_before = _peak_bytes()
    started = time.perf_counter()
    bands = resolver(elevation, inner)
    computing = time.perf_counter() - started
    memory_after = _peak_bytes()
    grid = GLOBE.window(0, 0, side, side).refine(resolver.scale)
    product = Product(
        grid=grid, vertical_datum="MSL", source="calibration", bands=BANDS[: 1 + resolver.uncertain], tags={}
    )
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        tile, target = Path(folder) / "tile.tif", Path(folder) / "product.tif"
        tile.write_bytes(encode_tile(bands, grid))
        write_product(target, {Window(0, 0, grid.rows, grid.cols): tile}, product)
        writing, size_bytes = time.perf_counter() - started, target.stat().st_size
    computed = (side + 2 * resolver.halo_px) ** 2
    return _Calibration(
        seconds_per_lr_px=computing / computed,
        seconds_per_hr_px=writing / bands[0].size,
        memory_before=memory_before,
        memory_per_lr_px=(memory_after - memory_before) / computed,
        compressed=size_bytes / bands.nbytes,
    )


def _peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _terrain(side: int) -> np.ndarray:
    """Return (side, side) metres of hills that are as rough as a continental margin."""
    noise = np.random.default_rng(0).standard_normal((side, side))
    hills = sum(2.0**octave * _unit(ndimage.gaussian_filter(noise, 2.0**octave)) for octave in range(6))
    elevation: np.ndarray = np.round(-2000 + 4 * hills).astype(np.float32)
    return elevation


def _unit(image: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = image / image.std()
    return scaled
