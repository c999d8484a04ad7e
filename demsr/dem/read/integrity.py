"""Check that a file is complete where the libraries that read it would crash or invent values."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from demsr.dem.read.netcdf import is_hdf5, read_classic_header
from demsr.errors import RasterError

if TYPE_CHECKING:
    import h5py

LONGEST_SIDE = 10_000_000
"""Most pixels along one axis: a row is read at once, and GDAL holds all coordinates of a NetCDF file in memory."""


def check_integrity(path: Path) -> None:
    """Refuse damaged HDF5, over which GDAL and netCDF crash, and truncated NetCDF, for which netCDF reads zeros.

    Raises
    ------
    RasterError : HDF5 that refers to other files, or declares more values along an axis than `LONGEST_SIDE`
    OSError, RuntimeError, ... : from HDF5, which finds the damage
    EOFError : the file ends before its last value
    """
    if is_hdf5(path):
        import h5py  # here, because few rasters need it

        with h5py.File(path) as hdf5:
            _read_attributes("/", hdf5)
            hdf5.visititems(_read_attributes)
            if reference := outside_reference(hdf5):
                message = f"{path}: {reference}; copy the values into it, for example with h5repack or ncks"
                raise RasterError(message)
            if huge := hdf5.visititems(_longer_than_any_raster):
                message = f"{path}: declares {huge}; at most {LONGEST_SIDE:,} along an axis are read, cut it first"
                raise RasterError(message)
    elif path.is_file():
        needed = max((variable.end for variable in read_classic_header(path)), default=0)
        if (found := path.stat().st_size) < needed:
            message = f"it ends after {found} of {needed} bytes"
            raise EOFError(message)


def outside_reference(hdf5: "h5py.File") -> str | None:
    """Return in words the first reference of an HDF5 file to other files, None if it has none; nothing is followed.

    References are external links, links of user-defined kinds, and external or virtual storage of datasets.

    Parameters
    ----------
    hdf5 : open file
    """
    found: str | None = hdf5.visititems_links(_link_outside) or hdf5.visititems(_storage_outside)
    return found


def _link_outside(name: str, link: object) -> str | None:
    import h5py

    if isinstance(link, h5py.HardLink | h5py.SoftLink):
        return None
    return f"its object {name} is a link to the file {getattr(link, 'filename', 'of an unknown kind')!r}"


def _storage_outside(name: str, item: "h5py.HLObject") -> str | None:
    import h5py

    if not isinstance(item, h5py.Dataset):
        return None
    sources = [file for file, *_ in item.external or ()]
    sources += [source.file_name for source in item.virtual_sources()] if item.is_virtual else []
    return next((f"its values {name} are in the file {file!r}" for file in sources if file != "."), None)


def _longer_than_any_raster(name: str, item: "h5py.HLObject") -> str | None:
    shape = getattr(item, "shape", None) or (0,)
    return f"{max(shape):,} values along an axis of {name}" if max(shape) > LONGEST_SIDE else None


def _read_attributes(_name: str, item: "h5py.HLObject") -> None:
    """Read all attributes of an object; types that h5py does not support are no damage."""
    for attribute in item.attrs:
        with contextlib.suppress(TypeError, ValueError):
            item.attrs.get(attribute)
