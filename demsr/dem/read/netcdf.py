"""NetCDF files: variables with their attributes and dimension names, which GDAL does not report in full.

Classic files are parsed here, because libraries for them either need a copy of the data in memory or are slow to load.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from demsr.dem.axes import Variable, direction
from demsr.errors import GridError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_CLASSIC = (b"CDF\1", b"CDF\2", b"CDF\5")
_TYPES = {1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8", 7: "u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8"}
"""By type, NetCDF Classic Format Specification and its extension CDF-5."""
_UNREADABLE = (ValueError, OSError, KeyError, TypeError, RuntimeError)
_MOST_NAMES = 100_000  # in a list of dimensions, attributes or variables
_LONGEST_ATTRIBUTE = 1 << 16  # numbers or characters; longer ones are of no use here


class ClassicVariable(NamedTuple):
    """Variable in the header of a classic NetCDF file.

    Attributes
    ----------
    name : name of the variable
    dimensions : names of its dimensions
    shape : lengths of its dimensions, 0 for the record dimension
    attributes : numbers, arrays of numbers, or texts
    dtype : type of its numbers
    begin, end : offset of its first value in the file and behind its last, in bytes, records left out
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    attributes: dict[str, Any]
    dtype: np.dtype[Any]
    begin: int
    end: int


@contextlib.contextmanager
def open_variables(path: Path, layer: str) -> Iterator[dict[str, Variable]]:
    """Open the variables in the group of a layer and in the groups above it.

    Files of which the libraries used here read no variables, though GDAL does, have none.

    Parameters
    ----------
    path : NetCDF file
    layer : name of a variable, with its group if it is in one
    """
    if not is_hdf5(path):
        classic = read_classic_header(path) if path.is_file() else []
        yield {one.name: Variable(one.dimensions, one.attributes, _reader(path, one)) for one in classic}
        return
    import h5netcdf  # here, because few rasters need it

    with contextlib.ExitStack() as stack:
        variables: dict[str, Variable] = {}
        with contextlib.suppress(*_UNREADABLE):
            group: Any = stack.enter_context(h5netcdf.File(path))
            for name in ("", *layer.split("/")[:-1]):
                group = group[name] if name else group
                for key, variable in group.variables.items():
                    variables[key] = _hdf5_variable(variable)
        yield variables


def check_dimension_order(path: Path, layer: str, variables: dict[str, Variable]) -> None:
    """Refuse variables stored by columns, because GDAL takes the last dimension for x whatever its name.

    Parameters
    ----------
    path : NetCDF file
    layer : name of the variable with the elevation, with its group
    variables : from `open_variables`

    Raises
    ------
    GridError : the last dimension is that of latitude or northing
    """
    name = layer.rpartition("/")[2]
    dimensions = variables[name].dimensions if name in variables else ()
    last = dimensions[-1] if dimensions else ""
    along = [(last, {}), *((key, one.attributes) for key, one in variables.items() if one.dimensions == (last,))]
    if any(direction(key, attributes) == "y" for key, attributes in along):
        order, found = f"{last},{dimensions[0]}", ", ".join(dimensions)
        message = f"{path}: {name} has the dimensions {found}; put rows first, with `ncpdq -a {order}`"
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
        return list(_Parser(file, version=magic[3]).variables()) if magic in _CLASSIC else []


def _hdf5_variable(variable: Any) -> Variable:
    attributes = {}
    for key in variable.attrs:
        with contextlib.suppress(*_UNREADABLE):
            attributes[key] = variable.attrs[key]
    return Variable(tuple(variable.dimensions), attributes, lambda: np.asarray(variable[...]))


def _reader(path: Path, variable: ClassicVariable) -> Callable[[], NDArray[Any]]:
    def read() -> NDArray[Any]:
        count = math.prod(variable.shape)
        return np.fromfile(path, variable.dtype, count, offset=variable.begin).reshape(variable.shape)

    return read


class _Parser:
    """Parser of a classic NetCDF header, from the file position behind the magic number on."""

    def __init__(self, file: BinaryIO, *, version: int) -> None:
        self.file = file
        self.count_bytes = 8 if version == 5 else 4
        self.offset_bytes = 4 if version == 1 else 8

    def variables(self) -> Iterator[ClassicVariable]:
        """Yield the variables of the file."""
        self._number(self.count_bytes)  # of records
        dimensions = [(name, self._number(self.count_bytes)) for name in self._names()]
        self._attributes()  # of the file
        for name in self._names():
            numbers = [self._number(self.count_bytes) for _ in range(self._number(self.count_bytes))]
            axes = [dimensions[axis] for axis in numbers if axis < len(dimensions)]
            attributes = self._attributes()
            dtype = np.dtype(_TYPES.get(self._number(), "i1"))
            self._number(self.count_bytes)  # the size again, which may exceed the range of the field
            begin, shape = self._number(self.offset_bytes), tuple(length for _, length in axes)
            end = begin + dtype.itemsize * math.prod(shape)
            yield ClassicVariable(name, tuple(axis for axis, _ in axes), shape, attributes, dtype, begin, end)

    def _number(self, size: int = 4) -> int:
        return int.from_bytes(self._bytes(size), "big")

    def _bytes(self, size: int) -> bytes:
        if len(found := self.file.read(size)) < size:
            message = "it ends within its header"
            raise EOFError(message)
        return found

    def _names(self) -> Iterator[str]:
        """Yield the names in a list of dimensions, attributes or variables; the caller reads the rest of each item."""
        self._number()  # tag of the list
        if (count := self._number(self.count_bytes)) > _MOST_NAMES:
            message = f"its header declares {count:,} names in a list, at most {_MOST_NAMES:,} are read"
            raise EOFError(message)
        for _ in range(count):
            length = self._number(self.count_bytes)
            name = self.file.read(length).decode(errors="replace")
            self._skip(-length % 4)
            yield name

    def _attributes(self) -> dict[str, Any]:
        """Read a list of attributes; only those of usual length are kept."""
        attributes: dict[str, Any] = {}
        for name in self._names():
            dtype, count = np.dtype(_TYPES.get(self._number(), "i1")), self._number(self.count_bytes)
            length = dtype.itemsize * count
            if count <= _LONGEST_ATTRIBUTE:
                content = self._bytes(length)
                is_text = dtype.kind == "S"
                attributes[name] = content.decode(errors="replace") if is_text else np.frombuffer(content, dtype)
            else:
                self._skip(length)
            self._skip(-length % 4)
        return attributes

    def _skip(self, length: int) -> None:
        self.file.seek(min(length, 2**40), os.SEEK_CUR)
