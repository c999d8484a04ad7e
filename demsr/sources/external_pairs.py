"""LR/HR pairs from outside the project: train.h5, valid.h5 and test.h5 in a folder or zip archive, as of MindEarth."""

import errno
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from demsr.errors import PairsError
from demsr.options import DOMAINS
from demsr.runtime.archives import open_member
from demsr.runtime.files import atomic_write

Found = TypeVar("Found")
PAIR_FILES = ("train.h5", "valid.h5", "test.h5")


def find_external_pairs(source: Path, folder: Path) -> list[Path]:
    """Return the three files of pairs, unpacked if they are in an archive.

    Parameters
    ----------
    source : folder, searched with its subfolders, or zip archive
    folder : folder for the files of an archive

    Raises
    ------
    PairsError : the source is missing or damaged, a file is missing or exists twice, or the disk is too small
    """
    if source.is_dir():
        return [_only(sorted(source.rglob(name)), name, source) for name in PAIR_FILES]
    try:
        with zipfile.ZipFile(source) as archive:
            return [_unpacked(archive, name, folder, source) for name in PAIR_FILES]
    except (OSError, EOFError, zlib.error, RuntimeError, UnicodeError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOENT, errno.EINVAL):  # EINVAL: cut off archive
            raise
        message = f"{source}: cannot be read ({error}); give a folder or a .zip file with {', '.join(PAIR_FILES)}"
        raise PairsError(message) from error


def external_pairs_changes(source: Path) -> dict[str, Any]:
    """Return the values of params.yaml that use one source of external pairs for both domains."""
    return {"fetch": {domain: {"folder": str(source)} for domain in DOMAINS}}


def _unpacked(archive: zipfile.ZipFile, name: str, folder: Path, source: Path) -> Path:
    member = _only([entry for entry in archive.namelist() if PurePosixPath(entry).name == name], name, source)
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = archive.getinfo(member).file_size, shutil.disk_usage(folder).free
    if needed > free:
        message = (
            f"{source}: {name} needs {needed / 1e9:.1f} GB, {folder} has {free / 1e9:.1f} GB free; free some space"
        )
        raise PairsError(message)
    with atomic_write(folder / name) as temporary, open_member(archive, member) as packed, temporary.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return folder / name


def _only(found: list[Found], name: str, source: Path) -> Found:
    if len(found) != 1:
        message = (
            f"{source}: contains {len(found)} files named {name}; it must contain each of {', '.join(PAIR_FILES)} once"
        )
        raise PairsError(message)
    return found[0]
