"""Super-resolve an xarray DataArray in memory."""

import contextlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from demsr.dem.axes import PACKING, Axes, Variable, direction, read_axes
from demsr.dem.crs import check_horizontal
from demsr.dem.dem import check_result
from demsr.dem.grid import Grid, rows_on_the_globe
from demsr.dem.read.encoding import detect_encoding
from demsr.dem.read.identity import product_of
from demsr.dem.read.meaning import check_heights, objections, positive_by_name, says_heights
from demsr.dem.read.stream import ArrayReader
from demsr.dem.read.void_values import Storage, declared_voids
from demsr.dem.units import metres_per_unit
from demsr.dem.windows import tiles
from demsr.errors import GridError, VoidError
from demsr.inference.land_law import land_law
from demsr.inference.load import BUILTIN, choose_operator, load_model
from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tile_plan import default_tile_px
from demsr.model.coast import CoastNet
from demsr.model.srnet import DemSrNet
from demsr.options import InferencePrecision, Operator

_GEO_TRANSFORM = "GeoTransform"
_WKT = ("crs_wkt", "spatial_ref")
_OF_OLD_VALUES = (
    *("valid_range", "valid_min", "valid_max", "actual_range", "cell_methods", "bounds", "_FillValue", "missing_value"),
    *("flag_values", "flag_masks", "flag_meanings", "ancillary_variables", "STATISTICS_", "scale_factor", "add_offset"),
)
"""Attributes, and starts of attributes, that describe the values or cells of the input."""
_UNCHANGED = 0.01  # of a step: decoded values of 32 bits lie this close to the packed numbers
_REMEDY = "set elevation.attrs['missing_value'] = {number} or make voids NaN"
_DOUBTED = "give it a name such as elevation if these are heights"


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
    elevation : metres, positive up, with evenly spaced coordinates along two dimensions, in either direction. Void are
        NaN, the numbers and ranges that attributes declare, and the usual void values as in files, with a warning
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
    GridError : coordinates are missing or uneven, or the values are no elevation in metres, positive up
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
    axes = _axes(plane, rows, cols, where)
    heights = _heights(plane.transpose(rows, cols), elevation.encoding, where)
    net = _net(model, operator, plane, axes, device)
    law = land_law(net, _grid(axes)) if axes.in_degrees else None
    resolver = SuperResolver(net, precision=precision, consistent=consistent, uncertain=uncertain, law=law)
    flips = (slice(None, None, -1 if axes.y.step > 0 else 1), slice(None, None, -1 if axes.x.step < 0 else 1))
    reader = ArrayReader(heights[flips], is_periodic=_is_periodic(axes))
    fine, *errors = _super_resolve_tiles(reader, resolver, tile_px or default_tile_px(resolver))
    check_result(fine, where)
    coordinates = _refined(plane, axes, (rows, cols), resolver.scale)
    scalars = {name: _rescaled(coord, resolver.scale) for name, coord in plane.coords.items() if not coord.dims}
    attributes = _without_old_values(elevation.attrs)
    result = xr.DataArray(fine[flips], {**coordinates, **scalars}, (rows, cols), elevation.name, attributes)
    for sigma_m in errors:
        result = result.assign_coords(uncertainty=((rows, cols), sigma_m[flips], {"units": "m"}))
    return result.isel({rows: _kept_rows(axes, resolver.scale)}).transpose(*plane.dims)


def _net(
    model: str | Path | DemSrNet | CoastNet,
    operator: Operator | None,
    plane: xr.DataArray,
    axes: Axes,
    device: str,
) -> DemSrNet | CoastNet:
    """Return the net for the operator that is asked for, or that follows from the product."""
    if not isinstance(model, str | Path):
        return model
    name = Path(str(plane.encoding.get("source", ""))).name
    texts = {key: str(text) for key, text in plane.attrs.items()}
    chosen, _ = choose_operator(model, operator, product_of(_grid(axes), name, texts))
    return load_model(model, device=device, operator=chosen)


def _grid(axes: Axes) -> Grid:
    """Return the grid of an array, taken as degrees."""
    return Grid(
        rows=axes.y.length,
        cols=axes.x.length,
        west=axes.x.lowest_edge,
        north=axes.y.highest_edge,
        pixel_width=abs(axes.x.step),
        pixel_height=abs(axes.y.step),
        crs="EPSG:4326",
    )


def _kept_rows(axes: Axes, scale: int) -> slice:
    """Return the rows of a result, in the order of the input, that do not lie beyond a pole."""
    if not axes.in_degrees:
        return slice(None)
    fine = _grid(axes).refine(scale)
    kept = rows_on_the_globe(fine)
    return slice(fine.rows - kept.stop, fine.rows - kept.start) if axes.y.step > 0 else slice(kept.start, kept.stop)


def _check_type(elevation: object) -> None:
    if not isinstance(elevation, xr.DataArray):
        message = f"elevation is a {type(elevation).__name__}; pass an xarray DataArray, such as dataset.elevation"
        raise TypeError(message)


def _super_resolve_tiles(reader: ArrayReader, resolver: SuperResolver, tile_px: int) -> NDArray[np.float32]:
    rows, cols = reader.shape
    fine = np.empty((1 + resolver.uncertain, rows * resolver.scale, cols * resolver.scale), np.float32)
    for window in tiles(rows, cols, tile_px):
        place = (slice(None), *window.refine(resolver.scale).slices)
        fine[place] = resolver.window(reader, window)
    return fine


def _dimensions(plane: xr.DataArray, where: str) -> tuple[str, str]:
    """Return the names of the dimensions of rows and columns."""
    if plane.ndim != 2 or min(plane.shape) < 2:
        message = f"{where}: has shape {plane.shape}; two dimensions of 2 or more cells are needed"
        raise GridError(message)
    first, second = map(str, plane.dims)
    along = {name: _direction(plane, name) for name in (first, second)}
    return (second, first) if along[first] == "x" or along[second] == "y" else (first, second)


def _direction(plane: xr.DataArray, dimension: str) -> str | None:
    """Return "x" or "y" by the coordinates along a dimension, or by its name."""
    named = [name for name, coord in plane.coords.items() if coord.dims == (dimension,)]
    found = (direction(str(name), plane.coords[name].attrs) for name in (dimension, *named) if name in plane.coords)
    return next((axis for axis in found if axis), None) or direction(dimension, {})


def _axes(plane: xr.DataArray, rows: str, cols: str, where: str) -> Axes:
    """Return the axes of an array by its coordinates."""
    variables = {
        str(name): Variable(tuple(map(str, coord.dims)), coord.attrs, coord.to_numpy)
        for name, coord in plane.transpose(rows, cols).coords.items()
        if coord.dims and np.issubdtype(coord.dtype, np.number)
    }
    axes = read_axes("", {**variables, "": Variable((rows, cols), plane.attrs, plane.to_numpy)}, where=where)
    if axes is None:
        lacking = next((name for name in (rows, cols) if name not in variables), rows)
        message = f"{where}: dimension {lacking} has no coordinates; assign those of the cell centres"
        raise GridError(message)
    for coord in plane.coords.values():
        for wkt in (coord.attrs[key] for key in _WKT if not coord.dims and key in coord.attrs):
            with contextlib.suppress(pyproj.exceptions.CRSError):  # only coordinates count here
                check_horizontal(pyproj.CRS.from_wkt(str(wkt)), where=where)
    return axes


def _heights(plane: xr.DataArray, encoding: Mapping[Any, Any], where: str) -> NDArray[np.float32]:
    """Return the elevation of an array of rows and columns, NaN where void, and warn of assumptions.

    Raises
    ------
    GridError : the values are packed, in another unit, positive down, or no heights at all
    VoidError : values that may be voids or cannot be elevations, or no measured cell
    """
    name, attributes, values = str(plane.name or ""), plane.attrs, plane.to_numpy()
    packed = [key for key, neutral in PACKING.items() if np.any(np.not_equal(attributes.get(key, neutral), neutral))]
    if packed:
        message = (
            f"{where}: has {', '.join(packed)}, so its values are still packed; decode them with xarray.decode_cf or "
            "rioxarray.open_rasterio(..., masked=True)"
        )
        raise GridError(message)
    is_sure = says_heights(name, attributes, has_unit="units" in attributes)
    check_heights(objections(name, attributes, values.dtype, is_sure=is_sure), where, _DOUBTED)
    unit, (positive, _) = str(attributes.get("units", "")) or "m", positive_by_name(name, attributes)
    _check_units(unit, positive, where)
    stored, masked, packing = _as_stored(values, encoding)
    storage = Storage(
        where=where,
        what="the array",
        positive=positive,
        remedy=_REMEDY,
        doubted=None if is_sure else _DOUBTED,
        **declared_voids(stored.dtype, {**encoding, **attributes} if packing else attributes),
        **packing,
    )
    found = detect_encoding(lambda: [(stored, masked)], storage)
    if found.metres_per_unit < 0:
        _check_units(unit, "down", where)
    if not found.measured_px:
        message = f"{where}: all {values.size} cells are void; give an array with measured cells"
        raise VoidError(message)
    for note in found.notes:
        warnings.warn(f"{where}: {note}", stacklevel=3)
    void = found.void(stored, masked)
    heights = np.where(void, 0, values).astype(np.float32)
    heights[void] = np.nan
    return heights


def _check_units(unit: str, positive: str | None, where: str) -> None:
    if metres_per_unit(unit) != 1 or positive == "down":
        message = (
            f"{where}: units are {unit!r}, positive {positive or 'up'}; metres, positive up, are needed: convert "
            "values and attributes"
        )
        raise GridError(message)


def _as_stored(
    values: NDArray[Any], encoding: Mapping[Any, Any]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None, dict[str, Any]]:
    """Return the numbers from which xarray has decoded an array, their voids, and their scale and offset.

    An array that xarray has not decoded, or that was changed since, is returned as it is.
    """
    scale, offset = (
        neutral if encoding.get(key) is None else float(np.ravel(encoding[key])[0]) for key, neutral in PACKING.items()
    )
    dtype = np.dtype(encoding.get("dtype") or values.dtype)
    if (scale, offset) == (1.0, 0.0) or dtype.kind not in "iu" or values.dtype.kind != "f" or np.isinf(values).any():
        return values, None, {}
    void = np.isnan(values)
    measured = np.where(void, offset, values).astype(np.float64)
    numbers = np.rint((measured - offset) / scale)
    limits, off = np.iinfo(dtype), np.abs(numbers * scale + offset - measured)
    if numbers.min() < limits.min or numbers.max() > limits.max or off.max() > _UNCHANGED * abs(scale):
        return values, None, {}
    return numbers.astype(dtype), void, {"scale": scale, "offset": offset}


def _is_periodic(axes: Axes) -> bool:
    """Whether the columns cover the globe, so that the last is beside the first."""
    step = abs(axes.x.step)
    return axes.in_degrees and abs(axes.x.length * step - 360) < step / 2


def _refined(plane: xr.DataArray, axes: Axes, dims: tuple[str, str], scale: int) -> dict[str, xr.DataArray]:
    """Return the coordinates of the centres of cells that are `scale` times finer."""
    refined = {}
    for along, (name, axis) in enumerate(((axes.y_name, axes.y), (axes.x_name, axes.x))):
        step, old = axis.step, plane.coords[name]
        fine = axis.first - step / 2 + (np.arange(axis.length * scale) + 0.5) * (step / scale)
        line = xr.DataArray(fine, dims=dims[along])
        if old.ndim == 2:
            other = dims[1 - along]
            line = line.expand_dims({other: plane.sizes[other] * scale}).transpose(*dims)
        refined[name] = line.assign_attrs(_without_old_values(old.attrs))
    return refined


def _without_old_values(attributes: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return attributes without those that describe the values or cells of the input."""
    return {key: value for key, value in attributes.items() if not str(key).startswith(_OF_OLD_VALUES)}


def _rescaled(coordinate: xr.DataArray, scale: int) -> xr.DataArray:
    """Return a scalar coordinate, such as the CRS; a transform in it becomes that of the finer cells."""
    if _GEO_TRANSFORM not in coordinate.attrs:
        return coordinate
    x, x_per_col, x_per_row, y, y_per_col, y_per_row = map(float, str(coordinate.attrs[_GEO_TRANSFORM]).split())
    steps = (x, x_per_col / scale, x_per_row / scale, y, y_per_col / scale, y_per_row / scale)
    return coordinate.assign_attrs({_GEO_TRANSFORM: " ".join(map(repr, steps))})


@xr.register_dataarray_accessor("demsr")  # type: ignore[no-untyped-call]
class DemsrAccessor:
    """The functions of demsr as methods of a DataArray: `da.demsr.super_resolve()`.

    Parameters
    ----------
    elevation : see `super_resolve`
    """

    def __init__(self, elevation: xr.DataArray) -> None:
        self._elevation = elevation

    def super_resolve(self, model: str | Path | DemSrNet | CoastNet = BUILTIN, **options: Any) -> xr.DataArray:
        """Replace every cell by 5 x 5 cells.

        Parameters
        ----------
        model : see the function `super_resolve`
        options : keyword arguments of that function
        """
        return super_resolve(self._elevation, model, **options)
