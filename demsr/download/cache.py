"""Cache of downloaded files, stored by the checksum of their content and shared by all projects and users of a machine.

A file in the cache is never downloaded again. A note records the address that each file came from.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from demsr.download.remote_file import AbsentError, Kind, RemoteFile, RetryPolicy, StoppedError
from demsr.download.session import Session
from demsr.download.transfer import OnBytes, transfer
from demsr.errors import FetchError
from demsr.runtime.files import read_json, sha256_of_file, sha256_of_text, write_json
from demsr.runtime.progress import Progress
from demsr.runtime.project import cache_folder

_CONNECTIONS = 16
_COMPUTED_AT_ONCE = 4  # requests to services that compute their responses
_LOCK_POLL_S = 1.0  # while another process downloads the same file
_RESERVED_BYTES = 1e9  # of the disk

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class CachedFile:
    """File in the cache.

    Attributes
    ----------
    origin : download key: the address of the file, and the part or member that it was made from
    path : absolute path
    bytes, sha256 : size and checksum of the content
    fetched_at : time of the download, ISO 8601, UTC
    """

    origin: str
    path: Path
    bytes: int
    sha256: str
    fetched_at: str


class Cache:
    """Cache of downloaded files and of files derived from them.

    Parameters
    ----------
    folder : folder of the cache; None for the user's cache folder, see `cache_folder`
    logins : host -> (user, password), see `Session`
    mirrors : beginning of an address -> its replacement; a mirror never receives a token
    retry : timeouts and number of attempts
    connections : number of simultaneous downloads
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        logins: Mapping[str, tuple[str, str]] | None = None,
        mirrors: Mapping[str, str] | None = None,
        retry: RetryPolicy | None = None,
        connections: int = _CONNECTIONS,
    ) -> None:
        self.folder = folder.resolve() if folder else cache_folder()
        self.logins, self.mirrors = logins, dict(mirrors or {})
        self.retry, self.connections = retry or RetryPolicy(), connections
        self._computed, self._stop = threading.Semaphore(_COMPUTED_AT_ONCE), threading.Event()

    def find(self, origin: str, *, sha256: str | None = None) -> CachedFile | None:
        """Return a file that is in the cache and intact, otherwise None.

        Parameters
        ----------
        origin : download key of the file
        sha256 : checksum that the file must have
        """
        try:
            note = read_json(self._note(origin))
            changed_ns = note.pop("changed_ns", None)
            cached = CachedFile(**{**note, "path": self.folder / note["path"]})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing, or of another version
            return None
        if (
            not cached.path.is_file()
            or cached.path.stat().st_size != cached.bytes
            or sha256 not in (None, cached.sha256)
        ):
            return None
        if cached.path.stat().st_mtime_ns != changed_ns:  # copied or damaged
            if sha256_of_file(cached.path) != cached.sha256:
                return None
            with contextlib.suppress(OSError):
                self._write_note(cached)
        return cached

    def evict(self, cached: CachedFile) -> None:
        """Remove a damaged file, so that it is downloaded again."""
        cached.path.unlink(missing_ok=True)
        self._note(cached.origin).unlink(missing_ok=True)

    def fetch(self, remotes: Sequence[RemoteFile], *, description: str = "fetch") -> list[CachedFile | None]:
        """Return files in order, downloading missing ones in parallel; None for files that the server does not have.

        Parameters
        ----------
        remotes : files to return
        description : label of the progress bar

        Raises
        ------
        FetchError : a download failed (finished ones are kept), or the disk is too small
        """
        missing = [remote for remote in remotes if self.find(remote.url, sha256=remote.sha256) is None]
        sizes = [remote.bytes or 0 for remote in missing]
        self.check_free_space(sum(sizes))
        label = f"{description}, {len(missing)} of {len(remotes)} files"
        progress = Progress(label, total=sum(sizes) if all(sizes) else None, unit="bytes")
        with progress, Session(self.logins, connections=self.connections) as session:
            return self.map(lambda one: self._fetched(one, session, progress.advance), remotes)

    def map(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """Return work(task) of each task, in order, computed in parallel threads.

        Parameters
        ----------
        work : function of one task; its first exception cancels the remaining tasks
        tasks : arguments of `work`
        """
        self._stop.clear()
        with ThreadPoolExecutor(self.connections) as pool:
            futures = [pool.submit(work, task) for task in tasks]
            try:
                for done in as_completed(futures):
                    done.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def derive(self, origin: str, name: str, make: Callable[[Path], None]) -> CachedFile:
        """Return a file that is derived from cached ones, made now unless it is in the cache.

        Parameters
        ----------
        origin : unique key of the inputs and the processing
        name : file name in the cache
        make : writes the file to the given path
        """
        if (cached := self.find(origin)) is not None:
            return cached
        with self._locked(origin) as folder:
            if (cached := self.find(origin)) is None:
                make(folder / name)
                cached = self._store(origin, folder / name)
            return cached

    def read_text(self, url: str, kind: Kind = "json") -> str:
        """Return the current response of a server as text, for example a list of tiles; it is not cached.

        Parameters
        ----------
        url : address
        kind : format of the response
        """
        with self._locked(url) as folder, Session(self.logins) as session:
            path = folder / "response"
            transfer(RemoteFile(self.mirrored(url), path.name, kind), path, session=session, retry=self.retry)
            text = path.read_text(encoding="utf-8", errors="replace")
            path.unlink()
            return text

    def mirrored(self, url: str) -> str:
        """Return the address with its mirror in place, the same address if it has none."""
        prefix = max((known for known in self.mirrors if url.startswith(known)), key=len, default=None)
        return url if prefix is None else self.mirrors[prefix] + url.removeprefix(prefix)

    def is_mirrored(self, url: str) -> bool:
        """Whether a mirror replaces an address."""
        return self.mirrored(url) != url

    def check_free_space(self, needed_bytes: float) -> None:
        """Raise FetchError unless the disk of the cache has room for `needed_bytes`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if needed_bytes + _RESERVED_BYTES > free:
            message = (
                f"{self.folder}: the downloads need {needed_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; free "
                "some space, or set DEMSR_CACHE to a folder on a larger disk"
            )
            raise FetchError(message)

    def _fetched(self, remote: RemoteFile, session: Session, on_bytes: OnBytes) -> CachedFile | None:
        """Download one file, unless another process has done so."""
        if (cached := self.find(remote.url, sha256=remote.sha256)) is not None:
            return cached
        with self._computed if remote.computed else contextlib.nullcontext(), self._locked(remote.url) as folder:
            if (cached := self.find(remote.url, sha256=remote.sha256)) is not None:
                return cached
            asked, path = remote, folder / remote.name
            if self.is_mirrored(remote.url):
                asked = replace(remote, url=self.mirrored(remote.url), token=None)
            try:
                transfer(asked, path, session=session, retry=self.retry, on_bytes=on_bytes, stop=self._stop)
            except AbsentError:
                return None
            return self._store(remote.url, path)

    @contextlib.contextmanager
    def _locked(self, origin: str) -> Iterator[Path]:
        """Yield the folder of an unfinished file to one process or thread at a time; partial downloads stay there."""
        folder = self.folder / "arriving" / sha256_of_text(origin)[:32]
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder}.lock")
        while not lock.is_locked:
            if self._stop.is_set():
                raise StoppedError
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=_LOCK_POLL_S)
        try:
            folder.mkdir(exist_ok=True)
            yield folder
        finally:
            with contextlib.suppress(OSError):  # not empty: a later call resumes the download
                folder.rmdir()
            lock.release()

    def _store(self, origin: str, finished: Path) -> CachedFile:
        """Move a complete file to its final path and write its note."""
        with finished.open("rb") as file:
            os.fsync(file.fileno())
        sha256 = sha256_of_file(finished)
        path = self.folder / "files" / sha256[:2] / sha256 / finished.name
        path.parent.mkdir(parents=True, exist_ok=True)
        finished.replace(path)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        cached = CachedFile(origin, path, path.stat().st_size, sha256, now)
        self._write_note(cached)
        return cached

    def _write_note(self, cached: CachedFile) -> None:
        where = {"path": str(cached.path.relative_to(self.folder)), "changed_ns": cached.path.stat().st_mtime_ns}
        write_json(self._note(cached.origin), asdict(cached) | where)

    def _note(self, origin: str) -> Path:
        return self.folder / "notes" / f"{sha256_of_text(origin)[:32]}.json"
