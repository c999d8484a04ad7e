"""Rasters confined to local files: whatever a file asks GDAL to read, only files in or below its own folder are read.

Formats are recognised by content, never by suffix. A VRT is rewritten with the checked paths of its sources; the XML
text that GDAL gets has nothing that this module does not know.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import rasterio
from rasterio.io import DatasetReader

from demsr.dem.crs import check_crs_text
from demsr.dem.gdal_environment import gdal_environment
from demsr.dem.read.integrity import LONGEST_SIDE, check_integrity
from demsr.errors import RasterError

DRIVERS = (
    *("GTiff", "netCDF", "BAG", "S102", "SRTMHGT", "DTED", "USGSDEM", "HFA", "AIG", "AAIGrid", "GRASSASCIIGrid"),
    *("EHdr", "ENVI", "SAGA", "GSAG", "GSBG", "GS7BG"),
)
"""GDAL's drivers of local rasters. Drivers of services, databases, indices and catalogues are left out: they read what
their files point to."""
_NOT_IN_ARCHIVES = ("netCDF", "BAG", "S102")  # their libraries need real files

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
_VRT_ATTRIBUTES = frozenset(  # GDAL takes an attribute for an element of the same name, so all others are refused
    [
        *("rasterXSize", "rasterYSize", "subClass", "dataAxisToSRSAxisMapping", "coordinateEpoch", "domain", "format"),
        *("key", "dataType", "band", "blockXSize", "blockYSize", "relativeToVRT", "relativetoVRT", "shared"),
        *("resampling", "RasterXSize", "RasterYSize", "DataType", "BlockXSize", "BlockYSize", "xOff", "yOff", "xSize"),
        *("ySize", "c1", "c2", "c3", "c4"),
    ]
)
_SOURCES = ("SourceFilename", "SourceDataset")
_VOID_OF_TYPE = {
    **dict.fromkeys(("Float32", "Float64"), "nan"),
    **{"Int16": "-32768", "Int32": "-2147483648", "UInt16": "65535", "UInt32": "4294967295"},
}
_LARGEST_VRT_BYTES = 1 << 26  # about 100,000 sources
_DEEPEST_VRT = 4  # a VRT of VRTs of VRTs of rasters
_MOST_PIXELS = 432_000 * 216_000  # the globe at 3 arc-seconds
_FEW_BYTES = 1 << 34  # more than a globe of 15 arc-seconds, of which `fetch` may have stored a few windows
_LARGEST_RATIO = 10_000  # of declared to stored bytes; DEFLATE reaches 1032 with zeros
_POINTERS = ("OVERVIEWS", "ProxyOverviewRequest")  # domains of tags in which GDAL looks for names of other files
COMPANION_SUFFIXES = (".msk", ".ovr", ".aux", ".rrd")  # GDAL opens these with any driver
CRS_SUFFIXES = (".prj", ".hdr")  # text with a CRS
_SIDE_CARS = (
    *(*CRS_SUFFIXES, ".stx", ".clr", ".sgrd", ".tfw", ".wld", ".tab", ".ige", ".xml", ".imd", ".rpb", ".pvl"),
    *("metadata.txt", "mtl.txt", "rpc.txt", ".rpc", ".pass", ".eph", "metadata.dim", "summary.txt"),
)  # ends of the names of other files that GDAL reads with a raster
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


def local_files_only(**options: str) -> rasterio.Env:
    """Return the environment of all reading, without connections; see `gdal_environment`.

    Parameters
    ----------
    options : options of GDAL
    """
    return gdal_environment(CPL_VSIL_CURL_ALLOWED_FILENAME="none", **options)


def open_local(name: str, where: Path) -> rasterio.DatasetReader:
    """Open a dataset with one of `DRIVERS`, or the XML text from `confine` as a VRT.

    Parameters
    ----------
    name : name of the dataset for GDAL; call this within `local_files_only`
    where : raster file, for messages

    Raises
    ------
    RasterError : the tags of the dataset name other files, or it declares more pixels than any raster has
    rasterio.errors.RasterioIOError : the file is no raster of `DRIVERS`
    """
    drivers = [driver for driver in DRIVERS if not (name.startswith("/vsi") and driver in _NOT_IN_ARCHIVES)]
    dataset = DatasetReader(name, driver=["VRT"] if _is_xml(name.encode()) else drivers)
    try:
        _check_size(dataset, where)
        if pointer := next((domain for domain in _POINTERS if dataset.tags(ns=domain)), None):
            message = f"{where}: its tags {pointer} name another file; remove them, for example with gdal_edit.py"
            raise RasterError(message)
    except RasterError:
        dataset.close()
        raise
    return dataset


def confine(path: Path) -> ConfinedRaster:
    """Check that a raster and all that it refers to are local files in or below its own folder.

    Nothing outside is opened, and no connection is made.

    Parameters
    ----------
    path : raster file

    Raises
    ------
    RasterError : the raster points elsewhere, or is a VRT with computed, warped or raw bands
    rasterio.errors.RasterioError, OSError, ... : the file is no raster of `DRIVERS`, or is damaged
    """
    return _confined(path, {}, depth=1)


def is_vrt(head: bytes) -> bool:
    """Whether a file is a VRT, from its first bytes."""
    return _is_xml(head) and b"<VRTDataset" in head


def check_companion(name: str, head: bytes, *, where: Path) -> None:
    """Refuse a mask or overview file that is no TIFF or Imagine file, because GDAL opens it whatever its format.

    A CRS in a file of text is checked as well.

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
    if name.lower().endswith(CRS_SUFFIXES):
        check_crs_text(head.decode("latin-1"), where=where)


def _side_cars(path: Path) -> list[Path]:
    """Return the files beside a raster that GDAL opens before it can be asked for them: masks, headers, links."""
    beside, links = _files_in(path.parent, path.parent.stat().st_mtime_ns)
    found, remaining = set[str](), [path.name]
    while remaining:
        name = remaining.pop()
        names = {f"{start}{suffix}".lower() for start in (name, Path(name).stem) for suffix in COMPANION_SUFFIXES}
        new = {file for other in names for file in beside.get(other, ())} - found - {path.name}
        found |= new
        remaining += new
    stem = path.stem.lower()
    found |= {file for suffix in CRS_SUFFIXES for file in beside.get(f"{stem}{suffix}", ())}
    found |= {
        name
        for name in links
        if (name.lower().startswith(stem) and name.lower().endswith(_SIDE_CARS)) or name.lower() in _SIDE_CARS
    }
    return [path.with_name(name) for name in sorted(found - {path.name})]


@lru_cache(maxsize=64)
def _files_in(folder: Path, _changed_ns: int) -> tuple[dict[str, list[str]], list[str]]:
    """Return the names in a folder by their lower-case form, because GDAL ignores case; cached until it changes.

    The second value has the names of links and pipes.
    """
    names: dict[str, list[str]] = {}
    links = []
    with os.scandir(folder) as entries:
        for file in entries:
            names.setdefault(file.name.lower(), []).append(file.name)
            if not (file.is_file(follow_symlinks=False) or file.is_dir(follow_symlinks=False)):
                links.append(file.name)
    return names, links


def _confined(path: Path, known: dict[Path, ConfinedRaster], *, depth: int) -> ConfinedRaster:
    """Return a checked raster; `known` has the sources that were checked before, `depth` counts VRTs in one another."""
    if path in known:
        return known[path]
    if is_vrt(_head(path)):
        known[path] = _confined_vrt(path, known, depth=depth)
        return known[path]
    check_integrity(path)
    folder = path.parent.resolve()
    for file in _side_cars(path):
        _check_inside(path, file, folder)
        check_companion(file.name, _head(file), where=path)
    with open_local(str(path.absolute()), path) as dataset:
        files = sorted(file for file in map(Path, dataset.files) if file.is_file() and not file.samefile(path))
        for file in files:
            _check_inside(path, file, folder)
        known[path] = ConfinedRaster(str(path.absolute()), dataset.driver, [path, *files])
    return known[path]


def _confined_vrt(path: Path, known: dict[Path, ConfinedRaster], *, depth: int) -> ConfinedRaster:
    """Return the VRT with absolute paths of its sources, each bound to the driver that opened it here."""
    if depth > _DEEPEST_VRT:
        message = f"{path}: is reached through {depth - 1} VRTs; convert one of them to GeoTIFF with gdal_translate"
        raise RasterError(message)
    root = _parsed_vrt(path)
    sources = [element for element in root.iter() if element.tag in _SOURCES]
    paths = {element: _source_file(path, element) for element in sources}
    for element in root.iter():
        domain = element.get("domain", "")
        unknown = sorted({*element.attrib} - _VRT_ATTRIBUTES)
        if element.tag not in _VRT_ELEMENTS or element.get("subClass") or unknown or domain in _POINTERS:
            found = " ".join(filter(None, (element.tag, element.get("subClass", ""), *unknown, domain)))
            message = f"{path}: a VRT with {found[:80]!r}; only plain mosaics are read, convert it with gdal_translate"
            raise RasterError(message)
    check_crs_text("".join(element.text or "" for element in root.iter("SRS")), where=path)
    length, files = 0, {path: None}
    for element in sources:
        try:
            source = _confined(paths[element], known, depth=depth + 1)
        except RasterError as error:
            message = f"{path}: its source {error}"
            raise RasterError(message) from error
        element.text = source.name if source.driver == "VRT" else f"vrt://{source.name}?if={source.driver}"
        element.attrib = {"relativeToVRT": "0"}
        files |= dict.fromkeys(source.files)
        length += len(element.text)
        _check_vrt_bytes(path, length)
    _declare_voids(root)
    return ConfinedRaster(ElementTree.tostring(root, encoding="unicode"), "VRT", [*files])


def _declare_voids(root: ElementTree.Element) -> None:
    """Make pixels void that no source covers or that a source declares void, where the VRT leaves this to its reader.

    GDAL takes 0 where no source is, and the stored numbers of sources whatever these declare void.
    """
    for element in root.iter("HideNoDataValue"):
        element.text = "0"
    if root.find("MaskBand") is not None:
        return
    for band in root.findall("VRTRasterBand"):
        void = _VOID_OF_TYPE.get(band.get("dataType", ""))
        if band.find("NoDataValue") is None and void is not None:
            ElementTree.SubElement(band, "NoDataValue").text = void
        for source in band.findall("SimpleSource") if band.find("NoDataValue") is not None else ():
            source.tag = "ComplexSource"
            ElementTree.SubElement(source, "UseMaskBand").text = "true"


def _parsed_vrt(path: Path) -> ElementTree.Element:
    """Return the root of a VRT; entities are refused, because they can multiply or name files."""
    _check_vrt_bytes(path, path.stat().st_size)
    content = path.read_bytes()
    try:
        return ElementTree.fromstring(b"" if b"<!DOCTYPE" in content else content)
    except ElementTree.ParseError as error:
        message = f"{path}: a VRT that is no well-formed XML ({error}), or has a DOCTYPE; write it again"
        raise RasterError(message) from error


def _check_vrt_bytes(path: Path, found: int) -> None:
    if found > _LARGEST_VRT_BYTES:
        message = (
            f"{path}: a VRT of {found:,} bytes, with the VRTs in it; at most {_LARGEST_VRT_BYTES:,} are read, convert "
            "it to GeoTIFF with gdal_translate"
        )
        raise RasterError(message)


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


def _check_size(dataset: rasterio.DatasetReader, where: Path) -> None:
    """Refuse sizes that no raster has, because reading takes time and memory in proportion to them."""
    if max(dataset.shape) > LONGEST_SIDE or dataset.height * dataset.width > _MOST_PIXELS:
        message = (
            f"{where}: declares {dataset.height:,} x {dataset.width:,} pixels; at most {_MOST_PIXELS:,} are read, "
            f"{LONGEST_SIDE:,} on a side: cut it first, for example with `gdal_translate -projwin`"
        )
        raise RasterError(message)


def check_stored_bytes(dataset: rasterio.DatasetReader, files: Iterable[Path], where: Path) -> None:
    """Refuse a large raster whose files hold next to nothing: its pixels would be filled in, which takes long.

    Parameters
    ----------
    dataset : open raster
    files : in which its pixels are stored
    where : raster file, for messages

    Raises
    ------
    RasterError : the raster is almost empty
    """
    declared = dataset.height * dataset.width * np.dtype(dataset.dtypes[0]).itemsize
    stored = sum(file.stat().st_size for file in files)
    if declared > max(_FEW_BYTES, _LARGEST_RATIO * stored):
        message = (
            f"{where}: declares {dataset.height:,} x {dataset.width:,} pixels and holds {stored:,} bytes, so that next "
            "to all are empty; cut it first, for example with `gdal_translate -projwin`"
        )
        raise RasterError(message)


def _is_xml(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
