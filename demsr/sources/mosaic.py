"""Mosaic of an input's windows on its global grid."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio import windows

from demsr.dem.read.confined import local_files_only, open_local
from demsr.dem.write_errors import heard_write_errors
from demsr.errors import FetchError
from demsr.runtime.files import atomic_write
from demsr.sources.cutting import TILED

_BLOCK = 240  # cells, side of a block: windows of whole degrees fill whole blocks
_MAX_OFFSET = 0.01  # cells, of a window's corner from the global grid


def write_mosaic(parts: Sequence[Path], target: Path) -> None:
    """Write windows of a global 15 arc-second grid into one sparse GeoTIFF; cells outside the windows are void.

    Parameters
    ----------
    parts : window files, geographic, integer elevations
    target : GeoTIFF to write; its bytes do not depend on the order of the parts

    Raises
    ------
    FetchError : a window is not of integers or does not fit the grid
    """
    with local_files_only(), open_local(str(parts[0].absolute()), parts[0]) as first:
        dtype, nodata, spacing_deg = first.dtypes[0], first.nodata, 1 / round(1 / first.res[0])
    if not np.issubdtype(np.dtype(dtype), np.integer):
        message = f"{parts[0]}: its values are {dtype}, not integers; the service has changed, try lr_whole"
        raise FetchError(message)
    if nodata is None:
        limits = np.iinfo(dtype)
        nodata = limits.min or limits.max  # unsigned types begin at 0
    profile = {
        **TILED,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "sparse_ok": True,
        "count": 1,
        "dtype": dtype,
        "crs": "EPSG:4326",
        "nodata": nodata,
        "width": round(360 / spacing_deg),
        "height": round(180 / spacing_deg),
        "transform": Affine(spacing_deg, 0, -180, 0, -spacing_deg, 90),
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(local_files_only())
        temporary = stack.enter_context(atomic_write(target))
        stack.enter_context(heard_write_errors())
        globe = stack.enter_context(rasterio.open(temporary, "w", **profile))
        sources = [stack.enter_context(open_local(str(part.absolute()), part)) for part in parts]
        placed = sorted((*_first_cell(source, globe, dtype), number) for number, source in enumerate(sources))
        for top in range(0, globe.height, _BLOCK):  # block rows in file order, so that the bytes are reproducible
            for row, col, number in placed:
                source = sources[number]
                first, last = max(row, top), min(row + source.height, top + _BLOCK)
                if first < last:
                    values = source.read(1, window=windows.Window(0, first - row, source.width, last - first))
                    globe.write(values, 1, window=windows.Window(col, first, source.width, last - first))


def _first_cell(source: rasterio.DatasetReader, globe: rasterio.DatasetReader, dtype: str) -> tuple[int, int]:
    """Return row and column of a window's north-west cell on the global grid."""
    spacing_deg = globe.res[0]
    row, col = (90 - source.bounds.top) / spacing_deg, (source.bounds.left + 180) / spacing_deg
    if max(abs(row - round(row)), abs(col - round(col))) > _MAX_OFFSET or source.dtypes[0] != dtype:
        message = f"{source.name}: its cells do not match those of the other windows; the service has changed"
        raise FetchError(message)
    if min(row, col) < -_MAX_OFFSET or row + source.height > globe.height or col + source.width > globe.width:
        message = f"{source.name}: extends beyond the globe; the service has changed"
        raise FetchError(message)
    return round(row), round(col)
