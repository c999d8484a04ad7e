"""Super-resolve an xarray DataArray in memory."""

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from demsr.dem.dem import HIGHEST_M, LOWEST_M, out_of_range
from demsr.dem.grid import Grid
from demsr.dem.read.identity import product_of
from demsr.dem.read.stream import ArrayReader
from demsr.dem.units import METRES_PER_UNIT
from demsr.dem.windows import tiles
from demsr.errors import GridError, VoidError
from demsr.inference.load import BUILTIN, choose_operator, load_model
from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tile_plan import default_tile_px
from demsr.model.coast import CoastNet
from demsr.model.srnet import DemSrNet
from demsr.options import InferencePrecision, Operator

_NAMES = {"y": ("lat", "latitude", "y"), "x": ("lon", "longitude", "x")}
_UNEVEN = 1e-3  # of a step: largest deviation from even coordinates
_GEO_TRANSFORM = "GeoTransform"
_PACKING = ("_FillValue", "missing_value", "scale_factor", "add_offset")  # absent once xarray has decoded


def super_resolve(
    elevation: xr.DataArray,
    model: str | Path | DemSrNet | CoastNet = BUILTIN,
    *,
    operator: Operator | None = None,
    device: str = "auto",
    precision: InferencePrecision = "auto",
    consistent: bool = False,
    uncertain: bool = False,
    tile_px: int | None = None,
) -> xr.DataArray:
    """Replace every cell of an array by 5 x 5 cells; voids stay void, name and attributes are kept.

    Needs the extra `xarray`.

    Parameters
    ----------
    elevation : metres, positive up, NaN where void, with evenly spaced coordinates along two dimensions, in either
        direction
    model : see `demsr.load_model`, or a net
    operator : how the cells came from the terrain, see `demsr.load_model`; None takes "gebco" for an array whose file
        or attributes name GEBCO or SRTM15+, else "blind"
    device : "auto", "cpu", "cuda", ...
    precision : of the blocks of the net; "auto" takes bf16 where the hardware supports it
    consistent : make the mean of each block of 5 x 5 cells equal to the input cell
    uncertain : add the standard error of each cell, metres, as the coordinate `uncertainty`
    tile_px : side of a tile, LR pixels; None takes the largest that fits in memory

    Returns
    -------
    fine : the same dimensions, five times as many cells along both

    Raises
    ------
    GridError : coordinates are missing or uneven, or elevation is not in metres and positive up
    VoidError : no cell is measured, or values cannot be elevations
    CheckpointError, ParamsError, TrackingError : see `demsr.load_model`

    Examples
    --------
    >>> import demsr, numpy as np, xarray as xr
    >>> lat, lon = 46 - np.arange(8) / 240, 7 + np.arange(10) / 240
    >>> gebco = xr.DataArray(100 * np.random.rand(8, 10), {"lat": lat, "lon": lon}, ("lat", "lon"))
    >>> demsr.super_resolve(gebco).shape
    (40, 50)
    """
    _check_type(elevation)
    plane = elevation.squeeze(drop=False)
    where = str(elevation.name or "elevation")
    rows, cols = _dimensions(plane, where)
    _check_units(plane, where)
    net = _net(model, operator, plane, (rows, cols), device)
    resolver = SuperResolver(net, precision=precision, consistent=consistent, uncertain=uncertain)
    north_up, flips = _north_up(plane.transpose(rows, cols), rows, cols)
    values = north_up.to_numpy().astype(np.float32)
    _check_values(values, where)
    reader = ArrayReader(values, is_periodic=_is_periodic(north_up[cols]))
    fine, *errors = _super_resolve_tiles(reader, resolver, tile_px or default_tile_px(resolver))
    coordinates = {name: _refined(north_up[name], resolver.scale) for name in (rows, cols)}
    scalars = {name: _rescaled(coord, resolver.scale) for name, coord in plane.coords.items() if not coord.dims}
    result = xr.DataArray(fine, {**coordinates, **scalars}, (rows, cols), elevation.name, elevation.attrs)
    for sigma_m in errors:
        result = result.assign_coords(uncertainty=((rows, cols), sigma_m, {"units": "m"}))
    return result.isel(flips).transpose(*plane.dims)


def _net(
    model: str | Path | DemSrNet | CoastNet,
    operator: Operator | None,
    plane: xr.DataArray,
    dims: tuple[str, str],
    device: str,
) -> DemSrNet | CoastNet:
    """Return the net for the operator that is asked for, or that follows from the product."""
    if not isinstance(model, str | Path):
        return model
    name = Path(str(plane.encoding.get("source", ""))).name
    texts = {key: str(text) for key, text in plane.attrs.items()}
    chosen, _ = choose_operator(model, operator, product_of(_grid(plane, *dims), name, texts))
    return load_model(model, device=device, operator=chosen)


def _grid(plane: xr.DataArray, rows: str, cols: str) -> Grid:
    """Return the grid of an array, taken as degrees."""
    south, north = sorted(map(float, plane[rows][[0, -1]]))
    west, east = sorted(map(float, plane[cols][[0, -1]]))
    height, width = (north - south) / (plane.sizes[rows] - 1), (east - west) / (plane.sizes[cols] - 1)
    return Grid(
        rows=plane.sizes[rows],
        cols=plane.sizes[cols],
        west=west - width / 2,
        north=north + height / 2,
        pixel_width=width,
        pixel_height=height,
        crs="EPSG:4326",
    )


def _check_type(elevation: object) -> None:
    if not isinstance(elevation, xr.DataArray):
        message = f"elevation is a {type(elevation).__name__}; pass an xarray DataArray, such as dataset.elevation"
        raise TypeError(message)


def _super_resolve_tiles(reader: ArrayReader, resolver: SuperResolver, tile_px: int) -> NDArray[np.float32]:
    rows, cols = reader.shape
    fine = np.empty((1 + resolver.uncertain, rows * resolver.scale, cols * resolver.scale), np.float32)
    for window in tiles(rows, cols, tile_px):
        place = (slice(None), *window.refine(resolver.scale).slices)
        fine[place] = resolver(*reader.around(window, resolver.reach_px))
    return fine


def _dimensions(plane: xr.DataArray, where: str) -> tuple[str, str]:
    """Return the names of the dimensions of rows and columns."""
    if plane.ndim != 2 or min(plane.shape) < 2:
        message = f"{where}: has shape {plane.shape}; two dimensions of 2 or more cells are needed"
        raise GridError(message)
    first, second = map(str, plane.dims)
    rows, cols = (second, first) if first.lower() in _NAMES["x"] or second.lower() in _NAMES["y"] else (first, second)
    for name in (rows, cols):
        if name not in plane.coords:
            message = f"{where}: dimension {name} has no coordinates; assign those of the cell centres"
            raise GridError(message)
        centres = plane[name].to_numpy()
        values = centres.astype(np.float64)
        even = np.linspace(values[0], values[-1], len(values))
        rounding = 2 * np.spacing(np.abs(centres).max()) if np.issubdtype(centres.dtype, np.floating) else 0.0
        allowed = _UNEVEN * abs(even[1] - even[0]) + rounding
        if not np.abs(values - even).max() <= allowed or even[0] == even[-1]:
            message = f"{where}: coordinates {name} are not evenly spaced; interpolate to even ones first"
            raise GridError(message)
    return rows, cols


def _check_units(plane: xr.DataArray, where: str) -> None:
    if packed := [name for name in _PACKING if name in plane.attrs]:
        message = (
            f"{where}: has {', '.join(packed)}, so its values are still packed; decode them with xarray.decode_cf or "
            "rioxarray.open_rasterio(..., masked=True)"
        )
        raise GridError(message)
    unit, positive = str(plane.attrs.get("units", "m")).lower(), str(plane.attrs.get("positive", "up")).lower()
    if METRES_PER_UNIT.get(unit) != 1 or positive != "up":
        message = (
            f"{where}: units are {unit!r}, positive {positive}; metres, positive up, are needed: convert values and "
            "attributes"
        )
        raise GridError(message)


def _check_values(values: NDArray[np.float32], where: str) -> None:
    wrong = out_of_range(values)
    if wrong.any():
        message = (
            f"{where}: {int(wrong.sum())} values lie outside {LOWEST_M:.0f} to {HIGHEST_M:.0f} m, such as "
            f"{values[wrong][0]:g}; make voids NaN, for example with elevation.where(...), and convert to metres"
        )
        raise VoidError(message)
    if not np.isfinite(values).any():
        message = f"{where}: all {values.size} cells are void; give an array with measured cells"
        raise VoidError(message)


def _north_up(plane: xr.DataArray, rows: str, cols: str) -> tuple[xr.DataArray, dict[str, slice]]:
    """Return the array from north to south and west to east, and the index that flips the result back."""
    backwards = {rows: plane[rows][0] < plane[rows][-1], cols: plane[cols][0] > plane[cols][-1]}
    flips = {name: slice(None, None, -1) for name, is_backwards in backwards.items() if bool(is_backwards)}
    return plane.isel(flips), flips


def _is_periodic(longitudes: xr.DataArray) -> bool:
    """Whether the columns cover the globe, so that the last is beside the first."""
    in_degrees = str(longitudes.name).lower().startswith("lon") or "degree" in str(longitudes.attrs.get("units", ""))
    step = float(longitudes[1] - longitudes[0])
    return in_degrees and abs(len(longitudes) * step - 360) < step / 2


def _refined(centres: xr.DataArray, scale: int) -> xr.DataArray:
    """Return the centres of cells that are `scale` times finer."""
    values = centres.to_numpy().astype(np.float64)
    step = (values[-1] - values[0]) / (len(values) - 1)
    fine = values[0] - step / 2 + (np.arange(len(values) * scale) + 0.5) * (step / scale)
    return xr.DataArray(fine, dims=centres.dims, attrs=centres.attrs)


def _rescaled(coordinate: xr.DataArray, scale: int) -> xr.DataArray:
    """Return a scalar coordinate, such as the CRS; a transform in it becomes that of the finer cells."""
    if _GEO_TRANSFORM not in coordinate.attrs:
        return coordinate
    x, x_per_col, x_per_row, y, y_per_col, y_per_row = map(float, str(coordinate.attrs[_GEO_TRANSFORM]).split())
    steps = (x, x_per_col / scale, x_per_row / scale, y, y_per_col / scale, y_per_row / scale)
    return coordinate.assign_attrs({_GEO_TRANSFORM: " ".join(map(repr, steps))})
