"""The raster to super-resolve, with the grid of source types that may belong to it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demsr.dem.grid import Box, Grid, describe_spacing
from demsr.dem.read.declared import Declared
from demsr.dem.read.stream import Progress, RasterReader, no_progress, open_raster
from demsr.dem.windows import Window
from demsr.errors import GridError, VoidError

_ALIGNED = 0.05  # of a cell
_HIGHEST_TID = 99  # GEBCO uses numbers up to 72


@dataclass(frozen=True, kw_only=True)
class RasterSource:
    """A raster to super-resolve, described so that another process can open it.

    Attributes
    ----------
    path : of the raster
    declared : properties that the file does not state, or states wrongly
    within : read only the cells that touch this box, degrees
    tid : GEBCO type identifier (TID) grid on the same cells; limits consistency to measured cells
    """

    path: Path
    declared: Declared = Declared()
    within: Box | None = None
    tid: Path | None = None


class SourceReader:
    """An open `RasterSource`.

    Parameters
    ----------
    source : the description
    raster : reader of the elevation
    tid : reader of the type identifiers, None where there are none
    """

    def __init__(self, source: RasterSource, raster: RasterReader, tid: RasterReader | None) -> None:
        self.source, self.raster, self.tid = source, raster, tid
        self.readers = [raster] if tid is None else [raster, tid]

    def around(self, window: Window, reach_px: int) -> tuple[NDArray[np.float32], Window, NDArray[np.float32] | None]:
        """Read a window and its surroundings.

        Parameters
        ----------
        window : of the region, LR cells
        reach_px : LR cells to read on each side, as far as the raster goes

        Returns
        -------
        elevation : (H, W) metres, NaN where void
        inner : position of the window in `elevation`
        tid : (H, W) type identifiers, NaN beyond their grid; None without identifiers
        """
        elevation, inner = self.raster.around(window, reach_px)
        if self.tid is None:
            return elevation, inner, None
        row, col = self.tid.grid.index(*self.raster.grid.centre(0, 0))
        corner = Window(round(row) + window.row - inner.row, round(col) + window.col - inner.col, *elevation.shape)
        return elevation, inner, _identifiers(self.tid, corner)

    def check_unchanged(self) -> None:
        """Raise RasterError if a file was written to since it was opened."""
        for reader in self.readers:
            reader.check_unchanged()


@contextmanager
def open_source(source: RasterSource, progress: Progress = no_progress) -> Iterator[SourceReader]:
    """Open a raster and its type identifiers.

    Parameters
    ----------
    source : the raster
    progress : shows how far its first reading is, in pixels

    Raises
    ------
    RasterError, DatumError, VoidError : see `demsr.dem.read.stream.open_raster`
    GridError : likewise; also a box for a projected raster, identifiers on other cells, fewer than 2 x 2 pixels
    VoidError : likewise; also a raster without a measured pixel
    """
    with ExitStack() as stack:
        raster = stack.enter_context(
            open_raster(source.path, declared=source.declared, within=source.within, progress=progress)
        )
        _check_raster(raster, source)
        tid = None
        if source.tid is not None:
            tid = stack.enter_context(open_raster(source.tid, vertical_datum="MSL", is_elevation=False))
            _check_identifiers(raster.grid, tid, source)
        yield SourceReader(source, raster, tid)


def _check_raster(raster: RasterReader, source: RasterSource) -> None:
    if source.within is not None and not raster.grid.is_geographic:
        message = f"{source.path}: the raster is projected; cut it with `gdal_translate -projwin`, not with a box"
        raise GridError(message)
    if min(raster.shape) < 2:
        message = f"{source.path}: the raster has {raster.shape[0]} x {raster.shape[1]} pixels; it needs 2 x 2 or more"
        raise GridError(message)
    if not raster.encoding.measured_px:
        cells = raster.grid.rows * raster.grid.cols
        message = f"{source.path}: all {cells} pixels are void; give a raster or a box with measured pixels"
        raise VoidError(message)


def _identifiers(tid: RasterReader, window: Window) -> NDArray[np.float32]:
    """Return the identifiers of a window, NaN beyond their grid."""
    found = np.full((window.rows, window.cols), np.nan, np.float32)
    part = window.clip(*tid.shape, is_periodic=tid.is_periodic)
    if part.cells:
        found[part.relative_to(window.row, window.col).slices] = tid.read(part)
    return found


def _check_identifiers(grid: Grid, tid: RasterReader, source: RasterSource) -> None:
    row, col = tid.grid.index(*grid.centre(0, 0))
    off = max(abs(row - round(row)), abs(col - round(col)))
    sizes = np.divide((tid.grid.pixel_width, tid.grid.pixel_height), (grid.pixel_width, grid.pixel_height))
    if off > _ALIGNED or np.abs(sizes - 1).max() * max(grid.rows, grid.cols) > _ALIGNED or tid.grid.crs != grid.crs:
        message = (
            f"{source.tid}: its cells ({describe_spacing(tid.grid)}, offset by {off:.2g} cell) do not match those of "
            f"{source.path}; give the TID grid of the same release"
        )
        raise GridError(message)
    middle = tid.read(Window(tid.shape[0] // 2, 0, 1, tid.shape[1]))
    if not np.isin(middle[np.isfinite(middle)], range(_HIGHEST_TID + 1)).all():
        message = f"{source.tid}: contains numbers outside 0 to {_HIGHEST_TID}, not type identifiers; give a TID grid"
        raise GridError(message)
