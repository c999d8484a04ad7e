"""Pairs that others have made: train.h5, valid.h5 and test.h5 in a folder or archive, as MindEarth publishes them."""

import errno
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TypeVar

from demsr.errors import PairsError
from demsr.runtime.files import atomic_write

Found = TypeVar("Found")
FILES = ("train.h5", "valid.h5", "test.h5")


def unpacked_pairs(source: Path, folder: Path) -> list[Path]:
    """Return the three files: of a folder as they lie there, of an archive unpacked to `folder`.

    Raises
    ------
    PairsError : no such folder or archive, a file is missing or there twice, or the disk has no room for it
    """
    if source.is_dir():
        return [_only(sorted(source.rglob(name)), name, source) for name in FILES]
    try:
        with zipfile.ZipFile(source) as archive:
            return [_unpacked(archive, name, folder, source) for name in FILES]
    except (OSError, EOFError, zlib.error, RuntimeError, UnicodeError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOENT, errno.EINVAL):  # a seek before the start
            raise
        message = f"{source}: cannot be read ({error}); give a folder or a .zip file with {', '.join(FILES)}"
        raise PairsError(message) from error


def _unpacked(archive: zipfile.ZipFile, name: str, folder: Path, source: Path) -> Path:
    member = _only([entry for entry in archive.namelist() if PurePosixPath(entry).name == name], name, source)
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = archive.getinfo(member).file_size, shutil.disk_usage(folder).free
    if needed > free:
        message = f"{source}: {name} takes {needed / 1e9:.1f} GB and {folder} has {free / 1e9:.1f}; free space there"
        raise PairsError(message)
    with atomic_write(folder / name) as temporary, archive.open(member) as packed, temporary.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return folder / name


def _only(found: list[Found], name: str, source: Path) -> Found:
    if len(found) != 1:
        message = f"{source}: holds {len(found)} files called {name}; it must hold each of {', '.join(FILES)} once"
        raise PairsError(message)
    return found[0]
