"""Super-resolve the windows of a raster and encode each as a tile."""

from collections.abc import Iterable, Iterator
from dataclasses import astuple
from typing import Protocol

import numpy as np

from demsr.dem.dem import check_result
from demsr.dem.grid import Grid, rows_on_the_globe
from demsr.dem.windows import Window, tiles
from demsr.inference.source import SourceReader
from demsr.inference.super_resolver import SuperResolver
from demsr.output.tiles import encode_tile

_CHECKED_TILES, _CHECKED_PX = 4, 64


class Workers(Protocol):
    """Compute tiles, in this process or in others."""

    def compute(self, windows: list[Window]) -> Iterable[tuple[Window, bytes]]:
        """Yield each window with its encoded tile, in any order."""


class LocalWorkers:
    """Compute tiles one after the other in this process.

    Parameters
    ----------
    source : open raster
    resolver : net to apply
    """

    def __init__(self, source: SourceReader, resolver: SuperResolver) -> None:
        self.source, self.resolver = source, resolver

    def compute(self, windows: list[Window]) -> Iterator[tuple[Window, bytes]]:
        """Yield each window with its encoded tile, in order."""
        for window in windows:
            yield window, compute_tile(self.source, self.resolver, window)


def compute_tile(source: SourceReader, resolver: SuperResolver, window: Window) -> bytes:
    """Super-resolve one window of a raster.

    Parameters
    ----------
    source : open raster
    resolver : net to apply
    window : LR cells of the region

    Returns
    -------
    tile : a GeoTIFF, see `demsr.output.product.encode_tile`

    Raises
    ------
    VoidError : the result cannot be elevation on Earth
    CheckpointError : the net gives NaN or infinity where the window is measured
    """
    bands = resolver.window(source, window)
    check_result(bands[0], str(source.source.path))
    part = source.raster.grid.window(*astuple(window))
    rows = rows_on_the_globe(part.refine(resolver.scale))
    return encode_tile(bands[:, rows.start : rows.stop], product_grid(part, resolver.scale))


def product_grid(grid: Grid, scale: int) -> Grid:
    """Return the grid of a product: refined, without rows beyond the poles, over which rows of nodes reach.

    Parameters
    ----------
    grid : of the region, LR cells
    scale : HR pixels per LR pixel along one axis
    """
    fine = grid.refine(scale)
    rows = rows_on_the_globe(fine)
    return fine.window(rows.start, 0, len(rows), fine.cols)


def product_window(grid: Grid, window: Window, scale: int) -> Window:
    """Return the cells of the product that a window of the region becomes.

    Parameters
    ----------
    grid : of the region, LR cells
    window : of the region, LR cells
    scale : HR pixels per LR pixel along one axis
    """
    rows = rows_on_the_globe(grid.refine(scale))
    return window.refine(scale).relative_to(rows.start, 0).clip(len(rows), grid.cols * scale)


def measure_seam_m(source: SourceReader, resolver: SuperResolver, tile_px: int) -> float:
    """Return the largest difference between a halo that is too small and the exact one, metres.

    Corners of up to four tiles are computed with both.

    Parameters
    ----------
    source : open raster
    resolver : with the smaller halo
    tile_px : side of a tile, LR pixels
    """
    options = {name: getattr(resolver, name) for name in ("precision", "consistent", "uncertain", "law")}
    exact = SuperResolver(resolver.net, **options)
    grid = source.raster.grid
    windows = tiles(grid.rows, grid.cols, tile_px)
    worst = 0.0
    for tile in windows[:: max(1, len(windows) // _CHECKED_TILES)][:_CHECKED_TILES]:
        corner = Window(tile.row, tile.col, min(tile.rows, _CHECKED_PX), min(tile.cols, _CHECKED_PX))
        near, far = (one.window(source, corner) for one in (resolver, exact))
        worst = max(worst, float(np.nanmax(np.abs(near - far), initial=0.0)))
    return worst
