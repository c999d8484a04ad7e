"""Read and write files; a written file appears complete or not at all (temporary name, fsync, rename)."""

import contextlib
import csv
import ctypes
import errno
import glob
import hashlib
import io
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from demsr.errors import ParamsError, RasterError

_NO_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]|/vsi[a-z0-9_]+[/{]")  # a single letter is a drive of Windows
_RENAME_EXCHANGE, _CURRENT_FOLDER = 2, -100  # of linux/fs.h and fcntl.h
_RENAME_SWAP = 2  # of sys/stdio.h of macOS
_ASIDE = ".old"


def local_path(path: str | Path) -> Path:
    """Return the path of a file to write; a link is followed, so that its target is written and the link stays.

    Parameters
    ----------
    path : path in the file system

    Raises
    ------
    RasterError : a URL, or a name for GDAL such as /vsis3/bucket/a.tif
    """
    check_is_path(Path(path))
    return Path(path).resolve() if Path(path).is_symlink() else Path(path)


def check_is_path(path: Path) -> None:
    """Raise RasterError for a URL and for a name of GDAL, which would become folders of strange names.

    Parameters
    ----------
    path : file or folder to write
    """
    if _NO_PATH.match(os.fspath(path)):
        message = f"{path}: is no path in the file system; write a file here, then copy it to where it is to be"
        raise RasterError(message)


@contextlib.contextmanager
def atomic_write(path: Path, *, clear: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, else remove it.

    The temporary name keeps the suffix, because GDAL and HDF5 choose drivers by it.

    Parameters
    ----------
    path : final path; missing parent folders are created
    clear : remove temporary files of killed processes first, which is slow in a folder with very many files
    """
    check_is_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if clear:
        _remove_orphans(path.parent, path.stem)
    temporary = path.with_name(f".{path.stem}.{_process()}.part{path.suffix}")
    try:
        with _named_errors(path):
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of_text(text: str) -> str:
    """Return the SHA-256 of a text as 64 hexadecimal digits.

    Parameters
    ----------
    text : encoded as UTF-8
    """
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """Return one SHA-256 over the names and contents of the files in a folder.

    Parameters
    ----------
    folder : its subfolders are ignored
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.glob("*") if path.is_file()):
        digest.update(f"{path.name}\n{sha256_of_file(path)}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; it replaces `path` if the block succeeds.

    The old folder keeps its name until the new one takes it in one step, whatever ends the process.

    Parameters
    ----------
    path : final path; missing parent folders are created
    """
    check_is_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _restore_aside(path)
    _remove_orphans(path.parent, path.name)
    temporary = path.with_name(f".{path.name}.{_process()}.part")
    try:
        with _named_errors(path):
            temporary.mkdir()
            yield temporary
            _sync_files(temporary)
            if path.exists():
                _exchange(temporary, path)
            else:
                temporary.replace(path)
            _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, atomically.

    Parameters
    ----------
    path : file to write
    text : its content
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically.

    Parameters
    ----------
    path : file to write
    value : JSON types only; NaN raises ValueError
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file that demsr has written.

    Parameters
    ----------
    path : UTF-8

    Raises
    ------
    ParamsError : the file is not JSON, so it was damaged
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        message = f"{path}: damaged, cannot be read as JSON ({error}); remove it and run what writes it again"
        raise ParamsError(message) from error


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV, atomically.

    Parameters
    ----------
    path : file to write
    rows : the columns are the keys of all rows, in order of appearance
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Parameters
    ----------
    path : file to read
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_orphans(folder: Path, name: str) -> None:
    """Remove temporary files of killed processes of this machine, and files that libraries put beside them."""
    host, _, _ = _process().rpartition("-")
    for leftover in folder.glob(f".{glob.escape(name)}.*.part*"):
        number = re.fullmatch(rf"{re.escape(host)}-(\d+)\.part.*", leftover.name[len(name) + 2 :])
        if number is None or _is_alive(int(number[1])):
            continue
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _process() -> str:
    """Return a name of this process, unique across machines that share the disk."""
    return f"{platform.node().replace('.', '_') or 'host'}-{os.getpid()}"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # of another user
    return True


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Name the file in errors of the system that name none: those of `write` and `fsync` do not."""
    try:
        yield
    except OSError as error:
        if type(error).__module__ != "builtins" or error.filename is not None:
            raise
        if error.errno is None:
            message = f"{path}: {error}"
            raise OSError(message) from error
        raise OSError(error.errno, error.strerror, str(path)) from error


def _exchange(new: Path, old: Path) -> None:
    """Exchange the names of two folders in one step.

    Python has no function for it, so it is that of the C library: renameat2 of Linux, renamex_np of macOS.

    Raises
    ------
    OSError : the file system cannot exchange names
    """
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(new), os.fsencode(old)
    if sys.platform == "darwin":
        failed = library.renamex_np(*names, _RENAME_SWAP)
    else:
        failed = library.renameat2(_CURRENT_FOLDER, names[0], _CURRENT_FOLDER, names[1], _RENAME_EXCHANGE)
    if not failed:
        return
    if (number := ctypes.get_errno()) not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        raise OSError(number, os.strerror(number), str(old))
    # on a file system that cannot exchange names, the old folder has none for a moment
    aside = new.with_name(f"{new.name}{_ASIDE}")
    old.replace(aside)
    new.replace(old)
    aside.replace(new)


def _restore_aside(path: Path) -> None:
    """Give a folder its name back if a process was killed while it had none."""
    for aside in path.parent.glob(f".{glob.escape(path.name)}.*.part{_ASIDE}"):
        if not path.exists():
            aside.replace(path)


def _sync_files(folder: Path) -> None:
    """Make the files of a folder durable before it gets its name."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as written:
                os.fsync(written.fileno())
        elif path.is_dir():
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
