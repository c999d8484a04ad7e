"""Resumable download of one file over HTTP: the result is complete and checked, or there is none.

Interrupted, stalled or slow connections are resumed (Range with If-Range), in the same process or a later one.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from demsr.download.checks import check_response, error_text, file_fault
from demsr.download.remote_file import RemoteFile, RetryableError, RetryPolicy, StoppedError
from demsr.download.session import BearerAuth
from demsr.errors import FetchError
from demsr.runtime.files import write_json

_CHUNK = 1 << 16

OnBytes = Callable[[int], None]


def transfer(
    remote: RemoteFile,
    path: Path,
    *,
    session: requests.Session,
    retry: RetryPolicy,
    on_bytes: OnBytes = lambda _: None,
    stop: threading.Event | None = None,
) -> None:
    """Download a file; an unfinished download stays beside it and is resumed by the next call.

    Parameters
    ----------
    remote : file to download
    path : target, in a folder of its own
    session : HTTP session
    retry : timeouts and number of attempts
    on_bytes : called with the number of new bytes, negative where bytes were discarded
    stop : set by the caller to cancel the download; received bytes are kept

    Raises
    ------
    StoppedError : `stop` was set
    AbsentError : the server has no such file
    FetchError : the download failed, or the downloaded file is not valid
    """
    partial = _PartialFile(path.with_name(f".{path.name}.part"), remote.url, on_bytes)
    attempt = _Attempt(remote, partial, session, retry, stop or threading.Event())
    failures, faults = 0, 0
    while True:
        before = partial.size
        try:
            attempt.run()
            if (fault := file_fault(remote, partial.path)) is None:
                break
            partial.discard()
            faults += 1
            if faults > 1:
                message = (
                    f"{remote.url}: {fault}, in two downloads; the provider has changed or damaged the file, use a "
                    "mirror or try again later"
                )
                raise FetchError(message)
        except RetryableError as error:
            failures = 0 if partial.size - before >= _CHUNK else failures + 1
            if failures >= retry.attempts:
                message = (
                    f"{remote.url}: {error}; gave up after {failures} attempts, check the connection, or run the same "
                    "command later to resume"
                )
                raise FetchError(message) from error
            if attempt.stop.wait(_wait_s(error, failures, retry)):
                raise StoppedError from error
    partial.path.replace(path)
    partial.note.unlink(missing_ok=True)


class _PartialFile:
    """Received bytes of an unfinished download, with a note of the server's file version."""

    def __init__(self, path: Path, url: str, on_bytes: OnBytes) -> None:
        self.path, self.url, self.on_bytes = path, url, on_bytes
        self.note = path.with_name(f"{path.name}.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def validator(self) -> str | None:
        """Return ETag or Last-Modified of the received bytes, for If-Range; None if they cannot be resumed."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return str(note["validator"]) if note.get("url") == self.url and note.get("validator") else None

    def write_note(self, response: requests.Response) -> None:
        tag = response.headers.get("ETag")
        validator = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")
        write_json(self.note, {"url": self.url, "validator": validator})

    def discard(self) -> None:
        if size := self.size:
            self.on_bytes(-size)
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Attempt:
    """One request for the missing bytes of a file, repeated by `transfer`."""

    remote: RemoteFile
    partial: _PartialFile
    session: requests.Session
    retry: RetryPolicy
    stop: threading.Event

    def run(self) -> None:
        """Request the missing bytes and append them."""
        partial = self.partial
        validator = partial.validator()
        if validator is None:
            partial.discard()
        received = partial.size
        if received == self.remote.bytes:
            return
        headers = {"Accept-Encoding": "identity"}  # a compressed body could not be resumed
        if received and validator:
            headers |= {"Range": f"bytes={received}-", "If-Range": validator}
        with self._response(headers) as response:
            if response.status_code == 416:  # no bytes beyond those received: complete, or another version
                if response.headers.get("Content-Range", "").rpartition("/")[2] == str(received):
                    return
                partial.discard()
                message = "the file on the server has changed"
                raise RetryableError(message)
            check_response(self.remote, response)
            resumed = response.status_code == 206 and _first_byte(response) == received
            if not resumed:
                partial.discard()
                if response.status_code == 206:
                    message = "the server sent another byte range than requested"
                    raise RetryableError(message)
            partial.write_note(response)
            self._append(response)

    @contextmanager
    def _response(self, headers: dict[str, str]) -> Iterator[requests.Response]:
        url, timeout = self.remote.url, (self.retry.connect_s, self.retry.stall_s)
        auth = BearerAuth(self.remote.token)
        try:
            response = self.session.get(url, headers=headers, stream=True, timeout=timeout, auth=auth)
        except (requests.ConnectionError, requests.Timeout) as error:
            message = f"no response ({error_text(error)})"
            raise RetryableError(message) from error
        except requests.RequestException as error:
            message = f"{url}: cannot be requested ({error_text(error)}); check the address"
            raise FetchError(message) from error
        with response:
            yield response

    def _read(self, response: requests.Response, received: int) -> bytes:
        """Return the bytes that have arrived; waiting for a full chunk would hide a slow connection."""
        try:
            return bytes(response.raw.read1(_CHUNK, decode_content=False))
        except (HTTPError, requests.RequestException, OSError) as error:
            message = f"the connection broke after {received:,} bytes ({error_text(error)})"
            raise RetryableError(message) from error

    def _append(self, response: requests.Response) -> None:
        """Append the body; a connection that is too slow is dropped like one that stalls."""
        length = response.headers.get("Content-Length")
        received, in_window, window_start = 0, 0, time.monotonic()
        with self.partial.path.open("ab") as file:
            while chunk := self._read(response, received):
                if self.stop.is_set():
                    raise StoppedError
                file.write(chunk)
                received, in_window = received + len(chunk), in_window + len(chunk)
                self.partial.on_bytes(len(chunk))
                if (passed_s := time.monotonic() - window_start) > self.retry.window_s:
                    if in_window < self.retry.min_bytes_per_s * passed_s:
                        message = f"only {in_window / passed_s:.0f} bytes per second received"
                        raise RetryableError(message)
                    in_window, window_start = 0, time.monotonic()
        if length is not None and length.isdigit() and received < int(length):
            message = f"the connection ended after {received:,} of {int(length):,} bytes"
            raise RetryableError(message)


def _first_byte(response: requests.Response) -> int | None:
    """Return the position of the first byte, from a header such as `Content-Range: bytes 100-199/200`."""
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdigit() else None


def _wait_s(error: RetryableError, failures: int, retry: RetryPolicy) -> float:
    if error.wait_s is not None:
        return min(retry.max_wait_s, max(0.0, error.wait_s))
    wait_s = retry.first_wait_s * 2 ** max(0, failures - 1)
    return float(min(retry.max_wait_s, wait_s) * random.uniform(0.5, 1.0))  # spreads simultaneous retries
