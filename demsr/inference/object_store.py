"""Rasters and finished tiles in an object store, for nodes of a cluster that share no folder."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from demsr.dem.windows import Window
from demsr.errors import RasterError, whole_cause
from demsr.inference.source import RasterSource, SourceReader
from demsr.inference.tile_store import tile_name, tile_stem
from demsr.runtime.files import atomic_write
from demsr.runtime.project import cache_folder


@dataclass(frozen=True)
class ObjectStore:
    """A folder of an object store with the tiles of one product and its raster.

    Attributes
    ----------
    url : address that fsspec knows, such as s3://bucket/folder
    """

    url: str

    def share(self, source: SourceReader) -> None:
        """Upload the files of a raster and of its type identifiers, unless they are there.

        Parameters
        ----------
        source : open raster
        """
        for reader in source.readers:
            for path in reader.files:
                target = f"{_folder(reader.sha256)}/{path.name}"
                with self._files() as (files, root):
                    if not files.exists(f"{root}/{target}"):
                        files.put_file(str(path), f"{root}/{target}")

    def here(self, source: RasterSource, sha256: Sequence[str]) -> RasterSource:
        """Return a raster with paths of this node, after downloading the files that it lacks.

        Parameters
        ----------
        source : with the paths of the driver
        sha256 : of the raster and of its type identifiers, as the readers of the driver state them
        """
        path = self._path_here(source.path, sha256[0])
        return replace(source, path=path, tid=source.tid and self._path_here(source.tid, sha256[1]))

    def add(self, window: Window, content: bytes) -> str:
        """Upload a finished tile and return its name.

        Parameters
        ----------
        window : of the tile
        content : encoded tile
        """
        name = tile_name(window, content)
        with self._files() as (files, root):
            files.pipe_file(f"{root}/{name}", content)
        return name

    def tile(self, name: str) -> bytes | None:
        """Return the content of a tile, None if it does not match its name.

        Parameters
        ----------
        name : as returned by `add`
        """
        with self._files() as (files, root):
            content: bytes = files.cat_file(f"{root}/{name}")
        return content if hashlib.sha256(content).hexdigest() == Path(name).stem.rpartition("-")[2] else None

    def finished(self, windows: Iterable[Window]) -> Iterator[tuple[Window, bytes]]:
        """Yield the tiles that an interrupted run has left.

        Parameters
        ----------
        windows : wanted tiles
        """
        with self._files() as (files, root):
            names = {Path(path).name for path in files.find(root) if path.endswith(".tif")}
        stems = {name.rpartition("-")[0]: name for name in names}
        for window in windows:
            name = stems.get(tile_stem(window))
            if name is not None and (content := self.tile(name)) is not None:
                yield window, content

    def clear(self) -> None:
        """Remove everything."""
        with self._files() as (files, root):
            files.rm(root, recursive=True)

    def _path_here(self, path: Path, sha256: str) -> Path:
        if path.is_file():  # whose content the worker checks
            return path
        folder = cache_folder() / "rasters" / _folder(sha256)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"), self._files() as (files, root):
            for remote in files.find(f"{root}/{_folder(sha256)}"):
                local = folder / Path(remote).name
                if not local.is_file():
                    with atomic_write(local) as temporary:
                        files.get_file(remote, str(temporary))
        return folder / path.name

    @contextmanager
    def _files(self) -> Iterator[tuple[Any, str]]:
        """Yield the file system and the path of the folder there."""
        import fsspec  # 0.1 s, and only needed here

        try:
            files, root = fsspec.core.url_to_fs(self.url)
            files.invalidate_cache()  # other nodes have written since
            yield files, root
        except Exception as error:
            message = f"{self.url}: {whole_cause(error)}; check the address, and the credentials of this node"
            raise RasterError(message) from error


def _folder(sha256: str) -> str:
    """Return the name of the folder of a raster and its sidecar files, whose hashes are joined."""
    return hashlib.sha256(sha256.encode()).hexdigest()[:16]
