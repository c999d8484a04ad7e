"""Fetched files by the checksum of their content, shared between clones and users of a machine.

A file that is here is never asked for again; nor is a part of it cut again. Each keeps a note of where it came from.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from demsr.errors import FetchError
from demsr.runtime.files import read_json, sha256_of_file, sha256_of_text, write_json
from demsr.runtime.project import cache_folder
from demsr.sources.remote.transfer import AbsentError, Kind, OnBytes, Patience, Remote, StoppedError, transfer
from demsr.sources.remote.visitor import Visitor

_AT_ONCE = 16
_COMPUTED_AT_ONCE = 4  # requests to services that compute what they answer
_LOOK_UP_S = 1.0  # while another process fetches the same file
_KEPT_FREE = 1e9  # bytes of the disk

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Fetched:
    """A file in the cache.

    Attributes
    ----------
    origin : its address, and what was cut out of it
    fetched_at : ISO 8601, UTC
    """

    origin: str
    path: Path
    bytes: int
    sha256: str
    fetched_at: str


class Cache:
    """Files that were fetched, by content.

    Parameters
    ----------
    logins : see `Visitor`
    mirrors : beginnings of addresses -> what to ask instead; a mirror is never given a token
    at_once : connections at a time
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        logins: Mapping[str, tuple[str, str]] | None = None,
        mirrors: Mapping[str, str] | None = None,
        patience: Patience | None = None,
        at_once: int = _AT_ONCE,
    ) -> None:
        self.folder = folder.resolve() if folder else cache_folder()
        self.logins, self.mirrors = logins, dict(mirrors or {})
        self.patience, self.at_once = patience or Patience(), at_once
        self._few, self._stop = threading.Semaphore(_COMPUTED_AT_ONCE), threading.Event()

    def known(self, origin: str, *, sha256: str | None = None) -> Fetched | None:
        """Return a file that came before and is still here, whole, None if it is not.

        Parameters
        ----------
        sha256 : that it must have
        """
        try:
            note = read_json(self._note(origin))
            found = Fetched(**{field.name: note[field.name] for field in fields(Fetched)} | _path(self.folder, note))
        except (OSError, ValueError, KeyError, TypeError):  # none, or of another time
            return None
        if not found.path.is_file() or found.path.stat().st_size != found.bytes:
            return None
        if sha256 not in (None, found.sha256):
            return None
        if found.path.stat().st_mtime_ns != note.get("changed_ns"):  # copied, or damaged
            if sha256_of_file(found.path) != found.sha256:
                return None
            with contextlib.suppress(OSError):
                self._write_note(found)
        return found

    def forget(self, fetched: Fetched) -> None:
        """Remove a file that is not what it should be, so that it can come again."""
        fetched.path.unlink(missing_ok=True)
        self._note(fetched.origin).unlink(missing_ok=True)

    def fetch(self, remotes: Sequence[Remote], *, description: str = "fetch") -> list[Fetched | None]:
        """Return the files in order, None for those that the server does not have; many come at a time.

        Raises
        ------
        FetchError : one could not be fetched, those that have come stay; or the disk has no room for them
        """
        missing = [remote for remote in remotes if self.known(remote.url, sha256=remote.sha256) is None]
        sizes = [remote.bytes for remote in missing]
        total = sum(size for size in sizes if size is not None) if None not in sizes else None
        self.check_room(sum(size or 0 for size in sizes))
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns) as bar, Visitor(self.logins, connections=self.at_once) as visitor:
            task = bar.add_task(f"{description}, {len(missing)} of {len(remotes)} files", total=total)
            return self.each(lambda one: self._fetched(one, visitor, lambda n: bar.advance(task, n)), remotes)

    def each(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """Return the results in order, several made at a time; the first failure ends the rest."""
        self._stop.clear()
        with ThreadPoolExecutor(self.at_once) as pool:
            futures = [pool.submit(work, task) for task in tasks]
            try:
                for done in as_completed(futures):
                    done.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def made(self, origin: str, name: str, make: Callable[[Path], None]) -> Fetched:
        """Return a file that is made from fetched ones, made now if it is not here.

        Parameters
        ----------
        origin : what it is made from, and how
        make : writes it to the path that it is given
        """
        if (found := self.known(origin)) is not None:
            return found
        with self._alone(origin) as place:
            if (found := self.known(origin)) is None:
                make(place / name)
                found = self._kept(origin, place / name)
            return found

    def asked(self, url: str, kind: Kind = "json") -> str:
        """Return what a server answers now, a list of tiles for example; it is not kept."""
        with self._alone(url) as place, Visitor(self.logins) as visitor:
            answer = place / "answer"
            transfer(Remote(self.address(url), answer.name, kind), answer, session=visitor, patience=self.patience)
            text = answer.read_text(encoding="utf-8", errors="replace")
            answer.unlink()
            return text

    def address(self, url: str) -> str:
        """Return where to ask for an address."""
        prefix = max((known for known in self.mirrors if url.startswith(known)), key=len, default=None)
        return url if prefix is None else self.mirrors[prefix] + url.removeprefix(prefix)

    def is_mirrored(self, url: str) -> bool:
        """Whether something else is asked for an address."""
        return self.address(url) != url

    def check_room(self, needed: float) -> None:
        """Raise FetchError unless the disk has room for so many bytes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if needed + _KEPT_FREE > free:
            message = (
                f"{self.folder}: {needed / 1e9:.1f} GB are to come, {free / 1e9:.1f} GB are free; make room, or "
                "let DEMSR_CACHE name a folder on a larger disk"
            )
            raise FetchError(message)

    def _fetched(self, remote: Remote, visitor: Visitor, on_bytes: OnBytes) -> Fetched | None:
        """Fetch one file, unless another process is doing so or has done so."""
        if (found := self.known(remote.url, sha256=remote.sha256)) is not None:
            return found
        with self._few if remote.computed else contextlib.nullcontext(), self._alone(remote.url) as place:
            if (found := self.known(remote.url, sha256=remote.sha256)) is not None:
                return found
            mirrored = replace(remote, url=self.address(remote.url), token=None)
            asked = mirrored if self.is_mirrored(remote.url) else remote
            try:
                transfer(
                    asked,
                    place / remote.name,
                    session=visitor,
                    patience=self.patience,
                    on_bytes=on_bytes,
                    stop=self._stop,
                )
            except AbsentError:
                return None
            return self._kept(remote.url, place / remote.name)

    @contextlib.contextmanager
    def _alone(self, origin: str) -> Iterator[Path]:
        """Yield a folder for a file that is to come, for one process or thread at a time; parts may wait there."""
        place = self.folder / "arriving" / sha256_of_text(origin)[:32]
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{place}.lock")
        while not lock.is_locked:
            if self._stop.is_set():
                raise StoppedError
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=_LOOK_UP_S)
        try:
            place.mkdir(exist_ok=True)
            yield place
        finally:
            with contextlib.suppress(OSError):  # parts of a file wait for the next run
                place.rmdir()
            lock.release()

    def _kept(self, origin: str, arrived: Path) -> Fetched:
        """Give a whole file its place, and note where it came from."""
        with arrived.open("rb") as file:
            os.fsync(file.fileno())
        sha256 = sha256_of_file(arrived)
        kept = self.folder / "files" / sha256[:2] / sha256 / arrived.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        arrived.replace(kept)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        fetched = Fetched(origin, kept, kept.stat().st_size, sha256, now)
        self._write_note(fetched)
        return fetched

    def _write_note(self, fetched: Fetched) -> None:
        where = {"path": str(fetched.path.relative_to(self.folder)), "changed_ns": fetched.path.stat().st_mtime_ns}
        write_json(self._note(fetched.origin), asdict(fetched) | where)

    def _note(self, origin: str) -> Path:
        return self.folder / "notes" / f"{sha256_of_text(origin)[:32]}.json"


def _path(folder: Path, note: dict[str, Any]) -> dict[str, Path]:
    return {"path": folder / note["path"]}
