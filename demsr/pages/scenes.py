"""Parts of a product with the same ground in its input, in interpolations of it, and in the truth."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from demsr.dem.average import average
from demsr.dem.dem import Dem
from demsr.dem.grid import Grid, describe_spacing, window_within
from demsr.dem.read.declared import Declared
from demsr.dem.read.header import read_header
from demsr.dem.read.identity import LAND_OFFSET_ARCSEC
from demsr.dem.read.raster import read_dem
from demsr.dem.read.stream import Progress, RasterReader, no_progress, open_raster
from demsr.dem.voids import fill_voids
from demsr.dem.water import find_water
from demsr.dem.windows import Window
from demsr.errors import GridError, OutsideError
from demsr.model.baselines import BackProjectedBicubic, Bicubic
from demsr.output.stored import StoredProduct

BICUBIC, BACK_PROJECTED, RESULT = "bicubic", "back-projected bicubic", "super-resolved"
_MARGIN_PX = 16  # LR pixels around a part, more than the interpolations reach
_ALIGNED = 0.05  # of a pixel
_SMALLEST_WATER_KM2 = 0.25  # as in params.yaml
_OVERVIEW_PX = 400  # longest side of the picture of the whole

_Image = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A part of a product; (rows, cols) metres, NaN where void.

    Attributes
    ----------
    grid : of the pixels of the product, where the product places them
    scale : pixels of the product per cell of the input
    offset_px : (south, east), by which the pixels lie off the cells of the input; not 0 with --placement srtm
    lr : (h, w), input
    methods : result and interpolations of the input by name, (scale*h, scale*w)
    sigma : (scale*h, scale*w), standard error, None without it
    truths : truth for each method, at the place where the method puts its pixels; empty without truth
    """

    grid: Grid
    scale: int
    offset_px: tuple[float, float]
    lr: _Image
    methods: Mapping[str, _Image]
    sigma: _Image | None
    truths: Mapping[str, _Image]

    @property
    def sr(self) -> _Image:
        """Elevation of the product."""
        return self.methods[RESULT]

    def part(self, window: Window) -> "Scene":
        """Return the part in a window of LR cells."""
        fine = window.refine(self.scale)

        def cut(image: _Image) -> _Image:
            return image[fine.slices]

        return replace(
            self,
            grid=self.grid.window(fine.row, fine.col, fine.rows, fine.cols),
            lr=self.lr[window.slices],
            methods={name: cut(image) for name, image in self.methods.items()},
            sigma=None if self.sigma is None else cut(self.sigma),
            truths={name: cut(image) for name, image in self.truths.items()},
        )


class Result:
    """A product, its open input and the file with the truth.

    Parameters
    ----------
    product : the product
    source : reader of the input, of the cells of the product
    against : file with the truth, None without it

    Attributes
    ----------
    scale : pixels of the product per cell of the input
    region : cells of the input of which the product has all pixels, those with truth if there is one
    """

    def __init__(self, product: StoredProduct, source: RasterReader, against: Path | None) -> None:
        self.product, self.source, self.against = product, source, against
        moved = LAND_OFFSET_ARCSEC / 3600 if product.tags.get("PLACEMENT") == "srtm" else 0.0
        nominal = product.grid.moved(moved, moved)
        self.offset_px = moved / product.grid.pixel_height, -moved / product.grid.pixel_width
        self.scale, self._first = _position(nominal, source)
        self.region = self._whole_cells() if against is None else self._cells_with_truth(against)

    def scene(self, window: Window) -> Scene:
        """Read a part of the product.

        Parameters
        ----------
        window : cells of the input, within `region`
        """
        around, inner = self.source.around(window, _MARGIN_PX)
        fine = self._of_product(window)
        sr, sigma = self.product.read(fine)
        methods = {RESULT: sr}
        if not np.isnan(around).all():
            filled = torch.from_numpy(fill_voids(around))[None, None]
            for name, method in _interpolations(self.scale).items():
                with torch.inference_mode():
                    image = method(filled)[0, 0].numpy()[inner.refine(self.scale).slices]
                methods[name] = np.where(np.isnan(sr), np.float32(np.nan), image)
        else:
            methods |= dict.fromkeys(_interpolations(self.scale), np.full_like(sr, np.nan))
        grid = self.product.grid.window(fine.row, fine.col, fine.rows, fine.cols)
        return Scene(
            grid=grid,
            scale=self.scale,
            offset_px=self.offset_px,
            lr=around[inner.slices],
            methods=methods,
            sigma=sigma,
            truths=self._truths(grid, methods),
        )

    def overview(self) -> Scene | None:
        """Return the region with means over so many pixels that it is small; None where that would take long."""
        if not self.product.is_quickly_decimated:
            return None
        region = self.region
        factor = math.ceil(max(region.rows, region.cols) / _OVERVIEW_PX)
        rows, cols = region.rows // factor, region.cols // factor
        region = replace(region, rows=rows * factor, cols=cols * factor)
        fine = self._of_product(region)
        sr, sigma = self.product.decimated(fine, factor * self.scale)
        lr = np.empty((rows, cols), np.float32)
        for row in range(rows):  # memory does not depend on the size of the raster
            strip, inner = self.source.around(Window(region.row + row * factor, region.col, factor, region.cols), 0)
            lr[row] = _mean(strip[inner.slices].reshape(factor, cols, factor))
        grid = self.product.grid.window(fine.row, fine.col, fine.rows, fine.cols)
        size = grid.pixel_width * factor * self.scale, grid.pixel_height * factor * self.scale
        return Scene(
            grid=replace(grid, rows=rows, cols=cols, pixel_width=size[0], pixel_height=size[1]),
            scale=1,
            offset_px=(0.0, 0.0),
            lr=lr,
            methods={RESULT: sr},
            sigma=sigma,
            truths={},
        )

    def _of_product(self, window: Window) -> Window:
        return window.refine(self.scale).relative_to(*self._first)

    def _whole_cells(self) -> Window:
        """Return the cells of the input all of whose pixels the product has; rows beyond the poles are not."""
        grid, (row, col), scale = self.product.grid, self._first, self.scale
        top, left = math.ceil(row / scale), math.ceil(col / scale)
        bottom, right = (row + grid.rows) // scale, (col + grid.cols) // scale
        return Window(top, left, bottom - top, right - left)

    def _cells_with_truth(self, against: Path) -> Window:
        box = read_header(against).grid.lonlat_bounds()
        cells, _ = window_within(self.source.grid, box, where=str(self.product.path))
        return cells.intersect(self._whole_cells())

    def _truths(self, grid: Grid, methods: Mapping[str, _Image]) -> dict[str, _Image]:
        """Return the truth on the pixels of the product, and for interpolations on the cells of the input."""
        if self.against is None:
            return {}
        truth = _truth_on(grid, self.against)
        if truth is None:
            return {}
        nominal: _Image | None = truth
        if any(self.offset_px):
            down, right = self.offset_px
            unmoved = grid.moved(-right * grid.pixel_width, down * grid.pixel_height)
            nominal = _truth_on(unmoved, self.against)
        return {name: truth if name == RESULT or nominal is None else nominal for name in methods}


@contextmanager
def open_result(
    product: StoredProduct,
    source: Path,
    *,
    declared: Declared,
    against: Path | None,
    progress: Progress = no_progress,
) -> Iterator[Result]:
    """Open the input of a product.

    Parameters
    ----------
    product : the product
    source : its input
    declared : properties of the input
    against : raster to compare with
    progress : shows how far the first reading of the input is

    Raises
    ------
    RasterError, GridError, DatumError, VoidError : a raster cannot be read
    GridError : `source` is not the input, by its cells
    OutsideError : the truth does not touch the product
    """
    moved = LAND_OFFSET_ARCSEC / 3600 if product.tags.get("PLACEMENT") == "srtm" else 0.0
    box = product.grid.moved(moved, moved).lonlat_bounds() if product.grid.is_geographic else None
    with open_raster(source, declared=declared, within=box, progress=progress) as reader:
        yield Result(product, reader, against)


def _position(nominal: Grid, source: RasterReader) -> tuple[int, tuple[int, int]]:
    """Return the scale, and the first row and column of the product on the refined cells of the input."""
    ratio = source.grid.pixel_width / nominal.pixel_width, source.grid.pixel_height / nominal.pixel_height
    scale = round(ratio[0])
    is_whole = max(abs(value - scale) for value in ratio) * max(nominal.rows, nominal.cols) < _ALIGNED * scale
    if scale > 1 and scale % 2 and is_whole:
        place = source.grid.refine(scale).index(*nominal.centre(0, 0))
        first = round(place[0]), round(place[1])
        covered = min(first) >= 0 and first[0] + nominal.rows <= source.grid.rows * scale
        if covered and max(abs(place[0] - first[0]), abs(place[1] - first[1])) < _ALIGNED:
            return scale, first
    message = (
        f"{source.header.path}: its cells of {describe_spacing(source.grid)} are not those that were divided into the "
        f"pixels of {describe_spacing(nominal)} of the product; name its input with --input"
    )
    raise GridError(message)


def _interpolations(scale: int) -> dict[str, nn.Module]:
    return {BICUBIC: Bicubic(scale=scale), BACK_PROJECTED: BackProjectedBicubic(scale=scale)}


def _truth_on(grid: Grid, against: Path) -> _Image | None:
    """Return the truth averaged over pixels, without its flat water; None if it does not reach there."""
    margin = 4 * max(grid.pixel_width, grid.pixel_height)
    west, south, east, north = grid.lonlat_bounds()
    box = west - margin, max(-90.0, south - margin), east + margin, min(90.0, north + margin)
    try:
        truth: Dem = read_dem(against, within=box)
    except OutsideError:
        return None
    if grid.is_geographic and grid.is_near_wgs84 and truth.grid.is_near_wgs84:
        grid = replace(grid, crs=truth.grid.geographic_crs)
    water = find_water(truth, sea_level_m=0.0, min_area_km2=_SMALLEST_WATER_KM2)
    return average(truth.without(water), grid).elevation_m


def _mean(blocks: _Image) -> _Image:
    """Return means of (factor, cols, factor) over the measured cells, (cols,)."""
    measured = np.isfinite(blocks)
    count = measured.sum(axis=(0, 2))
    total = np.where(measured, blocks, 0).sum(axis=(0, 2), dtype=np.float64)
    return np.where(count, total / np.maximum(count, 1), np.nan).astype(np.float32)
