"""Grids written as text (Esri, GRASS, Surfer): all words must be numbers.

GDAL takes a word that is no number for 0, or for the digits with which it starts, and ignores numbers too many.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from demsr.errors import RasterError

_KEYS = rb"ncols|nrows|dx|dy|cellsize|[xy]ll(?:corner|center)|nodata_value|north|south|east|west|rows|cols|null|type"
_KEY = re.compile(rb"\s*+(" + _KEYS + rb"):?\s++(\S++)", re.IGNORECASE)
_SURFER = re.compile(rb"DSAA\s++(\d++)\s++(\d++)(?:\s++\S++){6}")
_NUMBER = rb"[+-]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?+\d++)?+"
_NUMBERS = re.compile(rb"(?:\s*+" + _NUMBER + rb"(?!\S))*+\s*+")
_NUMBERS_OR_NAN = re.compile(rb"(?:\s*+(?:" + _NUMBER + rb"|(?i:nan))(?!\S))*+\s*+")
_HEAD_BYTES, _CHUNK_BYTES = 4096, 1 << 20
_LONGEST_WORD = 1000
_BLANK = 0x20  # of ASCII; smaller codes end lines and words


def check_text_grid(path: Path) -> None:
    """Refuse a text grid with a word that is no number, or with more numbers than cells; other files pass.

    Parameters
    ----------
    path : any file

    Raises
    ------
    RasterError : such a word is found
    """
    state = path.stat()
    if found := _objection(path, state.st_size, state.st_mtime_ns):
        message = f"{path}: {found}"
        raise RasterError(message)


def is_text_grid(head: bytes) -> bool:
    """Whether a file is a text grid, from its first bytes."""
    return _read_header(head) is not None


class _Header(NamedTuple):
    """Number of cells that a header declares, word that stands for voids, and offset of the first cell."""

    cells: int
    void: bytes
    end: int


@lru_cache(maxsize=64)
def _objection(path: Path, _size: int, _modified_ns: int) -> str | None:
    """Return what is wrong with a text grid, None if nothing is; kept until the file changes."""
    with path.open("rb") as file:
        header = _read_header(file.read(_HEAD_BYTES))
        if header is None:
            return None
        has_nan = header.void.lower() == b"nan"
        if not (has_nan or re.fullmatch(_NUMBER, header.void)):
            return f"its value for voids is {_shown(header.void)}, which GDAL takes for 0; write a number in its place"
        file.seek(header.end)
        return _objection_to_cells(file, header.cells, _NUMBERS_OR_NAN if has_nan else _NUMBERS)


def _read_header(head: bytes) -> _Header | None:
    """Return the header of a text grid, None for other files and for headers that GDAL refuses."""
    if surfer := _SURFER.match(head):
        return _Header(int(surfer[1]) * int(surfer[2]), b"0", surfer.end())
    keys, end = dict[bytes, bytes](), 0
    while found := _KEY.match(head, end):
        keys[found[1].lower()], end = found[2], found.end()
    cols, rows = (keys.get(b"n" + side, keys.get(side, b"")) for side in (b"cols", b"rows"))
    if not (cols.isdigit() and rows.isdigit()):
        return None
    return _Header(int(cols) * int(rows), keys.get(b"nodata_value", keys.get(b"null", b"0")), end)


def _objection_to_cells(file: BinaryIO, cells: int, numbers: re.Pattern[bytes]) -> str | None:
    count, text = 0, b""
    while chunk := file.read(_CHUNK_BYTES):
        text += chunk
        cut = max(text.rfind(blank) for blank in (b" ", b"\n", b"\r", b"\t"))  # the last word may continue
        text, rest = text[: cut + 1], text[cut + 1 :]
        if found := _objection_to_text(text, numbers, count, cells):
            return found
        count += _words(text)
        text = rest
        if len(text) > _LONGEST_WORD:
            break
    return _objection_to_text(text, numbers, count, cells)


def _objection_to_text(text: bytes, numbers: re.Pattern[bytes], before: int, cells: int) -> str | None:
    end = len((numbers.match(text) or [b""])[0])
    if end < len(text):
        number, word = before + _words(text[:end]) + 1, _shown(text[end:].split()[0])
        return (
            f"its cell {number:,} is {word}, which GDAL does not read as a number; write numbers with decimal points, "
            "and in voids the number that NODATA_value or null: declares"
        )
    if before + _words(text) > cells:
        return f"holds more numbers than the {cells:,} cells that it declares; correct its header"
    return None


def _words(text: bytes) -> int:
    """Return the number of words, which numpy counts faster than Python splits them."""
    letters = np.frombuffer(b" " + text, np.uint8) > _BLANK
    return int(np.count_nonzero(letters[1:] & ~letters[:-1]))


def _shown(word: bytes) -> str:
    return repr(word[:40].decode(errors="replace"))
