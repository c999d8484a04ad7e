"""Check that a file is complete where the libraries that read it would crash, invent values or follow references."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from demsr.dem.crs import check_crs_text
from demsr.dem.read.netcdf import is_hdf5, read_classic_header
from demsr.dem.read.text_grid import check_text_grid
from demsr.errors import RasterError

if TYPE_CHECKING:
    import h5py

LONGEST_SIDE = 10_000_000
"""Most pixels along one axis: a row is read at once, and GDAL holds all coordinates of a NetCDF file in memory."""
_CRS_ATTRIBUTES = ("spatial_ref", "crs_wkt", "esri_pe_string")  # of which GDAL makes a CRS
_MOST_LINKS, _DEEPEST = 10_000, 32  # HDF5 needs time in proportion to the number of objects and the square of the depth
_LONGEST_TEXT = 1 << 20
_COPY = "copy the values into it, for example with h5repack or ncks"


def check_integrity(path: Path) -> None:
    """Refuse damaged HDF5, over which GDAL and netCDF crash, and truncated NetCDF, for which netCDF reads zeros.

    Raises
    ------
    RasterError : HDF5 that is refused by `objection`, a CRS that names files, or a text grid with words in it
    OSError, RuntimeError, ... : from HDF5, which finds the damage
    EOFError : the file ends before its last value
    """
    if is_hdf5(path):
        import h5py  # here, because few rasters need it

        with h5py.File(path) as hdf5:
            if found := objection(hdf5):
                message = f"{path}: {found}"
                raise RasterError(message)
            _check_texts(hdf5, path)
    elif path.is_file():
        variables = read_classic_header(path)
        for variable in variables:
            for name in _CRS_ATTRIBUTES:
                check_crs_text(str(variable.attributes.get(name, "")), where=path)
        needed = max((variable.end for variable in variables), default=0)
        if (found_bytes := path.stat().st_size) < needed:
            message = f"it ends after {found_bytes} of {needed} bytes"
            raise EOFError(message)
        check_text_grid(path)


def objection(hdf5: "h5py.File") -> str | None:
    """Return what speaks against reading an HDF5 file and what to do, None if nothing does; no reference is followed.

    References are external links, links of user-defined kinds, and external or virtual storage of datasets. Very many
    objects, or objects in very many groups, take HDF5 minutes; a dataset may be longer than any raster.

    Parameters
    ----------
    hdf5 : open file
    """
    import h5py

    links = 0

    def of_link(name: str, link: object) -> str | None:
        nonlocal links
        links += 1
        if links > _MOST_LINKS or name.count("/") >= _DEEPEST:
            return f"has more than {_MOST_LINKS:,} objects or {_DEEPEST} levels; copy what is needed with h5copy"
        if isinstance(link, h5py.HardLink | h5py.SoftLink):
            return None
        found = f"the file {getattr(link, 'filename', 'of an unknown kind')!r}"
        return f"its object {name} is a link to {found}; {_COPY}"

    def of_object(name: str, item: "h5py.HLObject") -> str | None:
        if not isinstance(item, h5py.Dataset):
            return None
        sources = [file for file, *_ in item.external or ()]
        sources += [source.file_name for source in item.virtual_sources()] if item.is_virtual else []
        if outside := next((file for file in sources if file != "."), None):
            return f"its values {name} are in the file {outside!r}; {_COPY}"
        if (longest := max(item.shape or (0,))) > LONGEST_SIDE:
            found = f"declares {longest:,} values along an axis of {name}"
            return f"{found}; at most {LONGEST_SIDE:,} along an axis are read, cut it first"
        return None

    found: str | None = hdf5.visititems_links(of_link) or hdf5.visititems(of_object)
    return found


def _check_texts(hdf5: "h5py.File", path: Path) -> None:
    """Read all attributes, so that damage is found, and check those and the texts of which GDAL makes a CRS."""

    def check(_name: str, item: "h5py.HLObject") -> None:
        for attribute in item.attrs:
            with contextlib.suppress(TypeError, ValueError):  # types that h5py does not support are no damage
                value = item.attrs.get(attribute)
                if attribute in _CRS_ATTRIBUTES:
                    check_crs_text(str(value), where=path)
        dtype = getattr(item, "dtype", None)
        if dtype is not None and dtype.kind == "S" and item.nbytes < _LONGEST_TEXT:  # metadata of BAG
            check_crs_text(item[()].tobytes().decode("latin-1"), where=path)

    check("/", hdf5)
    hdf5.visititems(check)
