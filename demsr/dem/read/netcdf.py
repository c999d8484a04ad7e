"""Headers of NetCDF files: sizes and dimension names, which GDAL does not report.

Classic files are parsed here, because libraries for them either need a copy of the data in memory or are slow to load.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from demsr.errors import GridError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_CLASSIC = (b"CDF\1", b"CDF\2")
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8}  # by type, NetCDF Classic Format Specification
_TEXT = 2
_LATITUDE = ("lat", "latitude")


class ClassicVariable(NamedTuple):
    """Variable in the header of a classic NetCDF file.

    Attributes
    ----------
    name : name of the variable
    dimensions : names of its dimensions
    units : text of the attribute `units`, empty if there is none
    end : offset behind its last value in the file, in bytes, records left out
    """

    name: str
    dimensions: list[str]
    units: str
    end: int


def check_dimension_order(path: Path, layer: str) -> None:
    """Refuse variables stored by columns, because GDAL takes the last dimension for x whatever its name.

    Parameters
    ----------
    path : NetCDF file
    layer : name of the variable with the elevation

    Raises
    ------
    GridError : the last dimension is latitude
    """
    dimensions, units = _dimensions(path, layer)
    last = dimensions[-1].lower() if dimensions else ""
    if last in _LATITUDE or units.lower().startswith("degrees_n"):
        order = f"{dimensions[-1]},{dimensions[0]}"
        found = ", ".join(dimensions)
        message = f"{path}: {layer} has the dimensions {found}; put rows first, with `ncpdq -a {order}`"
        raise GridError(message)


def is_hdf5(path: Path) -> bool:
    """Whether a file has the signature of HDF5, at byte 0, 512, 1024, 2048, ... (HDF5 File Format 3.0, II.A)."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        offset, size = 0, path.stat().st_size
        while offset < size:
            file.seek(offset)
            if file.read(len(_HDF5)) == _HDF5:
                return True
            offset = max(512, 2 * offset)
    return False


def read_classic_header(path: Path) -> list[ClassicVariable]:
    """Return the variables of a classic NetCDF file, none for files of other formats.

    Raises
    ------
    EOFError : the file ends within its header
    """
    with path.open("rb") as file:
        magic = file.read(4)
        return list(_Parser(file).variables(offset_bytes=4 * magic[3])) if magic in _CLASSIC else []


def _dimensions(path: Path, layer: str) -> tuple[list[str], str]:
    """Return the dimension names of a variable, and the units of the last one's coordinates; none if unknown."""
    if not is_hdf5(path):
        variables = {variable.name: variable for variable in read_classic_header(path)}
        dimensions = variables[layer].dimensions if layer in variables else []
        return dimensions, variables[dimensions[-1]].units if dimensions and dimensions[-1] in variables else ""
    import h5netcdf

    with contextlib.suppress(ValueError, OSError, KeyError, TypeError, RuntimeError), h5netcdf.File(path) as file:
        dimensions = list(file[layer].dimensions)
        coordinates = file.variables.get(dimensions[-1]) if dimensions else None
        return dimensions, "" if coordinates is None else str(coordinates.attrs.get("units", ""))
    return [], ""  # GDAL reads more kinds of HDF5


class _Parser:
    """Parser of a classic NetCDF header, from the file position behind the magic number on."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def variables(self, *, offset_bytes: int) -> Iterator[ClassicVariable]:
        """Yield the variables of the file; offsets have 4 or 8 bytes."""
        self._number()  # of records
        dimensions = [(name, self._number()) for name in self._names()]
        self._units()  # attributes of the file
        for name in self._names():
            axes = [dimensions[axis] for axis in self._numbers() if axis < len(dimensions)]
            units = self._units()
            size = _BYTES.get(self._number(), 1) * math.prod(length for _, length in axes)
            self._number()  # the same size, which may exceed the range of the field
            yield ClassicVariable(name, [axis for axis, _ in axes], units, self._number(offset_bytes) + size)

    def _number(self, size: int = 4) -> int:
        if len(digits := self.file.read(size)) < size:
            message = "it ends within its header"
            raise EOFError(message)
        return int.from_bytes(digits, "big")

    def _numbers(self) -> list[int]:
        return [self._number() for _ in range(self._number())]

    def _names(self) -> Iterator[str]:
        """Yield the names in a list of dimensions, attributes or variables; the caller reads the rest of each item."""
        self._number()  # tag of the list
        for _ in range(self._number()):
            length = self._number()
            name = self.file.read(length).decode(errors="replace")
            self._skip(-length % 4)
            yield name

    def _units(self) -> str:
        """Read a list of attributes, and return the text of `units`."""
        units = ""
        for name in self._names():
            kind, count = self._number(), self._number()
            length = _BYTES.get(kind, 1) * count
            if name == "units" and kind == _TEXT:
                units = self.file.read(length).decode(errors="replace")
            else:
                self._skip(length)
            self._skip(-length % 4)
        return units

    def _skip(self, length: int) -> None:
        self.file.seek(min(length, 2**40), os.SEEK_CUR)
