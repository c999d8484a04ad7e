"""Whether a file is whole, where the libraries that read it would crash or make up values."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import h5py

_NETCDF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8}  # bytes by type, NetCDF Classic Format Specification


def check_whole(path: Path) -> None:
    """Refuse damaged HDF5, over which GDAL and netCDF crash, and NetCDF cut off, for which netCDF reads zeros."""
    if h5py.is_hdf5(path):
        with h5py.File(path) as hdf5:
            _read_attributes("/", hdf5)
            hdf5.visititems(_read_attributes)
    elif path.is_file():
        with path.open("rb") as file:
            needed = _end_of_netcdf(file, magic[3]) if (magic := file.read(4)) in (b"CDF\1", b"CDF\2") else 0
        if (found := path.stat().st_size) < needed:
            message = f"it ends after {found} of {needed} bytes"
            raise EOFError(message)


def _read_attributes(_name: str, item: h5py.HLObject) -> None:
    """Read what describes an object: HDF5 itself finds the damage; types that h5py cannot read are none."""
    for attribute in item.attrs:
        with contextlib.suppress(TypeError, ValueError):
            item.attrs.get(attribute)


def _end_of_netcdf(file: BinaryIO, version: int) -> int:
    """Return where the last value outside records ends, by the header of a classic NetCDF file behind its magic."""

    def number(size: int = 4) -> int:
        if len(digits := file.read(size)) < size:
            message = "it ends within its header"
            raise EOFError(message)
        return int.from_bytes(digits, "big")

    def skip(count: int) -> None:
        file.seek(min(count + -count % 4, 2**40), os.SEEK_CUR)

    def named() -> Iterator[None]:
        number()  # of the kind of list
        for _ in range(number()):
            skip(number())  # its name
            yield

    def skip_attributes() -> None:
        for _ in named():
            skip(_NETCDF_SIZES.get(number(), 1) * number())

    number()  # of records
    lengths, end = [number() for _ in named()], 0
    skip_attributes()
    for _ in named():
        axes = [number() for _ in range(number())]
        skip_attributes()
        size = _NETCDF_SIZES.get(number(), 1) * math.prod(lengths[axis] for axis in axes if axis < len(lengths))
        number()  # the same size, which may not fit
        end = max(end, number(4 if version == 1 else 8) + size)
    return end
