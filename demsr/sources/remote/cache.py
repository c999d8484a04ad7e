"""Fetched files by the checksum of their content, shared between clones and users of a machine.

A file that is here is never asked for again. Each file keeps beside it where it came from and when.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from demsr.errors import FetchError
from demsr.files import read_json, sha256_of, sha256_of_text, write_json
from demsr.sources.remote.transfer import AbsentError, OnBytes, Patience, Remote, Visitor, transfer

_VARIABLE = "DEMSR_CACHE"
_AT_ONCE = 16


@dataclass(frozen=True)
class Fetched:
    """A file in the cache.

    Attributes
    ----------
    fetched_at : ISO 8601, UTC
    """

    url: str
    path: Path
    bytes: int
    sha256: str
    fetched_at: str


def cache_folder() -> Path:
    """Return DEMSR_CACHE, else the user's folder for such files."""
    return Path(os.environ[_VARIABLE]) if os.environ.get(_VARIABLE) else user_cache_path("demsr")


class Cache:
    """Files that were fetched, by content.

    Parameters
    ----------
    logins : see `Visitor`
    at_once : connections at a time
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        logins: dict[str, tuple[str, str]] | None = None,
        patience: Patience | None = None,
        at_once: int = _AT_ONCE,
    ) -> None:
        self.folder = (folder or cache_folder()).resolve()
        self.logins, self.patience, self.at_once = logins, patience or Patience(), at_once

    def known(self, remote: Remote) -> Fetched | None:
        """Return a file that was fetched before and is still here, whole, None if it is not."""
        note = self._note(remote)
        if not note.exists():
            return None
        found = read_json(note)
        path = self.folder / found["path"]
        if not path.is_file() or path.stat().st_size != found["bytes"]:
            return None
        if remote.sha256 is not None and found["sha256"] != remote.sha256:
            return None
        return Fetched(**found | {"path": path})

    def fetch(self, remotes: Sequence[Remote], *, description: str = "fetch") -> list[Fetched | None]:
        """Return the files in order, None for those that the server does not have; many come at a time.

        Raises
        ------
        FetchError : one could not be fetched; those that have come stay
        """
        columns = (
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        missing = [remote for remote in remotes if self.known(remote) is None]
        sizes = [remote.bytes for remote in missing]
        total = sum(size for size in sizes if size is not None) if None not in sizes else None
        with Progress(*columns) as bar, Visitor(self.logins, connections=self.at_once) as visitor:
            task = bar.add_task(f"{description}, {len(missing)} of {len(remotes)} files", total=total)
            with ThreadPoolExecutor(self.at_once) as pool:
                try:
                    return list(
                        pool.map(lambda one: self._fetched(one, visitor, lambda n: bar.advance(task, n)), remotes)
                    )
                except FetchError:
                    pool.shutdown(cancel_futures=True)
                    raise

    def _fetched(self, remote: Remote, visitor: Visitor, on_bytes: OnBytes) -> Fetched | None:
        """Fetch one file, unless another process is doing so or has done so."""
        place = self.folder / "arriving" / sha256_of_text(remote.url)[:16]
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if (found := self.known(remote)) is not None:
                return found
            arrived = place / remote.name
            try:
                transfer(remote, arrived, session=visitor, patience=self.patience, on_bytes=on_bytes)
            except AbsentError:
                return None
            sha256 = sha256_of(arrived)
            kept = self.folder / "files" / sha256[:2] / sha256 / remote.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            arrived.replace(kept)
            place.rmdir()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            fetched = Fetched(remote.url, kept, kept.stat().st_size, sha256, now)
            write_json(self._note(remote), asdict(fetched) | {"path": str(kept.relative_to(self.folder))})
            return fetched

    def _note(self, remote: Remote) -> Path:
        return self.folder / "urls" / f"{sha256_of_text(remote.url)[:32]}.json"
