"""Raster files as GDAL sees them: suffixes, archives, sidecar files, layers and errors."""

import contextlib
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyproj
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from demsr.dem.read.confined import (
    COMPANION_SUFFIXES,
    CRS_SUFFIXES,
    HEAD_BYTES,
    check_companion,
    check_stored_bytes,
    confine,
    is_vrt,
    local_files_only,
    open_local,
)
from demsr.dem.read.declared import Declared
from demsr.dem.read.names import source_name, unpacked
from demsr.dem.read.text_grid import is_text_grid
from demsr.errors import DemsrError, GridError, RasterError, printable, whole_cause
from demsr.runtime.archives import check_member, open_member

RASTER_SUFFIXES = (
    *(".tif", ".tiff", ".hgt", ".nc", ".nc4", ".bag", ".asc", ".grd", ".img", ".bil", ".vrt"),
    *(".dt0", ".dt1", ".dt2"),
)
_NOT_IN_ARCHIVES = (".nc", ".nc4", ".grd", ".bag")  # libraries of these formats need a real file
_ELEVATION_LAYERS = "elevation z band1 height altitude topo topography bathymetry dem depth"  # by preference
_ZARR = ("zarr.json", ".zgroup", ".zarray")  # the metadata of a folder of Zarr
_VRT_TEXT = re.compile(r"<VRTDataset.*</VRTDataset>", re.DOTALL)  # the name of a rewritten VRT in GDAL
_ERRORS = (
    *(RasterioError, CPLE_BaseError, pyproj.exceptions.ProjError, zipfile.BadZipFile, zlib.error),
    *(EOFError, OSError, ValueError, TypeError, SystemError, MemoryError, RuntimeError, KeyError),
)


@dataclass(frozen=True, kw_only=True)
class RasterFile:
    """Open raster file while its header is read.

    Attributes
    ----------
    path : path that the user named
    gdal_name : name of the dataset in GDAL
    dataset : the dataset
    band : number of the band with the elevation, counted from 1
    alpha_band : number of the band that is 0 where the others are void, None without one
    declared : properties declared by the user
    notes : assumptions and declarations so far, one sentence each; functions that read the header append to it
    """

    path: Path
    gdal_name: str
    dataset: rasterio.DatasetReader
    band: int
    alpha_band: int | None
    declared: Declared
    notes: list[str]

    @cached_property
    def tags(self) -> dict[str, str]:
        """Tags of the dataset and the band, each in one printable line."""
        tags = {**self.dataset.tags(), **self.dataset.tags(self.band)}
        return {name: printable(text) for name, text in tags.items()}

    @property
    def stored(self) -> Path:
        """File on the disk that GDAL reads: `path`, or its unpacked copy."""
        return Path(self.dataset.files[0]) if self.dataset.files else self.path

    @property
    def variable(self) -> str:
        """Name of the variable of a NetCDF file, with its groups."""
        if self.gdal_name.startswith("NETCDF:"):
            return self.gdal_name.rpartition(":")[2].strip("/")
        return self.tags.get("NETCDF_VARNAME", "")

    @property
    def layer(self) -> str:
        """Name of the variable or band."""
        return self.tags.get("NETCDF_VARNAME") or self.dataset.descriptions[self.band - 1] or f"band {self.band}"


@contextlib.contextmanager
def open_file(name: Path, declared: Declared) -> Iterator[RasterFile]:
    """Open the layer of a raster file that holds the elevation.

    Parameters
    ----------
    name : raster in a format of GDAL, .zip archive with one, .gz file of one, or see `source_name`
    declared : properties declared by the user

    Raises
    ------
    RasterError : the file is no raster, is damaged, or is an archive without exactly one raster
    GridError : several layers, none of which is known to be elevation
    """
    path, layer, member = source_name(name)
    if path.exists() and not (path.is_dir() or path.is_file()):
        message = f"{path}: is a pipe or a device; give a regular file"
        raise RasterError(message)
    if path.is_dir():
        zarr = any((path / name).is_file() for name in _ZARR)
        way_out = "open it with xarray.open_zarr, and write it with to_netcdf" if zarr else "name files in it"
        message = f"{path}: is a folder{' of Zarr' * zarr}; {way_out}"
        raise RasterError(message)
    with gdal_errors(path), local_files_only():
        notes = declared.notes()
        whole, files = _gdal_name(path, member)
        gdal_name, band = _select_layer(path, whole, declared.layer or layer, notes)
        with open_local(gdal_name, path) as dataset:
            check_stored_bytes(dataset, files, path)
            alpha = _alpha_band(dataset)
            yield RasterFile(
                path=path,
                gdal_name=gdal_name,
                dataset=dataset,
                band=band,
                alpha_band=None if alpha == band else alpha,
                declared=declared,
                notes=notes,
            )


def raster_name(path: Path) -> str:
    """Return a file name without the suffixes of its format: N43E007 for N43E007.hgt.zip."""
    bare = path.with_suffix("") if path.suffix.lower() in (".zip", ".gz") else path
    return bare.stem if bare.suffix.lower() in RASTER_SUFFIXES else bare.name


def sidecar_files(path: Path) -> list[Path]:
    """Return the other files that GDAL reads with a raster, such as .hdr, .prj, or the sources of a .vrt."""
    if path.suffix.lower() in (".zip", ".gz"):
        return []
    try:
        with gdal_errors(path), local_files_only():
            return confine(path).files[1:]
    except DemsrError:
        return []  # reading the raster reports the problem


@contextlib.contextmanager
def gdal_errors(path: Path) -> Iterator[None]:
    """Turn errors of rasterio, GDAL and PROJ over a broken file into a RasterError that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # becomes a GridError of ours
            yield
    except DemsrError:
        raise
    except _ERRORS as error:
        reason = _VRT_TEXT.sub(path.name, whole_cause(error))
        message = f"{path}: cannot be read as a raster ({reason}); give a whole GeoTIFF or another format of GDAL"
        raise RasterError(message) from error


def _gdal_name(path: Path, member: str | None = None) -> tuple[str, list[Path]]:
    """Return the dataset name for GDAL: the file itself, an unpacked copy, or the only raster in an archive.

    The second value has the files in which it is stored.
    """
    if path.suffix.lower() != ".zip":
        raster = confine(unpacked(path) if path.suffix.lower() == ".gz" else path)
        return raster.name, raster.files
    with zipfile.ZipFile(path) as archive:
        rasters = [name for name in archive.namelist() if _is_raster(name)] if member is None else [member]
        if len(rasters) != 1:
            message = f"{path}: holds {len(rasters)} rasters ({', '.join(rasters[:5])}); unpack it and name one"
            raise RasterError(message)
        head = _head(archive, rasters[0])
        if rasters[0].lower().endswith(_NOT_IN_ARCHIVES) or is_text_grid(head):
            return confine(unpacked(path, rasters[0])).name, [path]
        if len({*archive.namelist()}) < len(archive.namelist()):
            message = f"{path}: holds two files of the same name; pack it again"
            raise RasterError(message)
        for name in archive.namelist():
            if name.lower().endswith((*COMPANION_SUFFIXES, *CRS_SUFFIXES)):
                check_companion(name, _head(archive, name), where=path)
        if is_vrt(head):
            message = f"{path}: holds {rasters[0]}, which is a VRT, whatever its name; unpack it with its sources"
            raise RasterError(message)
        check_member(archive, rasters[0])  # GDAL ignores the CRC
    return f"/vsizip/{{{path.resolve()}}}/{rasters[0]}", [path]


def _head(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the first bytes of a member."""
    with open_member(archive, name) as member:
        return member.read(HEAD_BYTES)


def _is_raster(member: str) -> bool:
    """Whether a member of an archive is a raster by its suffix; files that systems add to archives are not."""
    parts = member.split("/")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and member.lower().endswith(RASTER_SUFFIXES)


def _select_layer(path: Path, gdal_name: str, declared: str | None, notes: list[str]) -> tuple[str, int]:
    """Return the dataset name and the band that hold the elevation."""
    with open_local(gdal_name, path) as dataset:
        if dataset.count == 0:
            layers = {name.rsplit(":", 1)[-1].strip("/"): (name, 1) for name in dataset.subdatasets}
        elif declared is None and (one := _only_band(dataset)) is not None:
            return gdal_name, one
        else:
            bands = zip(dataset.indexes, dataset.descriptions, strict=True)
            names = {band: text or dataset.tags(band).get("NETCDF_VARNAME") or str(band) for band, text in bands}
            if len(set(names.values())) < len(names):  # times of one variable, for example
                names = {band: str(band) for band in names}
            layers = {name: (gdal_name, band) for band, name in names.items()}
    lower_case = {name.lower(): name for name in layers}
    chosen = declared or next((lower_case[name] for name in _ELEVATION_LAYERS.split() if name in lower_case), None)
    found = printable(", ".join([*layers][:12])) or "none"
    if chosen not in layers:
        message = f"{path}: has the layers {found}; name the one of elevation with `layer`"
        raise GridError(message)
    if declared is None and len(layers) > 1:
        notes.append(f"layer: the file has {found}; {chosen} taken")
    return layers[chosen]


def _only_band(dataset: rasterio.DatasetReader) -> int | None:
    """Return the number of the only band beside an alpha band, None if there are several."""
    bands = [band for band in dataset.indexes if band != _alpha_band(dataset)]
    return bands[0] if len(bands) == 1 else None


def _alpha_band(dataset: rasterio.DatasetReader) -> int | None:
    colours = zip(dataset.indexes, dataset.colorinterp, strict=True)
    return next((band for band, colour in colours if colour == ColorInterp.alpha), None)
