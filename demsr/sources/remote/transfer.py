"""One file over HTTP: whole and checked, or not at all; what has arrived is never asked for again.

A connection that breaks, stalls or crawls is taken up where it broke (Range with If-Range), in this process or the
next. Servers that ask to wait are obeyed. A token goes to the host that it is for and to no other.
"""

import json
import random
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from demsr.errors import FetchError
from demsr.runtime.files import sha256_of_file, write_json
from demsr.sources.remote.visitor import Bearer

Kind = Literal["zip", "tiff", "netcdf", "bag", "json", "any"]

_MAGIC: dict[Kind, tuple[bytes, ...]] = {
    "zip": (b"PK\x03\x04",),
    "tiff": (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
    "netcdf": (b"CDF", b"\x89HDF\r\n\x1a\n"),
    "bag": (b"\x89HDF\r\n\x1a\n",),
    "json": (b"{", b"["),
    "any": (b"",),
}
_PAGES = {"text/html", "application/xhtml+xml", "text/xml", "application/xml", "application/json"}
_RETRIED = {408, 425, 429, 500, 502, 503, 504}
_PIECE = 1 << 16
_SHOWN = 160  # characters of a server's own words in a message

OnBytes = Callable[[int], None]


@dataclass(frozen=True)
class Remote:
    """A file on a server.

    Attributes
    ----------
    name : that the file gets
    kind : what it is, by its first bytes; a web page is never a file
    sha256, bytes : as far as the provider publishes them
    token : sent to the host of `url`, never to one that it redirects to
    credentials : how to get that token, for the message when it is missing or refused
    computed : a service makes it for each request, so few are asked for at a time
    """

    url: str
    name: str
    kind: Kind = "any"
    sha256: str | None = None
    bytes: int | None = None
    token: str | None = None
    credentials: str = ""
    computed: bool = False


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Attributes
    ----------
    tries : in a row that bring next to nothing
    connect_s, stall_s : to connect, and until an answer or its next piece comes
    least_bytes_per_s, window_s : who sends less over that time counts as broken
    first_wait_s : doubled from try to try
    longest_wait_s : that is waited, also if a server asks for more
    """

    tries: int = 5
    connect_s: float = 20.0
    stall_s: float = 60.0
    least_bytes_per_s: float = 500.0
    window_s: float = 60.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 300.0


class AbsentError(FetchError):
    """The server has no such file, as over the sea where a product has no tiles."""


class _BrokenError(Exception):
    """A try that may be followed by another."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class StoppedError(Exception):
    """Another file has failed, or the user has had enough: nobody waits for this one any more."""


def transfer(
    remote: Remote,
    path: Path,
    *,
    session: requests.Session,
    patience: Patience,
    on_bytes: OnBytes = lambda _: None,
    stop: threading.Event | None = None,
) -> None:
    """Bring a file to `path`, which must be in a folder of its own; what has arrived lies beside it until it is whole.

    Parameters
    ----------
    on_bytes : called with the number of new bytes, negative where some were thrown away
    stop : ends it early; what has arrived stays

    Raises
    ------
    StoppedError : `stop` was set
    AbsentError : the server has no such file
    FetchError : it did not come, or what came is not that file
    """
    partial = path.with_name(f".{path.name}.part")
    failures, starts = 0, 0
    stop = stop or threading.Event()
    while True:
        before = _size(partial)
        try:
            _one_try(remote, partial, session, patience, on_bytes, stop)
            if (fault := _fault(remote, partial)) is None:
                break
            on_bytes(-_size(partial))
            _forget(partial)
            starts += 1
            if starts > 1:  # it came twice, and was wrong twice
                message = f"{remote.url}: {fault}, twice; the provider has changed or damaged it, try a mirror or later"
                raise FetchError(message)
        except _BrokenError as broken:
            failures = 0 if _size(partial) - before >= _PIECE else failures + 1
            if failures >= patience.tries:
                message = (
                    f"{remote.url}: {broken}; gave up after {failures} tries, check the connection, or run this again "
                    "later to go on"
                )
                raise FetchError(message) from broken
            if stop.wait(_wait_s(broken, failures, patience)):
                raise StoppedError from broken
    partial.replace(path)
    _state_of(partial).unlink(missing_ok=True)


def _one_try(
    remote: Remote,
    partial: Path,
    session: requests.Session,
    patience: Patience,
    on_bytes: OnBytes,
    stop: threading.Event,
) -> None:
    """Ask once for what is missing, and write what comes."""
    have, validator = _size(partial), _validator(partial, remote.url)
    if have and validator is None:
        on_bytes(-have)
        _forget(partial)
        have = 0
    if remote.bytes is not None and have == remote.bytes:
        return
    headers = {"Accept-Encoding": "identity"}  # compressed on the way, a file could not be gone on with
    if have and validator is not None:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with _answer(remote, session, patience, headers) as answer:
        if answer.status_code == 416:  # nothing lies beyond what is here: it is whole, or of another time
            if answer.headers.get("Content-Range", "").rpartition("/")[2] != str(have):
                on_bytes(-have)
                _forget(partial)
                message = "the file on the server has changed"
                raise _BrokenError(message)
            return
        _check_status(remote, answer, patience)
        going_on = answer.status_code == 206 and _starts_at(answer) == have
        if have and not going_on:
            on_bytes(-have)
            _forget(partial)
            have = 0
        if answer.status_code == 206 and not going_on:
            message = "the server sent another part than it was asked for"
            raise _BrokenError(message)
        _check_page(remote, answer)
        _check_length(remote, answer)
        _remember(partial, remote.url, answer)
        _write(answer, partial, have, patience, on_bytes, stop)


@contextmanager
def _answer(
    remote: Remote, session: requests.Session, patience: Patience, headers: dict[str, str]
) -> Iterator[requests.Response]:
    """Ask; redirections are followed, the token stays behind when they lead to another host."""
    timeout = (patience.connect_s, patience.stall_s)
    try:
        answer = session.get(remote.url, headers=headers, stream=True, timeout=timeout, auth=Bearer(remote.token))
    except (requests.ConnectionError, requests.Timeout) as error:
        message = f"no answer ({_short(error)})"
        raise _BrokenError(message) from error
    except requests.RequestException as error:
        message = f"{remote.url}: cannot be asked for ({_short(error)}); check the address"
        raise FetchError(message) from error
    with answer:
        yield answer


def _check_status(remote: Remote, answer: requests.Response, patience: Patience) -> None:
    status, url = answer.status_code, remote.url
    if status in (200, 206):
        return
    if status in (401, 403):
        how = remote.credentials or "this source should not need any; check the address"
        message = f"{url}: the server refuses (HTTP {status}); {how}"
        raise FetchError(message)
    if status in (204, 404, 410):
        words = _words(answer)
        if "ExceptionReport" in words:  # how services of maps say that the question was wrong
            message = f"{url}: the service refuses (HTTP {status}): {words}; it has changed, or the region is beyond it"
            raise FetchError(message)
        message = f"{url}: the server has no such file (HTTP {status}); check product, version and region"
        raise AbsentError(message)
    if status in _RETRIED:
        message = f"HTTP {status}"
        raise _BrokenError(message, _retry_after_s(answer, patience))
    message = f"{url}: the server answers HTTP {status}: {_words(answer)}; check product, version and region"
    raise FetchError(message)


def _check_page(remote: Remote, answer: requests.Response) -> None:
    """Refuse a web page, such as a login form or an error in XML, that came with the status of a file."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in _PAGES or (remote.kind, kind) == ("json", "application/json"):
        return
    other = urlsplit(answer.url).netloc != urlsplit(remote.url).netloc
    where = f" from {urlsplit(answer.url).netloc}" if other else ""
    how = remote.credentials if other and remote.credentials else "check product, version and region"
    message = f"{remote.url}: in the place of a file came a page{where}: {_words(answer)!r}; {how}"
    raise FetchError(message)


def _check_length(remote: Remote, answer: requests.Response) -> None:
    """Refuse an answer whose end cannot be told from a cut-off."""
    told = "Content-Length" in answer.headers or "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
    if not told and remote.kind != "zip" and remote.bytes is None and remote.sha256 is None:
        message = (
            f"{remote.url}: the server does not say how long the file is, so a part could pass for it; try a mirror"
        )
        raise FetchError(message)


def _write(
    answer: requests.Response, partial: Path, have: int, patience: Patience, on_bytes: OnBytes, stop: threading.Event
) -> None:
    """Append what comes; a server that crawls is left like one that is silent."""
    expected = answer.headers.get("Content-Length")
    came, since, in_window = 0, time.monotonic(), 0
    with partial.open("ab") as file:
        file.truncate(have)
        for piece in _pieces(answer):
            if stop.is_set():
                raise StoppedError
            file.write(piece)
            came, in_window = came + len(piece), in_window + len(piece)
            on_bytes(len(piece))
            if (passed := time.monotonic() - since) > patience.window_s:
                if in_window < patience.least_bytes_per_s * passed:
                    message = f"only {in_window / passed:.0f} bytes a second came"
                    raise _BrokenError(message)
                since, in_window = time.monotonic(), 0
    if expected is not None and expected.isdigit() and came < int(expected):
        message = f"the connection ended after {came:,} of {int(expected):,} bytes"
        raise _BrokenError(message)


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """Yield what has arrived, without waiting for a full piece: else a slow server could not be told."""
    came = 0
    while True:
        try:
            piece = answer.raw.read1(_PIECE, decode_content=False)
        except (HTTPError, requests.RequestException, OSError) as error:
            message = f"the connection broke after {came:,} bytes ({_short(error)})"
            raise _BrokenError(message) from error
        if not piece:
            return
        came += len(piece)
        yield piece


def _fault(remote: Remote, path: Path) -> str | None:
    """Say what is wrong with a file that has come to its end."""
    size = _size(path)
    if remote.bytes is not None and size != remote.bytes:
        return f"it has {size:,} bytes, the provider names {remote.bytes:,}"
    with path.open("rb") as file:
        first = file.read(4096)
    if first.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<ows:")):
        return f"in the place of a file came a page: {_shown(first)!r}"
    if not first.startswith(_MAGIC[remote.kind]):
        return f"it begins with {first[:16]!r}, which is no {remote.kind}"
    if remote.sha256 is not None and (found := sha256_of_file(path)) != remote.sha256:
        return f"its sha256 is {found}, the provider names {remote.sha256}"
    if remote.kind == "zip":
        return _fault_of_zip(path)
    return None


def _fault_of_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except zipfile.BadZipFile as error:
        return f"it is no whole zip ({error})"
    return None if broken is None else f"{broken} in it is damaged"


def _state_of(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _remember(partial: Path, url: str, answer: requests.Response) -> None:
    """Keep what tells one state of the file on the server from another."""
    tag = answer.headers.get("ETag")
    validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")
    write_json(_state_of(partial), {"url": url, "validator": validator})


def _validator(partial: Path, url: str) -> str | None:
    """Return what the server must still have, for going on; None where nobody can tell."""
    try:
        state = json.loads(_state_of(partial).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(state["validator"]) if state.get("url") == url and state.get("validator") else None


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _state_of(partial).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _starts_at(answer: requests.Response) -> int | None:
    """Return the first byte of a part, from a header such as `bytes 100-199/200`."""
    start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdigit() else None


def _wait_s(broken: _BrokenError, failures: int, patience: Patience) -> float:
    if broken.wait_s is not None:
        return broken.wait_s
    wait = patience.first_wait_s * 2 ** max(0, failures - 1)
    return float(min(patience.longest_wait_s, wait) * random.uniform(0.5, 1.0))  # not all come back at once


def _retry_after_s(answer: requests.Response, patience: Patience) -> float | None:
    """Return how long the server asks to wait, in seconds or as a date."""
    text = answer.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        wait = float(text) if text.isdigit() else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(patience.longest_wait_s, max(0.0, wait))


def _words(answer: requests.Response) -> str:
    """Return the beginning of what a server says."""
    try:
        return _shown(answer.raw.read(4096, decode_content=True))
    except (HTTPError, OSError):
        return ""


def _shown(words: bytes) -> str:
    return " ".join(words.decode("utf-8", "replace").split())[:_SHOWN]


def _short(error: Exception) -> str:
    """Return the innermost reason of a failed request."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error)[:_SHOWN] or type(error).__name__
