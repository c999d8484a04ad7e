"""Encoding of elevation in stored numbers: voids, unit and sign, detected from all numbers."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demsr.dem.dem import HIGHEST_M, LOWEST_M
from demsr.dem.grid import Box
from demsr.dem.read.header import Header
from demsr.dem.read.void_values import Interval, Neighbourhood, Storage, Stored, undeclared_voids
from demsr.errors import GridError, VoidError

Block = tuple[Stored, NDArray[np.bool_] | None]
"""Stored numbers, (rows, cols), and a mask of voids that the format keeps apart from them; None without voids."""


@dataclass(frozen=True)
class ValueEncoding:
    """Encoding of elevation in stored numbers.

    Attributes
    ----------
    storage : storage of the numbers
    voids : numbers that stand for voids, declared or not
    metres_per_unit : negative where the numbers are depths
    measured_px : number of pixels that are not void
    notes : assumptions, one sentence each
    """

    storage: Storage
    voids: tuple[Interval, ...]
    metres_per_unit: float
    measured_px: int
    notes: tuple[str, ...]

    def void(self, stored: Stored, masked: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return the mask of void pixels of a block."""
        return _void(stored, masked, self.storage, self.voids)

    def decode(self, stored: Stored, masked: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        """Return the elevation of a block in metres, positive up, NaN where void.

        Parameters
        ----------
        stored : (rows, cols), stored numbers
        masked : (rows, cols), voids that the format keeps apart from the numbers, or None
        """
        void, storage = self.void(stored, masked), self.storage
        kept = np.where(void, stored.dtype.type(0), stored) if void.any() else stored
        unpacked = kept * storage.scale + storage.offset if storage.is_packed else kept
        elevation = unpacked.astype(np.float32)
        if abs(self.metres_per_unit) != 1:
            elevation *= np.float32(abs(self.metres_per_unit))
        if self.metres_per_unit < 0:
            np.negative(elevation, out=elevation)
        elevation[void] = np.nan
        return elevation


def detect_encoding(read_blocks: Callable[[], Iterable[Block]], storage: Storage) -> ValueEncoding:
    """Detect the encoding of elevation from all stored numbers.

    Parameters
    ----------
    read_blocks : returns the blocks of all numbers; called twice if a void value is declared for packed numbers
    storage : storage of the numbers

    Raises
    ------
    VoidError : numbers that may be elevations or voids, or that are neither
    """
    declared = storage.declared(stored for stored, _ in read_blocks())
    usual = [Neighbourhood(sentinel) for sentinel in storage.sentinels()]
    lowest, highest = math.inf, -math.inf
    measured = above = below = invalid = 0
    zero = -storage.offset / storage.scale
    for stored, masked in read_blocks():
        numbers = stored[~_void(stored, masked, storage, declared)]
        if storage.has_range:
            invalid += int(np.count_nonzero(storage.is_invalid(stored)))
        if not numbers.size:
            continue
        others = _without(usual, numbers)
        if not others.size:
            continue
        measured += others.size
        low, high = others.min().item(), others.max().item()
        lowest, highest = min(lowest, low), max(highest, high)
        for neighbours in usual:
            neighbours.add(others, low, high)
        if storage.positive is None:
            above, below = above + int((others > zero).sum()), below + int((others < zero).sum())
    voids, notes = undeclared_voids(storage, usual, highest - lowest)
    kept = [one for one in usual if one.count and one.sentinel not in voids]
    measured += sum(one.count for one in kept)
    for number in (one.number for one in kept):
        lowest, highest = min(lowest, number), max(highest, number)
    if invalid:
        lower, upper = storage.valid_range
        notes.append(f"voids: {invalid} pixels lie outside the declared valid range, {lower:g} to {upper:g}")
    _check_range(lowest, highest, storage)
    downwards = storage.positive == "down"
    if storage.positive is None:
        downwards = above > below if storage.scale > 0 else below > above
        what = "positive, so they are depths and change sign" if downwards else "negative, so they are heights already"
        notes.append(f"sign: the file speaks of depths and most values are {what}")  # files often ignore their own CRS
    return ValueEncoding(
        storage=storage,
        voids=(*declared, *voids),
        metres_per_unit=-storage.metres_per_unit if downwards else storage.metres_per_unit,
        measured_px=measured,
        notes=tuple(notes),
    )


def check_sign_is_known(header: Header, within: Box | None) -> None:
    """Refuse to detect the sign from a part of a file, because another part might give the other sign."""
    if header.storage.positive is None and within is not None:
        message = f"{header.path}: the file speaks of depths; declare whether its values are positive up or down"
        raise GridError(message)


def _void(
    stored: Stored, masked: NDArray[np.bool_] | None, storage: Storage, voids: Iterable[Interval]
) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):  # signalling NaN
        void = np.isnan(stored) | storage.is_invalid(stored) if storage.has_range else np.isnan(stored)
        for number in voids:
            void |= number.within(stored)
    return void if masked is None else void | masked


def _without(usual: Iterable[Neighbourhood], numbers: Stored) -> Stored:
    """Return the numbers without usual void values, which are counted."""
    lowest, highest = numbers.min(), numbers.max()
    is_usual = np.zeros(numbers.shape, bool)
    for neighbours in usual:
        if neighbours.sentinel.lowest <= highest and neighbours.sentinel.highest >= lowest:
            equal = neighbours.sentinel.within(numbers) & ~is_usual
            neighbours.count_equal(numbers[equal])
            is_usual |= equal
    return numbers[~is_usual] if is_usual.any() else numbers


def _check_range(lowest: float, highest: float, storage: Storage) -> None:
    """Raise VoidError if stored numbers cannot be elevations on Earth."""
    if lowest > highest or (storage.is_possible(lowest) and storage.is_possible(highest)):
        return
    wrong = highest if storage.is_possible(lowest) else lowest
    message = (
        f"{storage.where}: numbers lie outside {LOWEST_M:.0f} to {HIGHEST_M:.0f} m, such as "
        f"{storage.described(wrong)}; if these are voids, {storage.remedy.format(number=wrong)}, "
        "else declare the unit or the direction"
    )
    raise VoidError(message)
