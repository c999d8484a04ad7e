"""Checks of server responses and of downloaded files: status, type, length, format, checksum."""

import zipfile
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from demsr.download.remote_file import AbsentError, Kind, RemoteFile, RetryableError
from demsr.errors import FetchError
from demsr.runtime.archives import check_member
from demsr.runtime.files import sha256_of_file

_MAGIC: dict[Kind, tuple[bytes, ...]] = {
    "zip": (b"PK\x03\x04",),
    "tiff": (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
    "netcdf": (b"CDF", b"\x89HDF\r\n\x1a\n"),
    "bag": (b"\x89HDF\r\n\x1a\n",),
    "json": (b"{", b"["),
    "any": (b"",),
}
_PAGE_TYPES = {"text/html", "application/xhtml+xml", "text/xml", "application/xml", "application/json"}
_PAGE_STARTS = (b"<!doctype", b"<html", b"<?xml", b"<ows:")
_RETRIED = {408, 425, 429, 500, 502, 503, 504}
_EXCERPT = 160  # characters of a server's own text in a message


def check_response(remote: RemoteFile, response: requests.Response) -> None:
    """Check status, content type and length before the body is read.

    Parameters
    ----------
    remote : requested file
    response : its response, body unread

    Raises
    ------
    RetryableError : the server is busy or failed temporarily
    AbsentError : there is no such file
    FetchError : access is denied, a web page came instead of the file, or a truncated body would go undetected
    """
    if response.status_code not in (200, 206):
        _refuse_status(remote, response)
    page = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if page in _PAGE_TYPES and (remote.kind, page) != ("json", "application/json"):
        host = urlsplit(response.url).netloc
        redirected = host != urlsplit(remote.url).netloc
        advice = remote.credentials if redirected and remote.credentials else "check product, version and region"
        sender = f" from {host}" if redirected else ""
        message = f"{remote.url}: received a web page{sender} instead of the file: {_text(response)!r}; {advice}"
        raise FetchError(message)
    headers = response.headers
    has_end = "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
    if not has_end and remote.kind != "zip" and remote.bytes is None and remote.sha256 is None:
        message = (
            f"{remote.url}: the server does not send the length of the file, so a truncated file would go undetected; "
            "use a mirror"
        )
        raise FetchError(message)


def file_fault(remote: RemoteFile, path: Path) -> str | None:
    """Return the fault of a completely downloaded file, None if it is valid.

    Parameters
    ----------
    remote : description of the file, with the size and checksum that it must have
    path : downloaded file
    """
    size = path.stat().st_size
    if remote.bytes is not None and size != remote.bytes:
        return f"its size is {size:,} bytes, the provider publishes {remote.bytes:,}"
    with path.open("rb") as file:
        head = file.read(4096)
    if head.lstrip().lower().startswith(_PAGE_STARTS):
        return f"received a web page instead of the file: {_excerpt(head)!r}"
    if not head.startswith(_MAGIC[remote.kind]):
        return f"it begins with {head[:16]!r}, so it is not a {remote.kind} file"
    if remote.sha256 is not None and (found := sha256_of_file(path)) != remote.sha256:
        return f"its sha256 is {found}, the provider publishes {remote.sha256}"
    if remote.kind != "zip":
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                check_member(archive, name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        return f"it is not a complete zip archive of moderate size ({error})"
    return None


def error_text(error: Exception) -> str:
    """Return the innermost reason of a failed request."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return str(cause)[:_EXCERPT] or type(cause).__name__


def _refuse_status(remote: RemoteFile, response: requests.Response) -> None:
    status, url = response.status_code, remote.url
    if status in _RETRIED:
        message = f"HTTP {status}"
        raise RetryableError(message, _retry_after_s(response))
    if status in (401, 403):
        advice = remote.credentials or "this source should need no login; check the address"
        message = f"{url}: access denied (HTTP {status}); {advice}"
        raise FetchError(message)
    text = _text(response)
    if status not in (204, 404, 410):
        message = f"{url}: the server responds with HTTP {status}: {text}; check product, version and region"
        raise FetchError(message)
    if "ExceptionReport" in text:  # an OGC service rejects the request itself
        message = (
            f"{url}: the service rejects the request (HTTP {status}): {text}; either it has changed or the region "
            "lies outside its coverage"
        )
        raise FetchError(message)
    message = f"{url}: the server has no such file (HTTP {status}); check product, version and region"
    raise AbsentError(message)


def _retry_after_s(response: requests.Response) -> float | None:
    """Return the wait that the server requests, given in seconds or as a date."""
    text = response.headers.get("Retry-After", "").strip()
    try:
        return float(text) if text.isdigit() else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None


def _text(response: requests.Response) -> str:
    """Return the beginning of a response's body."""
    try:
        return _excerpt(response.raw.read(4096, decode_content=True))
    except (HTTPError, OSError):
        return ""


def _excerpt(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())[:_EXCERPT]
