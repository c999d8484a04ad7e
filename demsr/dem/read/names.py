"""Names of inputs that are no plain path: datasets in files, members of archives, compressed files, URLs."""

import atexit
import gzip
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple, cast

from demsr.errors import RasterError
from demsr.runtime.archives import largest_unpacked, open_member

_DATASET = re.compile(r'NETCDF:"?(?P<path>[^"]+?)"?:/*(?P<layer>[^":]+)')
_INSIDE = re.compile(r"/vsi(?P<kind>zip|gzip)/\{?(?P<path>[^}]+?)\}?(?P<member>/[^}]*)?")
_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:|/vsi")  # a single letter is a drive of Windows
_FILE = re.compile(r"file:/*(?P<path>/.*)")
_CHUNK_BYTES = 2**20


class SourceName(NamedTuple):
    """Local file of an input, with the layer and the member of an archive that its name states, else None."""

    path: Path
    layer: str | None = None
    member: str | None = None


def source_name(name: Path) -> SourceName:
    """Return the local file that a name stands for.

    Parameters
    ----------
    name : path, file: URL, or a name of GDAL: NETCDF:FILE:LAYER, /vsizip/FILE/MEMBER, /vsigzip/FILE

    Raises
    ------
    RasterError : a URL, or another name of GDAL
    """
    text = str(name)
    if not _ANY_SCHEME.match(text) or name.exists():
        return SourceName(name)
    if url := _FILE.fullmatch(text):
        return SourceName(Path(url["path"]))
    if dataset := _DATASET.fullmatch(text):
        return SourceName(Path(dataset["path"]), layer=dataset["layer"].strip("/"))
    if inside := _INSIDE.fullmatch(text):
        relative = Path(inside["path"] + (inside["member"] or ""))
        for whole in (relative, Path("/") / relative):  # paths have lost the second of two slashes
            archive = next((path for path in (whole, *whole.parents) if path.is_file()), None)
            if archive is not None:
                member = None if archive == whole else whole.relative_to(archive).as_posix()
                return SourceName(archive, member=member)
    message = f"{text}: is no local file; download it, and name the file, with --layer if it has several layers"
    raise RasterError(message)


def unpacked(path: Path, member: str | None = None) -> Path:
    """Return a copy of a .gz file, or of the member of a .zip archive, that is removed when the program ends.

    Parameters
    ----------
    path : compressed file
    member : name in the archive; None for a .gz file

    Raises
    ------
    RasterError : it unpacks to far more than a raster would, or to more than the disk has free
    """
    return _unpacked(path, member, path.stat().st_mtime_ns)


@cache
def _unpacked(path: Path, member: str | None, _modified_ns: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="demsr-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = folder / (Path(member).name if member else path.stem)
    largest = min(largest_unpacked(path.stat().st_size), shutil.disk_usage(folder).free)
    with _opened(path, member) as packed, target.open("wb") as file:
        while chunk := packed.read(_CHUNK_BYTES):
            if file.tell() + len(chunk) > largest:
                message = f"{path}: unpacks to more than {largest:,} bytes; unpack it yourself if it is a raster"
                raise RasterError(message)
            file.write(chunk)
    return target


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    if member is None:
        with gzip.open(path) as packed:
            yield cast("IO[bytes]", packed)
        return
    with zipfile.ZipFile(path) as archive, open_member(archive, member) as packed:
        yield packed
