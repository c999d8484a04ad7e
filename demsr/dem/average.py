"""Averaging of elevation onto the cells of a coarser geographic grid.

Voids are not filled, and vertical datums are not converted here.
"""

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from scipy import ndimage, sparse

from demsr.dem.dem import Dem
from demsr.dem.grid import Grid, metres_per_degree
from demsr.errors import GridError
from demsr.options import Registration

_PER_DEGREE = 1200  # cells of 3 arc-seconds
_ALIKE = 1e-6  # of a target cell: edges closer than this coincide
_HALF = 0.5 - 1e-9  # measured share that a target cell needs, with a margin for rounding
_FAR = 1e9  # pixels or degrees, where a projection ends and PROJ answers inf
_BLOCK_PIXELS = 1 << 22  # source pixels in memory, 32 MiB in float64

_Array = NDArray[np.float64]


def product_grid(grid: Grid) -> Grid:
    """Return the largest 3 arc-second grid inside the outline of another grid.

    Cells are pixel-is-area in the geographic CRS of `grid`; their edges are multiples of 3 arc-seconds counted from
    whole degrees, so that a 15 arc-second cell of GEBCO holds exactly 5 x 5 of them. For a projected grid they fill
    the box around its outline. Edges that coincide to 1e-6 of a cell count as inside.

    Parameters
    ----------
    grid : grid of the raster to average

    Raises
    ------
    GridError : the outline contains no whole cell, or the CRS is not tied to the Earth
    """
    crs = grid.geographic_crs
    west, south, east, north = np.clip(grid.lonlat_bounds(), -_FAR, _FAR)
    first_col, cols = _whole_cells(west, east)
    first_row, rows = _whole_cells(-north, -south)
    if min(rows, cols) < 1:
        box = f"{west:.8g} to {east:.8g} degrees east, {south:.8g} to {north:.8g} north"
        message = f"no whole cell of 3 arc-seconds fits into {box}; give a larger raster"
        raise GridError(message)
    west, north, size = first_col / _PER_DEGREE, -first_row / _PER_DEGREE, 1 / _PER_DEGREE
    return Grid(rows=rows, cols=cols, west=west, north=north, pixel_width=size, pixel_height=size, crs=crs)


def finer_than(target: Grid, source: Grid) -> bool:
    """Whether the middle cells of `target` are finer than those of `source` by more than 1 % along either axis."""
    return min(_pixels_per_cell(target, source)) < 0.99


def average(dem: Dem, target: Grid, *, shift_m: tuple[float, float] = (0.0, 0.0)) -> Dem:
    """Average elevation over each cell of a coarser grid, as pixel-is-area; a plane stays that plane.

    A geographic raster is integrated exactly: between "point" samples it is linear along both axes, an "area" cell
    is its value plus slopes from central differences, so that unions of cells get their block mean (Jones 1999,
    Monthly Weather Review 127, 2204-2210). A projected one is interpolated bilinearly between pixel centres, at 2 to
    16 places along each side of a target cell, no further apart than its pixels unless these are finer than 1/16.

    A target cell is void where it reaches beyond the outermost samples (geographic "area": the outline), or where
    less than half of its weight falls on measured pixels. Where only a part does, it is the mean over that part with
    weights of first order, which are never negative: the overlap, or those of the interpolation.

    Parameters
    ----------
    dem : elevation to average
    target : grid in the geographic CRS of the raster's horizontal datum; longitudes may differ by multiples of 360
    shift_m : (east, north) displacement of the terrain in metres, converted to degrees in the middle of `target`

    Raises
    ------
    GridError : `target` is in another CRS, or finer than the raster, see `finer_than`
    """
    own = dem.grid.geographic_crs
    if not pyproj.CRS(own).equals(target.crs, ignore_axis_order=True):
        message = f"{dem.source}: the target is in {target.crs[:60]!r}; give a target in {own[:60]!r}"
        raise GridError(message)
    down, along = _pixels_per_cell(target, dem.grid)
    if finer_than(target, dem.grid):
        message = f"{dem.source}: a target cell spans {down:.3g} x {along:.3g} pixels, needs one; give a coarser target"
        raise GridError(message)
    place = _moved(target, dem.grid, shift_m)
    block_mean = _integrated if dem.grid.is_geographic else _sampled
    elevation = np.empty((target.rows, target.cols), np.float32)
    height = max(1, int(_BLOCK_PIXELS / (down * along * target.cols)))
    for top in range(0, target.rows, height):
        row, col = _corners(place.window(top, 0, min(height, target.rows - top), target.cols), dem.grid)
        (first_row, rows), (first_col, cols) = _reach(row, dem.grid.rows), _reach(col, dem.grid.cols)
        near = dem.window(first_row, first_col, rows, cols)
        elevation[top : top + height] = block_mean(near, row - first_row, col - first_col)
    return replace(dem, elevation_m=elevation, grid=replace(target, registration="area"))


def _whole_cells(low: float, high: float) -> tuple[int, int]:
    """Return the index of the first whole cell between two degrees, and the number of cells."""
    first = math.ceil(low * _PER_DEGREE - _ALIKE)
    return first, math.floor(high * _PER_DEGREE + _ALIKE) - first


def _pixels_per_cell(target: Grid, source: Grid) -> tuple[float, float]:
    """Return the height and width of the target's middle cell in source pixels."""
    return _longest_sides(*_corners(target.window(target.rows // 2, target.cols // 2, 1, 1), source))


def _longest_sides(row: _Array, col: _Array) -> tuple[float, float]:
    down, along = (np.hypot(np.diff(row, axis=axis), np.diff(col, axis=axis)).max() for axis in (0, 1))
    return float(down), float(along)


def _moved(target: Grid, source: Grid, shift_m: tuple[float, float]) -> Grid:
    """Return the target moved against the shift, and by multiples of 360 degrees to the longitudes of the source."""
    lon_m, lat_m = metres_per_degree((target.north + target.south) / 2)
    turns = round((source.west + source.east - target.west - target.east) / 720) if source.is_geographic else 0
    return replace(target, west=target.west - shift_m[0] / lon_m + 360 * turns, north=target.north - shift_m[1] / lat_m)


def _corners(target: Grid, source: Grid) -> tuple[_Array, _Array]:
    """Return the fractional (row, col) in the source of all corners of target cells, (rows + 1, cols + 1) each."""
    lon = np.linspace(target.west, target.east, target.cols + 1)
    x, y = np.meshgrid(lon, np.linspace(target.north, target.south, target.rows + 1))
    if not (target.is_geographic and source.is_geographic):
        x, y = pyproj.Transformer.from_crs(target.crs, source.crs, always_xy=True).transform(x, y)
    first = source.index(source.west, source.north)
    row, col = first[0] + (source.north - y) / source.pixel_height, first[1] + (x - source.west) / source.pixel_width
    return np.clip(row, -_FAR, _FAR), np.clip(col, -_FAR, _FAR)


def _reach(index: _Array, count: int) -> tuple[int, int]:
    """Return the first pixel and the number of pixels that fractional indices, and their neighbours, span."""
    first = int(np.clip(np.floor(index.min()) - 1, 0, count - 1))
    return first, int(np.clip(np.ceil(index.max()) + 2 - first, 1, count - first))


def _integrated(dem: Dem, row: _Array, col: _Array) -> _Array:
    """Return the exact mean of a geographic raster over cells, (rows, cols), NaN where void."""
    grid = dem.grid
    first = grid.index(grid.west, grid.north) if grid.registration == "area" else (0.0, 0.0)
    rows, plain_rows = _weights(row[:, 0] - first[0], grid.rows, grid.registration)
    cols, plain_cols = _weights(col[0] - first[1], grid.cols, grid.registration)
    void = ~dem.valid
    elevation = np.where(void, 0, dem.elevation_m).astype(np.float64)
    mean = _over_measured(plain_rows @ elevation @ plain_cols.T, plain_rows @ ~void @ plain_cols.T)
    incomplete = (rows != 0) @ void @ (cols != 0).T
    return np.where(incomplete | np.isnan(mean), mean, rows @ elevation @ cols.T)


def _weights(edges: _Array, count: int, registration: Registration) -> tuple[Any, Any]:
    """Return two sparse (cells, count) weights of pixels in target cells along one axis: exact, and non-negative.

    Edges of cells are counted in pixels, from the first sample ("point") or from the outline ("area").
    """
    before, after = sparse.eye_array(count - 1, count), sparse.eye_array(count - 1, count, k=1)
    if registration == "point":
        length, moment = _overlaps(edges, count - 1)
        exact = (length - moment) @ before + moment @ after
        return exact, exact
    length, moment = _overlaps(edges, count)
    beside = (before + after).T  # the one or two differences that define the slope of a pixel
    slope = sparse.diags_array(1 / np.maximum(beside.sum(axis=1), 1)) @ beside @ (after - before)
    return length + (moment - length / 2) @ slope, length


def _overlaps(edges: _Array, count: int) -> tuple[Any, Any]:
    """Return sparse (cells, count) shares in unit intervals and moments about their starts; empty beyond the raster."""
    whole = np.rint(edges)
    edges = np.where(np.abs(edges - whole) < _ALIKE * (edges[1] - edges[0]), whole, edges)
    low, high = edges[:-1, None], edges[1:, None]
    interval = np.floor(low) + np.arange(np.ceil((high - low).max()) + 1)
    start, end = np.clip(low - interval, 0, 1), np.clip(high - interval, 0, 1)
    kept = (start < end) & (low >= 0) & (high <= count)
    place, shape = (np.nonzero(kept)[0], interval[kept].astype(int)), (len(low), count)
    length, moment = (end - start) / (high - low), (end**2 - start**2) / 2 / (high - low)
    return sparse.csr_array((length[kept], place), shape), sparse.csr_array((moment[kept], place), shape)


def _sampled(dem: Dem, row: _Array, col: _Array) -> _Array:
    """Return the sampled mean of a projected raster over cells, (rows, cols), NaN where void."""
    measured = dem.valid
    elevation = np.where(measured, dem.elevation_m, 0)
    places = list(product(*map(_midpoints, _longest_sides(row, col))))
    total = share = np.zeros((row.shape[0] - 1, row.shape[1] - 1))
    for down, along in places:
        place = [_within(row, down, along), _within(col, down, along)]
        total = total + ndimage.map_coordinates(elevation, place, np.float64, order=1, cval=np.nan) / len(places)
        share = share + ndimage.map_coordinates(measured, place, np.float64, order=1) / len(places)
    return _over_measured(total, share)


def _midpoints(side_px: float) -> _Array:
    """Split the side of a cell, 0 to 1, into 2 to 16 parts no longer than a source pixel and return their middles."""
    parts = int(np.clip(np.ceil(side_px), 2, 16))
    return np.arange(1, 2 * parts, 2) / (2 * parts)


def _within(corners: _Array, down: float, along: float) -> _Array:
    """Interpolate from the corners of cells, (rows + 1, cols + 1), to one position in each, (rows, cols)."""
    sides = corners[:-1] + down * (corners[1:] - corners[:-1])
    return sides[:, :-1] + along * (sides[:, 1:] - sides[:, :-1])


def _over_measured(total: _Array, share: _Array) -> _Array:
    """Divide by the measured share of each target cell, NaN where it is less than half."""
    return np.where(share >= _HALF, total / np.maximum(share, _HALF), np.nan)
