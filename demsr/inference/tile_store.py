"""Tiles that were computed, kept on disk until all are there, so that a run that was killed can go on."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from demsr.dem.windows import Window
from demsr.errors import RasterError
from demsr.runtime.files import atomic_write, read_json, sha256_of_file, write_json

_MANIFEST, _LOCK = "manifest.json", "lock"


class TileStore:
    """A folder with one file for each finished tile; its name says which window it is and the SHA-256 of its bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def finished(self, windows: list[Window]) -> dict[Window, Path]:
        """Return the windows that are done; a file that is not what its name says is removed."""
        stems = {_stem(window): window for window in windows}
        done = {}
        for path in self.folder.glob("*.tif"):
            stem, _, sha256 = path.stem.rpartition("-")
            if stem in stems and sha256 == sha256_of_file(path):
                done[stems[stem]] = path
            else:
                path.unlink()
        return done

    def add(self, window: Window, content: bytes) -> Path:
        """Keep a finished tile, whole or not at all."""
        path = self.folder / f"{_stem(window)}-{hashlib.sha256(content).hexdigest()}.tif"
        with atomic_write(path, clear=False) as temporary:
            temporary.write_bytes(content)
        return path


@contextmanager
def tile_store(target: Path, identity: Mapping[str, Any], *, resume: bool, overwrite: bool) -> Iterator[TileStore]:
    """Open the tiles of a target; they go when the block ends well, and stay for another run when it does not.

    Parameters
    ----------
    target : the product that the tiles are for; they lie in a hidden folder beside it
    identity : all that the tiles depend on
    resume : go on with the tiles of a run that ended early
    overwrite : throw them away

    Raises
    ------
    RasterError : tiles are there and nobody said what to do with them, they are of another run, or of one that lives
    """
    target = target.absolute()
    folder = target.with_name(f".{target.name}.tiles")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / _LOCK, timeout=0):
            if _begins_anew(folder, target, identity, resume=resume, overwrite=overwrite):
                for path in folder.glob("*.tif"):
                    path.unlink()
                write_json(folder / _MANIFEST, dict(identity))
            yield TileStore(folder)
            shutil.rmtree(folder)
    except Timeout as error:
        message = f"{target}: another process is at work on it; wait for its end or choose another name"
        raise RasterError(message) from error


def _begins_anew(folder: Path, target: Path, identity: Mapping[str, Any], *, resume: bool, overwrite: bool) -> bool:
    """Decide what becomes of the tiles of another run."""
    if not (folder / _MANIFEST).is_file() or not any(folder.glob("*.tif")):
        return True  # it ended before its first tile
    before = read_json(folder / _MANIFEST)
    changed = [key for key in {**before, **identity} if before.get(key) != identity.get(key)]
    if overwrite and (changed or not resume):
        return True
    if not resume:
        message = f"{target}: a run that ended early left its tiles; add --resume to go on or --overwrite to begin anew"
        raise RasterError(message)
    if changed:
        was = ", ".join(f"{key} was {before.get(key)}, is {identity.get(key)}" for key in changed)
        message = f"{target}: the run to resume was another one ({was}); run it as before, or add --overwrite"
        raise RasterError(message)
    return False


def _stem(window: Window) -> str:
    return f"{window.row:06d}-{window.col:06d}-{window.rows}x{window.cols}"
