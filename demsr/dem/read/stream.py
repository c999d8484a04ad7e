"""Elevation that is read window by window, so that a raster of any size needs the memory of one window."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from demsr.dem.dem import check_range
from demsr.dem.grid import Box, Grid
from demsr.dem.read.header import Declared, Header, gdal_errors, read_header, sidecar_files
from demsr.dem.read.raster import (
    ValueEncoding,
    check_sign,
    detect_encoding,
    open_dataset,
    read_stored_blocks,
    window_within,
)
from demsr.dem.windows import Window
from demsr.errors import DatumError, RasterError
from demsr.runtime.files import sha256_of_file

_MARGIN_PX = 512  # more than any net and its corrections read around a window


class WindowReader(ABC):
    """A raster, or a region of one; what lies around the region may be read as well.

    Attributes
    ----------
    shape : (rows, cols) of the whole raster
    is_periodic : whether its last column is beside its first, around the globe
    region : where the region lies in the whole raster
    """

    shape: tuple[int, int]
    is_periodic: bool
    region: Window

    def around(self, window: Window, reach_px: int) -> tuple[NDArray[np.float32], Window]:
        """Read a window of the region and what lies around it, as far as the raster goes.

        Around the globe, the last column is followed by the first; at the poles a raster ends.

        Returns
        -------
        elevation : metres, NaN where void
        inner : where the window lies in it
        """
        placed = window.relative_to(-self.region.row, -self.region.col)
        part = placed.grow(reach_px).clip(*self.shape, is_periodic=self.is_periodic)
        return self.read(part), placed.relative_to(part.row, part.col)

    @abstractmethod
    def read(self, window: Window) -> NDArray[np.float32]:
        """Read a window of the whole raster; around the globe its columns may lie beyond the first and the last."""


class ArrayReader(WindowReader):
    """A raster in memory, north-up, (rows, cols) float32 metres, NaN where void."""

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
    """A raster file, or a region of one, that stays open while it is read; made by `open_raster`.

    Attributes
    ----------
    grid : of the region
    vertical_datum, source : as in `Dem`
    assumptions : what the file does not say and was taken for granted, one sentence each
    files : the file, and those that are read with it
    sha256 : of the file, and of those that are read with it
    """

    def __init__(
        self,
        header: Header,
        dataset: rasterio.DatasetReader,
        encoding: ValueEncoding,
        *,
        region: Window,
        grid: Grid,
        vertical_datum: str,
        assumptions: tuple[str, ...],
    ) -> None:
        self.header, self.dataset, self.encoding = header, dataset, encoding
        self.shape, self.is_periodic = (header.grid.rows, header.grid.cols), header.grid.is_periodic
        self.grid, self.region = grid, region
        self.vertical_datum, self.source, self.assumptions = vertical_datum, header.source, assumptions
        self.files = [header.path, *sidecar_files(header.path)]
        self._states = [_state(path) for path in self.files]
        digests = [sha256_of_file(path) for path in self.files]
        self.sha256 = digests[0] if len(digests) == 1 else "+".join(digests)

    def check_unchanged(self) -> None:
        """Raise RasterError if the file was written to since it was opened."""
        if self._states != [_state(path) for path in self.files]:
            message = f"{self.header.path}: changed while it was read; leave it alone and run this again"
            raise RasterError(message)

    def read(self, window: Window) -> NDArray[np.float32]:
        """See `WindowReader`."""
        elevation = np.empty((window.rows, window.cols), np.float32)
        with gdal_errors(self.header.path):
            for part, values in read_stored_blocks(self.dataset, self.header, window):
                elevation[part.slices] = values
        self.encoding.apply(elevation)
        check_range(elevation, str(self.header.path))
        return elevation


@contextmanager
def open_raster(
    path: Path, *, declared: Declared | None = None, vertical_datum: str | None = None, within: Box | None = None
) -> Iterator[RasterReader]:
    """Open any raster that GDAL knows, and look once at all numbers that will be read from it.

    Everything else is as in `demsr.dem.read.raster.read_raster`.

    Parameters
    ----------
    declared : what the file does not say, or says wrongly
    vertical_datum : what to take where nothing says it
    within : the region is the cells that touch this box

    Raises
    ------
    RasterError, GridError, DatumError, VoidError : as `read_raster`
    """
    header = read_header(path, declared)
    notes = list(header.assumptions)
    datum = header.vertical_datum or vertical_datum
    if datum is None:
        message = f"{path}: the file names no vertical datum; name it with --vertical-datum"
        raise DatumError(message)
    if header.vertical_datum is None:
        notes.append(f"vertical datum: the file names none; {datum} taken")
    check_sign(header, within)
    region, grid = window_within(header.grid, within, where=str(path))
    with ExitStack() as stack:
        with gdal_errors(path):
            dataset = stack.enter_context(open_dataset(header))
            looked_at = _with_margin(region, header)
            encoding = detect_encoding((values for _, values in read_stored_blocks(dataset, header, looked_at)), header)
        assumptions = (*notes, *encoding.notes)
        yield RasterReader(
            header, dataset, encoding, region=region, grid=grid, vertical_datum=datum, assumptions=assumptions
        )


def _with_margin(region: Window, header: Header) -> Window:
    """Return the region and what may be read around it."""
    grid = header.grid
    part = region.grow(_MARGIN_PX).clip(grid.rows, grid.cols, is_periodic=grid.is_periodic)
    return replace(part, cols=min(part.cols, grid.cols))


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        message = f"{path}: disappeared while it was read ({error.strerror}); bring it back and run this again"
        raise RasterError(message) from error
    return status.st_size, status.st_mtime_ns
