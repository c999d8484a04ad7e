"""Rasters confined to local files: whatever a file asks GDAL to read, only files in or below its own folder are read.

Formats are recognised by content, never by suffix. A VRT is rewritten with the checked paths of its sources; the XML
text that GDAL gets has nothing that this module does not know.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import rasterio
from rasterio.io import DatasetReader

from demsr.dem.read.integrity import check_integrity
from demsr.errors import RasterError

DRIVERS = (
    *("GTiff", "netCDF", "BAG", "S102", "SRTMHGT", "DTED", "USGSDEM", "HFA", "AIG", "AAIGrid", "GRASSASCIIGrid"),
    *("EHdr", "ENVI", "SAGA", "GSAG", "GSBG", "GS7BG", "Zarr"),
)
"""GDAL's drivers of local rasters. Drivers of services, databases, indices and catalogues are left out: they read what
their files point to."""
_NOT_IN_ARCHIVES = ("netCDF", "BAG", "S102", "Zarr")  # their libraries need real files

_VRT_ELEMENTS = frozenset(
    [
        *("VRTDataset", "SRS", "GeoTransform", "Metadata", "MDI", "OverviewList", "MaskBand", "VRTRasterBand"),
        *("NoDataValue", "NODATA", "HideNoDataValue", "ColorInterp", "Description", "UnitType", "Offset", "Scale"),
        *("CategoryNames", "Category", "ColorTable", "Entry", "Histograms", "HistItem", "HistMin", "HistMax"),
        *("BucketCount", "IncludeOutOfRange", "Approximate", "HistCounts", "Overview", "SimpleSource", "ComplexSource"),
        *("AveragedSource", "SourceFilename", "SourceBand", "SourceProperties", "SrcRect", "DstRect", "ScaleOffset"),
        *("ScaleRatio", "LUT", "UseMaskBand"),
    ]
)
_LARGEST_VRT_BYTES = 1 << 26  # about 100,000 sources
_DEEPEST_VRT = 4  # a VRT of VRTs of VRTs of rasters
_POINTERS = ("OVERVIEWS", "ProxyOverviewRequest")  # domains of tags in which GDAL looks for names of other files
COMPANION_SUFFIXES = (".msk", ".ovr", ".aux", ".rrd")  # GDAL opens these with any driver
_COMPANION_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"EHFA_HEADER_TAG")
HEAD_BYTES = 1 << 16


class ConfinedRaster(NamedTuple):
    """Raster that GDAL may open.

    Attributes
    ----------
    name : name of the dataset for GDAL: a path, or the XML text of a VRT
    driver : short name of its format in GDAL
    files : all files that GDAL reads for it, the named one first
    """

    name: str
    driver: str
    files: list[Path]


def local_files_only() -> rasterio.Env:
    """Return the GDAL environment of all reading: no connections, and no .aux.xml files beside rasters."""
    return rasterio.Env(GDAL_PAM_ENABLED="NO", CPL_VSIL_CURL_ALLOWED_FILENAME="none")


def open_local(name: str) -> rasterio.DatasetReader:
    """Open a dataset with one of `DRIVERS`, or the XML text from `confine` as a VRT.

    Parameters
    ----------
    name : name of the dataset for GDAL; call this within `local_files_only`

    Raises
    ------
    RasterError : the tags of the dataset name other files
    rasterio.errors.RasterioIOError : the file is no raster of `DRIVERS`
    """
    drivers = [driver for driver in DRIVERS if not (name.startswith("/vsi") and driver in _NOT_IN_ARCHIVES)]
    dataset = DatasetReader(name, driver=["VRT"] if _is_xml(name.encode()) else drivers)
    if pointer := next((domain for domain in _POINTERS if dataset.tags(ns=domain)), None):
        dataset.close()
        message = f"{name}: its tags {pointer} name another file to read; remove them, for example with gdal_edit.py"
        raise RasterError(message)
    return dataset


def confine(path: Path, *, depth: int = 1) -> ConfinedRaster:
    """Check that a raster and all that it refers to are local files in or below its own folder.

    Nothing outside is opened, and no connection is made.

    Parameters
    ----------
    path : raster file
    depth : number of VRTs that lead to it, for VRTs of VRTs

    Raises
    ------
    RasterError : the raster points elsewhere, or is a VRT with computed, warped or raw bands
    rasterio.errors.RasterioError, OSError, ... : the file is no raster of `DRIVERS`, or is damaged
    """
    if is_vrt(_head(path)):
        return _confined_vrt(path, depth)
    check_integrity(path)
    folder = path.parent.resolve()
    for companion in _companions(path):
        _check_inside(path, companion, folder)
        check_companion(companion.name, _head(companion), where=path)
    with open_local(str(path.absolute())) as dataset:
        files = sorted(file for file in map(Path, dataset.files) if file.is_file() and not file.samefile(path))
        for file in files:
            _check_inside(path, file, folder)
        return ConfinedRaster(str(path.absolute()), dataset.driver, [path, *files])


def is_vrt(head: bytes) -> bool:
    """Whether a file is a VRT, from its first bytes."""
    return _is_xml(head) and b"<VRTDataset" in head


def check_companion(name: str, head: bytes, *, where: Path) -> None:
    """Refuse a mask or overview file that is no TIFF or Imagine file, because GDAL opens it whatever its format.

    Parameters
    ----------
    name : name of the file
    head : its first bytes
    where : raster to which it belongs, for the message

    Raises
    ------
    RasterError : another format
    """
    if name.lower().endswith(COMPANION_SUFFIXES) and (not head.startswith(_COMPANION_STARTS) or b"<VRTDataset" in head):
        message = (
            f"{where}: the file {name} beside it is neither TIFF nor Imagine; remove it, or write it with gdaladdo"
        )
        raise RasterError(message)


def _companions(path: Path) -> list[Path]:
    """Return the files beside a raster that GDAL takes for its masks and overviews, and for theirs."""
    beside, found, remaining = _files_in(path.parent, path.parent.stat().st_mtime_ns), set[str](), [path.name]
    while remaining:
        name = remaining.pop()
        names = {f"{start}{suffix}".lower() for start in (name, Path(name).stem) for suffix in COMPANION_SUFFIXES}
        new = {file for other in names for file in beside.get(other, ())} - found - {path.name}
        found |= new
        remaining += new
    return [path.with_name(name) for name in sorted(found)]


@lru_cache(maxsize=64)
def _files_in(folder: Path, _changed_ns: int) -> dict[str, list[str]]:
    """Return the names in a folder by their lower-case form, because GDAL ignores case; cached until it changes."""
    names: dict[str, list[str]] = {}
    for file in folder.iterdir():
        names.setdefault(file.name.lower(), []).append(file.name)
    return names


def _confined_vrt(path: Path, depth: int) -> ConfinedRaster:
    """Return the VRT with absolute paths of its sources, each bound to the driver that opened it here."""
    if depth > _DEEPEST_VRT or path.stat().st_size > _LARGEST_VRT_BYTES:
        message = (
            f"{path}: a VRT of more than {_LARGEST_VRT_BYTES >> 20} MiB, or of {_DEEPEST_VRT} VRTs, one in another"
        )
        msg = f"{message}; convert it to GeoTIFF with gdal_translate"
        raise RasterError(msg)
    content = path.read_bytes()
    try:
        root = ElementTree.fromstring(b"" if b"<!DOCTYPE" in content else content)
    except ElementTree.ParseError as error:
        message = f"{path}: a VRT that is no well-formed XML ({error}), or has a DOCTYPE; write it again"
        raise RasterError(message) from error
    rasters: dict[Path, ConfinedRaster] = {}
    for element in root.iter():
        domain = element.get("domain", "")
        if element.tag not in _VRT_ELEMENTS or element.get("subClass") or domain in _POINTERS:
            found = " ".join(filter(None, (element.tag, element.get("subClass", ""), domain)))
            message = f"{path}: a VRT with {found[:80]!r}; only plain mosaics are read, convert it with gdal_translate"
            raise RasterError(message)
        if element.tag == "SourceFilename":
            file = _source_file(path, element)
            source = rasters[file] = rasters.get(file) or confine(file, depth=depth + 1)
            element.text = source.name if source.driver == "VRT" else f"vrt://{source.name}?if={source.driver}"
            element.attrib = {"relativeToVRT": "0"}
    files = dict.fromkeys([path, *(file for source in rasters.values() for file in source.files)])
    return ConfinedRaster(ElementTree.tostring(root, encoding="unicode"), "VRT", [*files])


def _source_file(path: Path, element: ElementTree.Element) -> Path:
    """Return the file that a VRT names as a source."""
    name = element.text or ""
    relative = "1" in (element.get("relativeToVRT"), element.get("relativetoVRT"))
    source = (path.parent / name if relative else Path(name)).absolute()
    _check_inside(path, source, path.parent.resolve(), named=name)
    if "?" in str(source):
        message = f"{path}: the path of {name!r} has a question mark, which GDAL does not read in a VRT; rename it"
        raise RasterError(message)
    return source


def _check_inside(path: Path, source: Path, folder: Path, *, named: str = "") -> None:
    """Refuse anything but a regular file in or below a folder; `named` is its name in the raster."""
    resolved = source.resolve()
    if not (len(resolved.name) < 256 and resolved.is_relative_to(folder) and resolved.is_file()):
        message = (
            f"{path}: points to {(named or str(source))[:200]!r}, which is no regular file in or below its own folder; "
            "put it there, or convert the raster to GeoTIFF where you trust it"
        )
        raise RasterError(message)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _is_xml(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
