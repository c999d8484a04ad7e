"""Finished tiles on disk, from which an interrupted run continues."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from demsr.dem.windows import Window
from demsr.errors import RasterError
from demsr.runtime.files import atomic_write, sha256_of_file
from demsr.runtime.notes import read_note, write_note

_MANIFEST, _LOCK = "manifest.json", "lock"


class TileStore:
    """A folder with one file for each finished tile, named by its window and the SHA-256 of its bytes.

    Parameters
    ----------
    folder : must exist
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def finished(self, windows: list[Window]) -> dict[Window, Path]:
        """Return the files of finished windows; remove files whose content does not match their name.

        Parameters
        ----------
        windows : of the present run
        """
        stems = {tile_stem(window): window for window in windows}
        finished = {}
        for path in self.folder.glob("*.tif"):
            stem, _, sha256 = path.stem.rpartition("-")
            if stem in stems and sha256 == sha256_of_file(path):
                finished[stems[stem]] = path
            else:
                path.unlink()
        return finished

    def add(self, window: Window, content: bytes) -> Path:
        """Write a finished tile, completely or not at all.

        Parameters
        ----------
        window : of the tile
        content : encoded tile
        """
        path = self.folder / tile_name(window, content)
        with atomic_write(path, clear=False) as temporary:
            temporary.write_bytes(content)
        return path


@contextmanager
def tile_store(target: Path, identity: Mapping[str, Any], *, resume: bool, overwrite: bool) -> Iterator[TileStore]:
    """Open the tiles of a product, in a hidden folder beside it; remove them when the block ends without an error.

    Parameters
    ----------
    target : the product
    identity : everything that the tiles depend on
    resume : continue with the tiles of an interrupted run
    overwrite : discard them

    Raises
    ------
    RasterError : tiles exist and neither `resume` nor `overwrite` is given, they belong to a run with another
        identity, or another process is writing them
    """
    target = target.absolute()
    folder = target.with_name(f".{target.name}.tiles")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / _LOCK, timeout=0):
            if not _continues(folder, target, identity, resume=resume, overwrite=overwrite):
                for path in folder.glob("*.tif"):
                    path.unlink()
                write_note(folder / _MANIFEST, dict(identity))
            yield TileStore(folder)
            shutil.rmtree(folder)
    except Timeout as error:
        message = f"{target}: another process is writing it; wait until it ends or choose another name"
        raise RasterError(message) from error


def _continues(folder: Path, target: Path, identity: Mapping[str, Any], *, resume: bool, overwrite: bool) -> bool:
    """Whether this run continues with the tiles in the folder."""
    if not (folder / _MANIFEST).is_file() or not any(folder.glob("*.tif")):
        return False
    if overwrite and not resume:
        return False
    before = read_note(folder / _MANIFEST)
    if before is None and overwrite:
        return False
    if before is None:
        message = f"{folder / _MANIFEST}: damaged, so nothing is known of the interrupted run; add --overwrite"
        raise RasterError(message)
    changed = [key for key in {**before, **identity} if before.get(key) != identity.get(key)]
    if overwrite and changed:
        return False
    if not resume:
        message = f"{target}: an interrupted run left tiles; add --resume to continue or --overwrite to start again"
        raise RasterError(message)
    if changed:
        differences = ", ".join(f"{key} was {before.get(key)}, is {identity.get(key)}" for key in changed)
        message = f"{target}: the interrupted run differs ({differences}); use the same options, or add --overwrite"
        raise RasterError(message)
    return True


def tile_name(window: Window, content: bytes) -> str:
    """Return the name of the file of a tile.

    Parameters
    ----------
    window : of the tile
    content : encoded tile
    """
    return f"{tile_stem(window)}-{hashlib.sha256(content).hexdigest()}.tif"


def tile_stem(window: Window) -> str:
    """Return the part of the name of a tile that says where it is.

    Parameters
    ----------
    window : of the tile
    """
    return f"{window.row:06d}-{window.col:06d}-{window.rows}x{window.cols}"
