"""Any raster, tile by tile, to a product on disk, in memory that does not depend on the size of the raster."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from demsr.dem.grid import Box, Grid, describe_spacing
from demsr.dem.read.header import Declared
from demsr.dem.read.stream import RasterReader, open_raster
from demsr.dem.windows import Window, tiles
from demsr.errors import GridError, VoidError
from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tile_store import tile_store
from demsr.output.product import Band, Product, encode_tile, write_product
from demsr.pairs.source_types import MEASURED


@dataclass(frozen=True, kw_only=True)
class Source:
    """A raster to super-resolve, so described that another process can open it.

    Attributes
    ----------
    path : of the raster
    declared, within : see `demsr.dem.read.stream.open_raster`
    tid : grid of GEBCO's type identifiers on the same cells; only where these say measured, the result is consistent
    """

    path: Path
    declared: Declared = Declared()
    within: Box | None = None
    tid: Path | None = None


class SourceReader:
    """A source that is being read."""

    def __init__(self, source: Source, surface: RasterReader, tid: RasterReader | None) -> None:
        self.source, self.surface, self.tid = source, surface, tid

    @property
    def surfaces(self) -> list[RasterReader]:
        """The rasters that are read."""
        return [self.surface] if self.tid is None else [self.surface, self.tid]

    def around(self, window: Window, reach_px: int) -> tuple[NDArray[np.float32], Window, NDArray[np.bool_] | None]:
        """Return the elevation around a window, where the window lies in it, and where it was measured."""
        elevation, inner = self.surface.around(window, reach_px)
        if self.tid is None:
            return elevation, inner, None
        row, col = _offset(self.surface.grid, self.tid.grid)
        corner = Window(row + window.row - inner.row, col + window.col - inner.col, *elevation.shape)
        return elevation, inner, _measured(self.tid, corner)

    def check_unchanged(self) -> None:
        """Raise RasterError if a file was written to since it was opened."""
        for surface in self.surfaces:
            surface.check_unchanged()


@contextmanager
def opened(source: Source) -> Iterator[SourceReader]:
    """Open a raster, and its type identifiers if it has them.

    Raises
    ------
    RasterError, DatumError, VoidError : see `demsr.dem.read.stream.open_raster`
    GridError : also a box in degrees of a projected raster, or identifiers of other cells
    """
    with ExitStack() as stack:
        surface = stack.enter_context(open_raster(source.path, declared=source.declared, within=source.within))
        if source.within is not None and not surface.grid.is_geographic:
            message = f"{source.path}: the raster is projected; cut it with `gdal_translate -projwin`, not with a box"
            raise GridError(message)
        tid = None
        if source.tid is not None:
            tid = stack.enter_context(open_raster(source.tid, vertical_datum="MSL"))
            _check_identifiers(surface.grid, tid, source)
        yield SourceReader(source, surface, tid)


BANDS = (
    Band(name="elevation", description="elevation, super-resolved"),
    Band(name="uncertainty", description="standard uncertainty of the elevation, 1 sigma"),
)

_SEAMS, _SEAM_PX = 4, 64
_ALIGNED = 0.05  # of a cell
_HIGHEST_IDENTIFIER = 99  # GEBCO uses numbers to 72


class Workers(Protocol):
    """Who computes tiles: this process, or others."""

    def compute(self, windows: list[Window]) -> Iterable[tuple[Window, bytes]]:
        """Yield each window with its tile, encoded, in any order."""


class LocalWorkers:
    """Compute one tile after the other."""

    def __init__(self, source: SourceReader, resolver: SuperResolver) -> None:
        self.source, self.resolver = source, resolver

    def compute(self, windows: list[Window]) -> Iterator[tuple[Window, bytes]]:
        """See `Workers`."""
        for window in windows:
            yield window, tile_of(self.source, self.resolver, window)


def tile_of(source: SourceReader, resolver: SuperResolver, window: Window) -> bytes:
    """Super-resolve one window of a source, and encode it."""
    bands = resolver(*source.around(window, resolver.reach_px))
    return encode_tile(bands, source.surface.grid.window(*astuple(window)).refine(resolver.scale))


def super_resolve_file(
    source: SourceReader,
    target: Path,
    resolver: SuperResolver,
    workers: Workers,
    *,
    tile_px: int,
    tags: dict[str, str],
    identity: dict[str, str],
    resume: bool = False,
    overwrite: bool = False,
) -> tuple[Product, int]:
    """Write the super-resolved raster; a run that was killed goes on where it was, to the same bytes.

    Parameters
    ----------
    target : .tif, .nc, or a folder of tiles, see `demsr.output.product.write_product`
    tile_px : side of a tile in LR pixels
    tags : what the product says of its making
    identity : all that the pixels depend on

    Returns
    -------
    product : what was written
    computed : LR pixels that this run computed, the others being there already

    Raises
    ------
    RasterError : the target cannot be written, tiles of another run are in the way, or the input changed
    """
    surface = source.surface
    product = Product(
        grid=surface.grid.refine(resolver.scale),
        vertical_datum=surface.vertical_datum,
        source=f"{surface.source}, super-resolved",
        bands=BANDS[: 1 + resolver.uncertain],
        tags=tags,
    )
    windows = tiles(surface.grid.rows, surface.grid.cols, tile_px)
    with tile_store(target, identity, resume=resume, overwrite=overwrite) as store:
        done = store.finished(windows)
        with _progress() as progress:
            task = progress.add_task("super-resolve", total=surface.grid.rows * surface.grid.cols)
            kept = sum(window.cells for window in done)
            progress.advance(task, kept)
            for window, content in workers.compute([window for window in windows if window not in done]):
                done[window] = store.add(window, content)
                progress.advance(task, window.cells)
        source.check_unchanged()
        write_product(target, {window.refine(resolver.scale): done[window] for window in windows}, product)
    return product, surface.grid.rows * surface.grid.cols - kept


def check_source(source: SourceReader) -> None:
    """Refuse rasters that are too small or wholly void.

    Raises
    ------
    GridError, VoidError : they are
    """
    surface = source.surface
    (rows, cols), path = surface.shape, surface.header.path
    if min(rows, cols) < 2:
        message = f"{path}: the raster has {rows} x {cols} pixels; it needs 2 or more a side"
        raise GridError(message)
    if not surface.encoding.measured_px:
        cells = surface.grid.rows * surface.grid.cols
        message = f"{path}: all {cells} pixels are void; give a raster or a box with measured pixels"
        raise VoidError(message)


def measured_seam_m(source: SourceReader, resolver: SuperResolver, tile_px: int) -> float:
    """Return the largest difference that a halo makes which is less than exact, in corners of up to four tiles."""
    surface = source.surface
    exact = SuperResolver(
        resolver.net, precision=resolver.precision, consistent=resolver.consistent, uncertain=resolver.uncertain
    )
    corners = tiles(surface.grid.rows, surface.grid.cols, tile_px)
    chosen = corners[:: max(1, len(corners) // _SEAMS)][:_SEAMS]
    worst = 0.0
    for tile in chosen:
        window = Window(tile.row, tile.col, min(tile.rows, _SEAM_PX), min(tile.cols, _SEAM_PX))
        near, far = (each(*source.around(window, each.reach_px)) for each in (resolver, exact))
        worst = max(worst, float(np.nanmax(np.abs(near - far), initial=0.0)))
    return worst


def _offset(grid: Grid, of_tid: Grid) -> tuple[int, int]:
    """Return the row and column of the identifiers that the first cell of a grid lies at."""
    row, col = of_tid.index(*grid.centre(0, 0))
    return round(row), round(col)


def _measured(tid: RasterReader, window: Window) -> NDArray[np.bool_]:
    """Return where identifiers say measured, in a window that may reach beyond them: nothing is known there."""
    measured = np.zeros((window.rows, window.cols), bool)
    part = window.clip(*tid.shape, is_periodic=tid.is_periodic)
    if part.cells:
        measured[part.relative_to(window.row, window.col).slices] = np.isin(tid.read(part), MEASURED)
    return measured


def _check_identifiers(grid: Grid, tid: RasterReader, source: Source) -> None:
    row, col = tid.grid.index(*grid.centre(0, 0))
    off = max(abs(row - round(row)), abs(col - round(col)))
    sizes = np.divide((tid.grid.pixel_width, tid.grid.pixel_height), (grid.pixel_width, grid.pixel_height))
    if off > _ALIGNED or np.abs(sizes - 1).max() * max(grid.rows, grid.cols) > _ALIGNED or tid.grid.crs != grid.crs:
        message = (
            f"{source.tid}: its cells are not those of {source.path} ({describe_spacing(tid.grid)}, "
            f"{off:.2g} of a cell aside); "
            "give the identifiers of the same release"
        )
        raise GridError(message)
    middle = tid.read(Window(tid.shape[0] // 2, 0, 1, tid.shape[1]))
    if not np.isin(middle[np.isfinite(middle)], range(_HIGHEST_IDENTIFIER + 1)).all():
        message = (
            f"{source.tid}: holds numbers that are no type identifiers (0 to {_HIGHEST_IDENTIFIER}); give a TID grid"
        )
        raise GridError(message)


def _progress() -> Progress:
    """Return a bar whose remaining time follows from all tiles so far: their cost differs, with voids above all."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("LR px"),
        TimeRemainingColumn(elapsed_when_finished=True),
        speed_estimate_period=3600.0,
        console=console,
        disable=not console.is_terminal,
    )
