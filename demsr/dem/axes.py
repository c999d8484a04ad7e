"""Coordinates of the cell centres of files and arrays: which they are, and the even axes on which they lie."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from demsr.errors import GridError

UNEVEN = 0.05
"""Largest distance of a coordinate from its place on an even axis, of a cell."""
_LARGEST_LONGITUDE = 540
PACKING = {"scale_factor": 1.0, "add_offset": 0.0}
"""Attributes of packed numbers -> their values where nothing is packed."""
_X = ("lon", "longitude", "nav_lon", "x", "easting")
_Y = ("lat", "latitude", "nav_lat", "y", "northing")
_MEANINGS = {
    "longitude": ("x", True),
    "grid_longitude": ("x", True),
    "projection_x_coordinate": ("x", False),
    "latitude": ("y", True),
    "grid_latitude": ("y", True),
    "projection_y_coordinate": ("y", False),
}
"""CF standard name -> axis, and whether it is in degrees."""


class Axis(NamedTuple):
    """Even coordinates of `length` cell centres from `first` to `last`, which is less from the north or the east."""

    first: float
    last: float
    length: int

    @property
    def step(self) -> float:
        """Distance from one centre to the next, negative from the north or the east."""
        return (self.last - self.first) / (self.length - 1)

    @property
    def lowest_edge(self) -> float:
        """Outer edge of the southernmost or westernmost cell."""
        return min(self.first, self.last) - abs(self.step) / 2

    @property
    def highest_edge(self) -> float:
        """Outer edge of the northernmost or easternmost cell."""
        return max(self.first, self.last) + abs(self.step) / 2

    def centres(self) -> NDArray[np.float64]:
        """Return all coordinates, (length,)."""
        return np.asarray(self.first + np.arange(self.length) * self.step, np.float64)


class Variable(NamedTuple):
    """Variable of a file or an array.

    Attributes
    ----------
    dimensions : names of its dimensions
    attributes : numbers, arrays of numbers, or texts
    read : returns all its numbers
    """

    dimensions: tuple[str, ...]
    attributes: dict[str, Any]
    read: Callable[[], NDArray[Any]]


class Axes(NamedTuple):
    """Axes of a layer along its columns and rows.

    Attributes
    ----------
    x, y : coordinates of the cell centres, in the order of the layer
    x_name, y_name : names of these coordinates
    in_degrees : whether they are longitudes and latitudes
    unit : of x, as the file names it; empty where it names none
    """

    x: Axis
    y: Axis
    x_name: str
    y_name: str
    in_degrees: bool
    unit: str


def read_axes(layer: str, variables: Mapping[str, Variable], *, where: str) -> Axes | None:
    """Return the axes of a layer from all its coordinates; None if there are none for both.

    Coordinates have the name of their dimension, or one dimension of the layer, or both, as `nav_lat` and `nav_lon`.

    Parameters
    ----------
    layer : name of the variable with the elevation
    variables : this one and those that may be its coordinates
    where : first part of messages

    Raises
    ------
    GridError : coordinates that are uneven or curved
    """
    own = variables.get(layer)
    if own is None or len(own.dimensions) < 2:
        return None
    found = {}
    for axis, along in (("y", 0), ("x", 1)):
        name = _coordinates(variables, own, axis, own.dimensions[-2:][along])
        if name is None:
            return None
        degrees, values = in_degrees(name, variables[name].attributes), _unpacked(variables[name])
        if min(values.shape) < 2:
            return None
        line = values if values.ndim == 1 else one_line(values, along, name=name, where=where)
        unit = str(variables[name].attributes.get("units", "")).strip()
        turns = axis == "x" and (degrees or (not unit and _can_be_longitudes(line)))
        found[axis] = name, even_axis(line, name=name, where=where, joins_turns=turns), degrees, unit
    (x_name, x, x_degrees, unit), (y_name, y, y_degrees, _) = found["x"], found["y"]
    return Axes(x, y, x_name, y_name, x_degrees and y_degrees, unit)


def direction(name: str, attributes: Mapping[str, Any]) -> str | None:
    """Return "x" or "y" for coordinates along rows or columns, None for others.

    Parameters
    ----------
    name : name of the variable
    attributes : its attributes; CF's `standard_name` and `units` count more than the name
    """
    meaning, units = str(attributes.get("standard_name", "")).lower(), str(attributes.get("units", "")).lower()
    if meaning in _MEANINGS:
        return _MEANINGS[meaning][0]
    if units.startswith("degree") and units.rpartition("_")[2][:1] in ("e", "n"):
        return "x" if units.rpartition("_")[2].startswith("e") else "y"
    return "x" if name.lower() in _X else "y" if name.lower() in _Y else None


def in_degrees(name: str, attributes: Mapping[str, Any]) -> bool:
    """Whether coordinates are longitudes or latitudes by their attributes or their name."""
    meaning, units = str(attributes.get("standard_name", "")).lower(), str(attributes.get("units", "")).lower()
    by_name = name.lower() in (*_X[:3], *_Y[:3]) and not units
    return _MEANINGS.get(meaning, ("", False))[1] or units.startswith("degree") or by_name


def even_axis(centres: NDArray[Any], *, name: str, where: str, joins_turns: bool = False) -> Axis:
    """Return the even axis on which all coordinates lie.

    Parameters
    ----------
    centres : (n,) coordinates of the cell centres, n > 1
    name : of the coordinates, for messages
    where : first part of messages
    joins_turns : longitudes, which may jump by 360 degrees

    Raises
    ------
    GridError : coordinates that are not finite, or further than `UNEVEN` cells from their place
    """
    values = np.asarray(centres).astype(np.float64)
    if not np.isfinite(values).all():
        index = int(np.flatnonzero(~np.isfinite(values))[0])
        message = f"{where}: coordinate {index} of {name} is {values[index]}; give every cell centre a coordinate"
        raise GridError(message)
    if joins_turns:
        values = np.unwrap(values, period=360)
    axis = Axis(float(values[0]), float(values[-1]), len(values))
    off = np.abs(values - axis.centres())
    if axis.step == 0 or off.max() > UNEVEN * abs(axis.step):
        raise GridError(_uneven(values, name, where))
    return axis


def one_line(centres: NDArray[Any], along: int, *, name: str, where: str) -> NDArray[np.float64]:
    """Return the coordinates along one dimension of two-dimensional ones that do not depend on the other.

    Parameters
    ----------
    centres : (rows, cols) coordinates of the cell centres
    along : the dimension, 0 or 1
    name : of the coordinates, for messages
    where : first part of messages

    Raises
    ------
    GridError : coordinates that depend on both dimensions
    """
    lines = np.asarray(centres).astype(np.float64)
    lines = lines if along == 1 else lines.T
    off, step = np.abs(lines - lines[0]).max(), np.median(np.abs(np.diff(lines[0])))
    if not off <= UNEVEN * step:
        message = (
            f"{where}: coordinates {name} differ by up to {off:g} along the other dimension, so the grid is curved; "
            "interpolate it to a grid of even longitudes and latitudes first"
        )
        raise GridError(message)
    return np.asarray(lines[0])


def _coordinates(variables: Mapping[str, Variable], own: Variable, axis: str, dimension: str) -> str | None:
    """Return the name of the variable with the coordinates along one dimension of a layer."""
    if dimension in variables and variables[dimension].dimensions == (dimension,):
        return dimension
    named = [name for name in str(own.attributes.get("coordinates", "")).split() if name in variables]
    for dimensions in ((dimension,), own.dimensions[-2:]):
        for name in dict.fromkeys((*named, *variables)):
            variable = variables[name]
            if variable.dimensions == dimensions and direction(name, variable.attributes) == axis:
                return name
    return None


def _can_be_longitudes(line: NDArray[np.float64]) -> bool:
    return bool(np.abs(line).max() <= _LARGEST_LONGITUDE and np.abs(np.median(np.diff(line))) < 1)


def _unpacked(variable: Variable) -> NDArray[np.float64]:
    values = variable.read().astype(np.float64)
    scale, offset = (float(np.ravel(variable.attributes.get(key, default))[0]) for key, default in PACKING.items())
    return values if (scale, offset) == (1.0, 0.0) else values * scale + offset


def _uneven(values: NDArray[np.float64], name: str, where: str) -> str:
    """Return a message that names the first uneven step."""
    steps = np.diff(values)
    usual = float(np.median(steps))
    breaks = np.flatnonzero(np.abs(steps - usual) > UNEVEN * abs(usual))
    index = int(breaks[0]) if len(breaks) else int(np.argmax(np.abs(steps - usual)))
    return (
        f"{where}: coordinates {name} are not evenly spaced; from {name}[{index}] = {values[index]:.9g} to "
        f"{name}[{index + 1}] = {values[index + 1]:.9g} it is {steps[index]:.6g}, elsewhere {usual:.6g}; "
        "fill the gap with voids or interpolate to even ones first"
    )
