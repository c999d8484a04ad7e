"""Readers that return elevation window by window, so that memory does not grow with the raster."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from demsr.dem.dem import check_range
from demsr.dem.grid import Box, Grid, window_within
from demsr.dem.read.blocks import open_dataset, read_stored_blocks
from demsr.dem.read.declared import Declared
from demsr.dem.read.encoding import Block, ValueEncoding, check_sign_is_known, detect_encoding
from demsr.dem.read.gdal import gdal_errors, sidecar_files
from demsr.dem.read.header import Header, read_header
from demsr.dem.read.raster import resolve_datum
from demsr.dem.windows import Window
from demsr.errors import RasterError
from demsr.runtime.files import sha256_of_file

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Function that takes the number of steps and returns a context; its value is called with the number of steps done."""

_MARGIN_PX = 512  # more than any net and its corrections read around a window


class WindowReader(ABC):
    """Raster, or region of one, that is read by windows; cells around the region can be read as well.

    Attributes
    ----------
    shape : (rows, cols) of the whole raster
    is_periodic : whether the last column adjoins the first, around the globe
    region : position of the region in the whole raster
    """

    shape: tuple[int, int]
    is_periodic: bool
    region: Window

    def around(self, window: Window, reach_px: int) -> tuple[NDArray[np.float32], Window]:
        """Read a window of the region with the cells around it, as far as the raster extends.

        Around the globe the first column follows the last; at the poles the raster ends.

        Parameters
        ----------
        window : cells of the region
        reach_px : width of the margin around the window, in pixels

        Returns
        -------
        elevation : (rows, cols) metres, NaN where void
        inner : position of the window in `elevation`
        """
        placed = window.relative_to(-self.region.row, -self.region.col)
        part = placed.grow(reach_px).clip(*self.shape, is_periodic=self.is_periodic)
        return self.read(part), placed.relative_to(part.row, part.col)

    @abstractmethod
    def read(self, window: Window) -> NDArray[np.float32]:
        """Read a window of the whole raster; around the globe its columns may exceed the first and the last."""


class ArrayReader(WindowReader):
    """Reader of an array: (rows, cols) float32 metres, north-up, NaN where void."""

    def __init__(self, elevation_m: NDArray[np.float32], *, is_periodic: bool = False) -> None:
        self.elevation_m, self.is_periodic = elevation_m, is_periodic
        self.shape = elevation_m.shape[0], elevation_m.shape[1]
        self.region = Window(0, 0, *self.shape)

    def read(self, window: Window) -> NDArray[np.float32]:
        """See `WindowReader`."""
        columns = np.arange(window.col, window.col + window.cols)
        part: NDArray[np.float32] = np.take(self.elevation_m[window.slices[0]], columns, axis=1, mode="wrap")
        return part


class RasterReader(WindowReader):
    """Reader of a raster file that stays open, or of a region of it; made by `open_raster`.

    Attributes
    ----------
    grid : grid of the region
    vertical_datum, source : as in `Dem`
    assumptions : properties that the file does not state and were assumed, one sentence each
    files : the raster file and its sidecar files
    sha256 : hash of the raster file, joined with those of its sidecar files
    """

    def __init__(
        self, header: Header, dataset: rasterio.DatasetReader, encoding: ValueEncoding, *, region: Window, grid: Grid
    ) -> None:
        self.header, self.dataset, self.encoding = header, dataset, encoding
        self.shape, self.is_periodic = (header.grid.rows, header.grid.cols), header.grid.is_periodic
        self.region, self.grid = region, grid
        self.vertical_datum, self.source = header.vertical_datum, header.source
        self.assumptions = (*header.assumptions, *encoding.notes)
        self.files = [header.path, *sidecar_files(header.path)]
        self._states = [_state(path) for path in self.files]
        self.sha256 = "+".join(sha256_of_file(path) for path in self.files)

    def check_unchanged(self) -> None:
        """Raise RasterError if a file was modified since it was opened."""
        if self._states != [_state(path) for path in self.files]:
            message = f"{self.header.path}: changed while it was read; leave it alone and run this again"
            raise RasterError(message)

    def read(self, window: Window) -> NDArray[np.float32]:
        """See `WindowReader`."""
        elevation = np.empty((window.rows, window.cols), np.float32)
        with gdal_errors(self.header.path):
            for block, stored, masked in read_stored_blocks(self.dataset, self.header, window):
                elevation[block.slices] = self.encoding.decode(stored, masked)
        check_range(elevation, str(self.header.path))
        return elevation


@contextmanager
def no_progress(_total: int) -> Iterator[Callable[[int], None]]:
    """Show nothing; `demsr.reporting.progress.look_progress` shows a bar.

    Parameters
    ----------
    _total : number of steps
    """
    yield lambda _done: None


@contextmanager
def open_raster(
    path: Path,
    *,
    declared: Declared | None = None,
    vertical_datum: str | None = None,
    within: Box | None = None,
    progress: Progress = no_progress,
    is_elevation: bool = True,
) -> Iterator[RasterReader]:
    """Open a raster file in any format of GDAL, and detect the encoding of its values by reading them once.

    A file that states no vertical datum is opened all the same, with `RasterReader.vertical_datum` None.

    Parameters
    ----------
    path : raster file, or .zip archive with one raster
    declared : properties that the file lacks or states wrongly
    vertical_datum : datum to assume if the file states none
    within : box in degrees; the region is the cells that touch it
    progress : shows how far the first reading is, in pixels
    is_elevation : refuse layers that are no elevation; False for type identifiers, for example

    Raises
    ------
    RasterError, GridError, DatumError, VoidError : see `demsr.dem.read.raster.read_dem`
    """
    header = resolve_datum(read_header(path, declared, is_elevation=is_elevation), vertical_datum)
    check_sign_is_known(header, within)
    region, grid = window_within(header.grid, within, where=str(path))
    with open_dataset(header) as dataset:
        part = _with_margin(region, header.grid)
        with gdal_errors(path), progress(part.cells) as advance:

            def read_blocks() -> Iterator[Block]:
                for block, stored, masked in read_stored_blocks(dataset, header, part):
                    yield stored, masked
                    advance(block.cells)

            encoding = detect_encoding(read_blocks, header.storage)
        yield RasterReader(header, dataset, encoding, region=region, grid=grid)


def _with_margin(region: Window, grid: Grid) -> Window:
    """Return the region with all cells around it that may be read."""
    part = region.grow(_MARGIN_PX).clip(grid.rows, grid.cols, is_periodic=grid.is_periodic)
    return replace(part, cols=min(part.cols, grid.cols))


def _state(path: Path) -> tuple[int, int]:
    """Return size and modification time of a file."""
    try:
        status = path.stat()
    except OSError as error:
        message = f"{path}: disappeared while it was read ({error.strerror}); bring it back and run this again"
        raise RasterError(message) from error
    return status.st_size, status.st_mtime_ns
