"""Encoding of elevation in stored numbers: voids, unit and sign, detected from all numbers."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demsr.dem.dem import HIGHEST_M, LOWEST_M
from demsr.dem.grid import Box
from demsr.dem.read.header import Header
from demsr.dem.read.meaning import HIGHEST_CODE, are_codes, check_heights
from demsr.dem.read.void_values import Interval, Neighbourhood, Storage, Stored, undeclared_voids
from demsr.errors import GridError, VoidError

_MIXED = 0.1  # share of the rarer sign from which on the more frequent one does not show the direction
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
    GridError : numbers that look like codes, in a layer that nothing calls elevation, or depths of both signs
    """
    declared = storage.declared(stored for stored, _ in read_blocks())
    census = _Census(storage)
    for stored, masked in read_blocks():
        census.add(stored, _void(stored, masked, storage, declared))
    census.check_codes()
    voids, notes = undeclared_voids(storage, census.usual, census.highest - census.lowest)
    census.add_back([one for one in census.usual if one.count and one.sentinel not in voids])
    if census.invalid:
        lower, upper = storage.valid_range
        notes.append(f"voids: {census.invalid} pixels lie outside the declared valid range, {lower:g} to {upper:g}")
    _check_range(census.lowest, census.highest, storage)
    downwards = storage.positive == "down"
    if storage.positive is None:
        downwards = census.above > census.below
        if min(census.above, census.below) > _MIXED * census.measured:
            message = (
                f"{storage.where}: {storage.what} speaks of depths, {census.above} values are positive and "
                f"{census.below} negative; declare whether positive values point up or down"
            )
            raise GridError(message)
        # files often ignore their own CRS
        what = "positive, so they are depths and change sign" if downwards else "negative, so they are heights already"
        notes.append(f"sign: {storage.what} speaks of depths and most values are {what}")
    return ValueEncoding(
        storage=storage,
        voids=(*declared, *voids),
        metres_per_unit=-storage.metres_per_unit if downwards else storage.metres_per_unit,
        measured_px=census.measured,
        notes=tuple(notes),
    )


class _Census:
    """Counts of the numbers that are not void, block by block.

    Attributes
    ----------
    usual : usual void values; the other attributes leave them out
    lowest, highest : smallest and largest number
    measured : count of numbers
    above, below : count of numbers that are positive and negative after scale and offset
    invalid : count of numbers outside the valid range
    codes : count of each whole number from 0 on; None if there are others
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.usual = [Neighbourhood(sentinel) for sentinel in storage.sentinels()]
        self.lowest, self.highest = math.inf, -math.inf
        self.measured = self.above = self.below = self.invalid = 0
        self.codes: NDArray[np.int64] | None = np.zeros(HIGHEST_CODE + 1, np.int64)

    def add(self, stored: Stored, void: NDArray[np.bool_]) -> None:
        """Count the numbers of a block, (rows, cols), with its mask of voids."""
        if self.storage.has_range:
            self.invalid += int(np.count_nonzero(self.storage.is_invalid(stored)))
        numbers = stored[~void]
        others = _without(self.usual, numbers) if numbers.size else numbers
        if not others.size:
            return
        low, high = others.min().item(), others.max().item()
        self.lowest, self.highest = min(self.lowest, low), max(self.highest, high)
        self.measured += others.size
        for neighbours in self.usual:
            neighbours.add(others, low, high)
        self._add_codes(others, low, high)
        if self.storage.positive is None:
            zero = -self.storage.offset / self.storage.scale
            more, less = int((others > zero).sum()), int((others < zero).sum())
            above, below = (more, less) if self.storage.scale > 0 else (less, more)
            self.above, self.below = self.above + above, self.below + below

    def add_back(self, kept: Iterable[Neighbourhood]) -> None:
        """Count usual void values that are elevations here."""
        for neighbours in kept:
            self.measured += neighbours.count
            self.lowest = min(self.lowest, neighbours.number)
            self.highest = max(self.highest, neighbours.number)

    def check_codes(self) -> None:
        """Raise GridError if the numbers look like codes and nothing calls them heights."""
        if self.storage.doubted is None or self.codes is None:
            return
        distinct = np.flatnonzero(self.codes)
        if are_codes(distinct.size, self.measured, self.highest - self.lowest):
            found = f"{self.measured} pixels have {distinct.size} different numbers, {', '.join(map(str, distinct))}"
            check_heights([found], self.storage.where, self.storage.doubted)

    def _add_codes(self, numbers: Stored, low: float, high: float) -> None:
        if self.codes is None or low < 0 or high > HIGHEST_CODE:
            self.codes = None
            return
        whole = numbers.astype(np.uint8)
        self.codes = self.codes + np.bincount(whole, minlength=HIGHEST_CODE + 1) if (whole == numbers).all() else None


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
