"""Check that a file is complete where the libraries that read it would crash or invent values."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from demsr.dem.read.netcdf import is_hdf5, read_classic_header

if TYPE_CHECKING:
    import h5py


def check_integrity(path: Path) -> None:
    """Refuse damaged HDF5, over which GDAL and netCDF crash, and truncated NetCDF, for which netCDF reads zeros.

    Raises
    ------
    OSError, RuntimeError, ... : from HDF5, which finds the damage
    EOFError : the file ends before its last value
    """
    if is_hdf5(path):
        import h5py  # here, because few rasters need it

        with h5py.File(path) as hdf5:
            _read_attributes("/", hdf5)
            hdf5.visititems(_read_attributes)
    elif path.is_file():
        needed = max((variable.end for variable in read_classic_header(path)), default=0)
        if (found := path.stat().st_size) < needed:
            message = f"it ends after {found} of {needed} bytes"
            raise EOFError(message)


def _read_attributes(_name: str, item: "h5py.HLObject") -> None:
    """Read all attributes of an object; types that h5py does not support are no damage."""
    for attribute in item.attrs:
        with contextlib.suppress(TypeError, ValueError):
            item.attrs.get(attribute)
