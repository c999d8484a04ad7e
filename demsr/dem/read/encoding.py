"""Encoding of elevation in stored numbers: undeclared void values, unit and sign."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demsr.dem.dem import HIGHEST_M, LOWEST_M
from demsr.dem.grid import Box
from demsr.dem.read.header import Header
from demsr.errors import GridError, VoidError

_USUAL = (9999, 32767, 32768, 99999, 1e6, 1e20, 3.4028235e38)
_SENTINELS = sorted(float(np.float32(sign * value)) for value in _USUAL for sign in (-1, 1))
_AMBIGUOUS = -9999.0  # a void in most files, a depth in a few trenches
_DEEP = -9500.0  # if no other value is deeper, the ambiguous value is a void


@dataclass(frozen=True)
class ValueEncoding:
    """Encoding of elevation in the numbers of a file, detected from all of them.

    Attributes
    ----------
    voids : numbers that stand for voids though the file does not declare them
    metres_per_unit : negative where the numbers are depths
    measured_px : number of pixels that are not void
    notes : assumptions, one sentence each
    """

    voids: tuple[float, ...]
    metres_per_unit: float
    measured_px: int
    notes: tuple[str, ...]

    def decode(self, stored: NDArray[np.float32]) -> None:
        """Turn stored numbers into metres, positive up, NaN where void, in place."""
        for value in self.voids:
            stored[stored == value] = np.nan
        if abs(self.metres_per_unit) != 1:
            stored *= np.float32(abs(self.metres_per_unit))
        if self.metres_per_unit < 0:
            np.negative(stored, out=stored)


def detect_encoding(blocks: Iterable[NDArray[np.float32]], header: Header) -> ValueEncoding:
    """Detect the encoding of a file from all its numbers.

    Parameters
    ----------
    blocks : stored numbers, NaN where the file states a void
    header : header of the file

    Raises
    ------
    VoidError : values that may be depths or voids
    """
    sentinels: Counter[float] = Counter()
    finite = deep = above = below = 0
    for block in blocks:
        lowest, highest = np.fmin.reduce(block, axis=None), np.fmax.reduce(block, axis=None)
        for value in (value for value in _SENTINELS if lowest <= value <= highest):
            sentinels[value] += int(np.count_nonzero(block == value))
        finite += int(np.isfinite(block).sum())
        if lowest < _DEEP:
            deep += int(((block < _DEEP) & (block != _AMBIGUOUS)).sum())
        if header.positive is None:
            above, below = above + int((block > 0).sum()), below + int((block < 0).sum())
    voids, notes = _undeclared_voids(sentinels, header, is_deep=deep > 0)
    downwards = header.positive == "down"
    if header.positive is None:
        above -= sum(sentinels[value] for value in voids if value > 0)
        below -= sum(sentinels[value] for value in voids if value < 0)
        downwards = above > below
        what = "positive, so they are depths and change sign" if downwards else "negative, so they are heights already"
        notes.append(f"sign: the file speaks of depths and most values are {what}")  # files often ignore their own CRS
    return ValueEncoding(
        voids=tuple(voids),
        metres_per_unit=-header.metres_per_unit if downwards else header.metres_per_unit,
        measured_px=finite - sum(sentinels[value] for value in voids),
        notes=tuple(notes),
    )


def check_sign_is_known(header: Header, within: Box | None) -> None:
    """Refuse to detect the sign from a part of a file, because another part might give the other sign."""
    if header.positive is None and within is not None:
        message = f"{header.path}: the file speaks of depths; declare whether its values are positive up or down"
        raise GridError(message)


def _undeclared_voids(
    sentinels: Mapping[float, int], header: Header, *, is_deep: bool
) -> tuple[list[float], list[str]]:
    """Return the numbers that stand for voids though the file does not declare them, and a note on each."""
    voids, notes = [], []
    lowest, highest = LOWEST_M / header.metres_per_unit, HIGHEST_M / header.metres_per_unit
    for value in _SENTINELS:
        count = sentinels[value]
        possible = value != _AMBIGUOUS and lowest <= value <= highest
        if possible or not count:
            continue
        if value == _AMBIGUOUS and is_deep:
            if header.nodata is not None:
                continue  # a trench, in a file that declares its voids
            message = (
                f"{header.path}: {count} pixels are {value:.0f} and the file declares no value for voids; "
                f"if these are voids, say so: `gdal_edit.py -a_nodata {value:.0f} {header.path}`"
            )
            raise VoidError(message)
        voids.append(value)
        notes.append(f"voids: {count} pixels are {value:g}, which the file does not declare; taken as void")
    return voids, notes
