"""Numbers that stand for voids: one set of rules for raster files and arrays.

Numbers are judged as they are stored, in their own type, before scale, offset and unit are applied.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from demsr.dem.axes import PACKING
from demsr.dem.dem import HIGHEST_M, LOWEST_M
from demsr.errors import GridError, VoidError
from demsr.options import Positive

Stored = NDArray[Any]
"""Numbers as stored, of any integer or floating type."""

_ROUNDED = 2.0**-23  # relative: a number of 32 bits that was written as text or as 64 bits
_AS_TEXT = 1e-3  # relative: 3.4028235e38, written as 3.4e38
_WHOLE = (9999, 32767, 32768, 65535, 99999, 999_999, 1_000_000)
_OF_8_BITS = (127, 128, 255)
_LIMITS = (2**30, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 2, 2**63 - 1, 2**63)  # also default fill values of NetCDF
_HUGE = (1e20, 1e30, 2.0**100, 1e34, 1e36, 9.969209968386869e36, 1.70141e38, 3.4028235e38, 1.7976931348623157e308)
VOID_ATTRIBUTES = ("_FillValue", "missing_value", "nodata", "nodatavals")  # the last two: of arrays from rasterio
_TRENCH = -9999  # void in most files, a depth in a few trenches
_TRENCH_MARGIN = 499  # if no other value lies within it, the number is a void
_ISOLATED = 0.05  # share of the range of all other values that separates a void from them
_AROUND, _SPIKE = 50, 5  # a number five times as frequent as those up to 50 around it is suspicious


class Interval(NamedTuple):
    """Stored numbers that are equal to a number but for rounding.

    Attributes
    ----------
    number : the number
    lowest, highest : limits, in the stored type
    """

    number: float
    lowest: Any
    highest: Any

    def within(self, stored: Stored) -> NDArray[np.bool_]:
        """Return a mask of these numbers."""
        if self.lowest == self.highest:
            return np.asarray(stored == self.lowest)
        return np.asarray((stored >= self.lowest) & (stored <= self.highest))


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Storage of heights as numbers, and everything that its format and its user declare void.

    Attributes
    ----------
    where : first part of messages
    what : "the file" or "the array", in messages
    dtype : stored type
    scale, offset : of packed numbers
    metres_per_unit : factor from the unit to metres
    positive : direction of the heights, None where only the values show it
    voids : numbers that the format declares void
    valid_range : lowest and highest stored number that the format declares valid
    nodata : number that the user declares void, as stored or after scale and offset
    remedy : how to declare a number as void, with {number} in its place
    doubted : how to declare that the numbers are heights, where nothing but the numbers says so; else None

    Raises
    ------
    GridError : the type is not one of real numbers, or the scale is 0 or not finite
    """

    where: str
    what: str = "the file"
    dtype: np.dtype[Any]
    scale: float = 1.0
    offset: float = 0.0
    metres_per_unit: float = 1.0
    positive: Positive | None = "up"
    voids: tuple[float, ...] = ()
    valid_range: tuple[float, float] = (-math.inf, math.inf)
    nodata: float | None = None
    remedy: str
    doubted: str | None = None

    def __post_init__(self) -> None:
        """Check type and scale."""
        if self.dtype.kind not in "iuf":
            message = f"{self.where}: numbers are of the type {self.dtype}; give real numbers"
            raise GridError(message)
        if self.scale == 0 or not (math.isfinite(self.scale) and math.isfinite(self.offset)):
            message = f"{self.where}: scale is {self.scale:g}, offset {self.offset:g}; correct these attributes"
            raise GridError(message)

    @property
    def is_packed(self) -> bool:
        """Whether numbers have a scale or an offset."""
        return (self.scale, self.offset) != (1.0, 0.0)

    @property
    def declares_voids(self) -> bool:
        """Whether the format or the user declares which numbers are void."""
        return bool(self.voids) or self.nodata is not None

    @property
    def has_range(self) -> bool:
        """Whether the format declares which numbers are valid."""
        return any(map(math.isfinite, self.valid_range))

    def declared(self, counted: Iterable[Stored]) -> list[Interval]:
        """Return the declared numbers.

        Parameters
        ----------
        counted : all stored numbers; read only if they are packed and the user declares a void value, which may be
            meant as stored or as unpacked: as stored, if any pixel has it
        """
        declared = [interval(number, self.dtype) for number in self.voids]
        if self.nodata is not None:
            as_stored = interval(self.nodata, self.dtype)
            unpacked = interval(self._packed(self.nodata), self.dtype) if self.is_packed else None
            occurs = as_stored and (unpacked is None or any(as_stored.within(block).any() for block in counted))
            declared.append(as_stored if occurs else unpacked)
        return [number for number in declared if number is not None]

    def is_invalid(self, stored: Stored) -> NDArray[np.bool_]:
        """Return a mask of numbers outside the valid range."""
        lowest, highest = map(np.float64, self.valid_range)
        return np.asarray((stored < lowest) | (stored > highest))

    def sentinels(self) -> Iterator[Interval]:
        """Yield the usual void values that the type can store, as they are and after scale and offset."""
        of_type = _OF_8_BITS if self.dtype.itemsize == 1 else ()
        for size in (*of_type, *_WHOLE, *_LIMITS, *_HUGE):
            for number in (-size, size):
                packed = [self._packed(number)] if self.is_packed and size in _WHOLE else []
                for one in (number, *packed):
                    found = interval(one, self.dtype, _AS_TEXT if size in _HUGE else _ROUNDED)
                    if found is not None:
                        yield found

    def elevations_m(self, number: float) -> list[float]:
        """Return the elevation of a stored number in metres; two values where the direction is not known."""
        up = (number * self.scale + self.offset) * self.metres_per_unit
        return {"up": [up], "down": [-up], None: [up, -up]}[self.positive]

    def is_possible(self, number: float) -> bool:
        """Whether a stored number can be an elevation on Earth."""
        return any(LOWEST_M <= elevation <= HIGHEST_M for elevation in self.elevations_m(number))

    def described(self, number: float) -> str:
        """Return a stored number as text that reads back as the same number, with its elevation if it is packed."""
        text = str(number) if self.dtype.kind in "iu" else f"{number:.9g}" if self.dtype.itemsize < 8 else repr(number)
        return f"stored as {text} ({self.elevations_m(number)[0]:g} m)" if self.is_packed else text

    def _packed(self, number: float) -> float:
        packed = (number - self.offset) / self.scale
        return round(packed) if self.dtype.kind in "iu" and math.isfinite(packed) else packed


def declared_voids(dtype: np.dtype[Any], attributes: Mapping[str, Any], nodata: float | None = None) -> dict[str, Any]:
    """Return type, voids and valid range of a `Storage` by attributes in the manner of NetCDF (CF 1.11, 2.5.1).

    Parameters
    ----------
    dtype : stored type
    attributes : attributes or tags; numbers, arrays, or texts such as "{-1,7}"
    nodata : number that the format declares void in another way
    """
    voids = [number for key in VOID_ATTRIBUTES for number in _numbers(attributes.get(key), dtype)]
    both = _limits("valid_range", attributes, dtype)
    lowest, highest = both if len(both) == 2 else (-math.inf, math.inf)
    lower, upper = (_limits(key, attributes, dtype) for key in ("valid_min", "valid_max"))
    return {
        "dtype": dtype,
        "voids": tuple(voids if nodata is None else [nodata, *voids]),
        "valid_range": (max([lowest, *lower]), min([highest, *upper])),
    }


def _limits(key: str, attributes: Mapping[str, Any], dtype: np.dtype[Any]) -> list[float]:
    """Return the limits in an attribute, as stored; those of packed integers that are no integers are unpacked.

    Source: NetCDF Users Guide, Attribute Conventions, `valid_range`.
    """
    numbers = _numbers(attributes.get(key), dtype)
    if len(numbers) != (2 if key == "valid_range" else 1):
        return []
    is_unpacked = dtype.kind in "iu" and np.asarray(attributes[key]).dtype.kind == "f"
    if not is_unpacked or not any(name in attributes for name in PACKING):
        return numbers
    scale, offset = (float(np.ravel(attributes.get(name, neutral))[0]) for name, neutral in PACKING.items())
    return [round((number - offset) / scale) for number in numbers if scale > 0 and math.isfinite(number)]


def _numbers(attribute: Any, dtype: np.dtype[Any]) -> list[float]:
    """Return the numbers in an attribute or tag; of unsigned numbers stored as signed ones, the unsigned."""
    if isinstance(attribute, str | bytes):
        text = attribute.decode(errors="replace") if isinstance(attribute, bytes) else attribute
        words = text.strip("{} \0").replace(",", " ").split()
        return [float(word) for word in words] if all(map(_is_number, words)) else []
    numbers = np.ravel([] if attribute is None else attribute)
    if numbers.dtype.kind == "i" and dtype.kind == "u" and numbers.dtype.itemsize == dtype.itemsize:
        numbers = numbers.view(dtype.newbyteorder(numbers.dtype.byteorder))
    if numbers.dtype.kind not in "iuf":
        return [number for one in numbers for number in _numbers(one, dtype)] if numbers.dtype.kind in "SUO" else []
    return [number.item() for number in numbers]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


class Neighbourhood:
    """Number of pixels that are equal to a usual void value or close to it, counted block by block."""

    def __init__(self, sentinel: Interval) -> None:
        self.sentinel, self.count, self.near = sentinel, 0, 0
        self.number: float = sentinel.number  # as stored
        self.below, self.above = -math.inf, math.inf  # the closest other numbers

    def count_equal(self, equal: Stored) -> None:
        """Count the numbers of a block that are equal to the void value, (n,)."""
        if equal.size:
            self.count, self.number = self.count + equal.size, equal[0].item()

    def add(self, others: Stored, lowest: float, highest: float) -> None:
        """Count the other numbers of a block.

        Parameters
        ----------
        others : (n,), numbers that are neither void nor usual void values
        lowest, highest : of these numbers
        """
        number = self.number
        if highest < number or lowest > number:
            self.below = max(self.below, highest) if highest < number else self.below
            self.above = min(self.above, lowest) if lowest > number else self.above
        else:
            lower, upper = others[others < number], others[others > number]
            self.below = max(self.below, lower.max().item()) if lower.size else self.below
            self.above = min(self.above, upper.min().item()) if upper.size else self.above
        if lowest <= number + _AROUND and highest >= number - _AROUND:
            self.near += int(np.count_nonzero((others >= number - _AROUND) & (others <= number + _AROUND)))

    @property
    def gap(self) -> float:
        """Distance to the closest other number."""
        return min(self.number - self.below, self.above - self.number)


def interval(number: float, dtype: np.dtype[Any], tolerance: float = _ROUNDED) -> Interval | None:
    """Return the numbers of a type that are equal to a number but for rounding, None if the type has none.

    Parameters
    ----------
    number : a number
    dtype : integer or floating type; integers are equal or not
    tolerance : relative, of floating types
    """
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not math.isfinite(number) or number != int(number) or not limits.min <= int(number) <= limits.max:
            return None
        return Interval(int(number), dtype.type(int(number)), dtype.type(int(number)))
    largest = float(np.finfo(dtype).max)
    if math.isinf(number):
        return Interval(number, dtype.type(number), dtype.type(number))
    margin = abs(number) * tolerance
    if math.isnan(number) or abs(number) - margin > largest:
        return None
    lowest, highest = (min(max(limit, -largest), largest) for limit in (number - margin, number + margin))
    return Interval(float(number), dtype.type(lowest), dtype.type(highest))


def undeclared_voids(
    storage: Storage, found: Iterable[Neighbourhood], values_range: float
) -> tuple[list[Interval], list[str]]:
    """Return the usual void values that are voids though nothing declares them, and a note on each.

    Parameters
    ----------
    storage : storage of the numbers
    found : usual void values, counted in all numbers
    values_range : difference between the highest and the lowest of the other numbers

    Raises
    ------
    VoidError : numbers that may be elevations or voids
    """
    voids, notes = [], []
    for neighbours in (one for one in found if one.count):
        number = neighbours.number
        if not _is_void(storage, neighbours, values_range):
            continue
        voids.append(neighbours.sentinel)
        text = storage.described(number)
        notes.append(
            f"voids: {neighbours.count} pixels are {text}, which {storage.what} does not declare; taken as void"
        )
    return voids, notes


def _is_void(storage: Storage, neighbours: Neighbourhood, values_range: float) -> bool:
    """Whether a usual void value is one here; raises VoidError if it may be an elevation as well."""
    number = neighbours.number
    is_trench = not storage.is_packed and _TRENCH in _signed(storage, number)
    if not (is_trench or storage.is_possible(number)):
        return True
    metres = abs(storage.scale * storage.metres_per_unit)
    margin = _TRENCH_MARGIN if is_trench else min(_ISOLATED * values_range, _TRENCH_MARGIN / metres)
    if neighbours.gap > margin:
        return True
    usual = neighbours.count <= _SPIKE * (1 + neighbours.near / (2 * _AROUND))
    if storage.declares_voids or not (is_trench or _is_limit(storage.dtype, number) or not usual):
        return False
    found = f"{neighbours.count} pixels are {storage.described(number)} and {storage.what} declares no value for voids"
    message = (
        f"{storage.where}: {found}; if these are voids, {storage.remedy.format(number=number)}; "
        f"if they are measured, {storage.remedy.format(number='nan')}"
    )
    raise VoidError(message)


def _signed(storage: Storage, number: float) -> tuple[float, ...]:
    return {"up": (number,), "down": (-number,), None: (number, -number)}[storage.positive]


def _is_limit(dtype: np.dtype[Any], number: float) -> bool:
    """Whether a number is the lowest or the highest of an integer type, or the default fill value beside it."""
    if dtype.kind not in "iu" or dtype.itemsize == 1:
        return False
    limits = np.iinfo(dtype)
    return number in (limits.min, limits.min + 1, limits.min + 2, limits.max - 1, limits.max)
