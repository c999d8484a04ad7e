"""Description of a file on a server, how often to retry it, and why a download ends. Opens no connection."""

from dataclasses import dataclass
from typing import Literal

from demsr.errors import FetchError

Kind = Literal["zip", "tiff", "netcdf", "bag", "json", "any"]
"""File formats that are recognised by their first bytes."""


@dataclass(frozen=True)
class RemoteFile:
    """File on a server.

    Attributes
    ----------
    url : address
    name : file name in the cache
    kind : format, checked by the first bytes; web pages are always refused
    sha256, bytes : checksum and size, as far as the provider publishes them
    token : bearer token for the host of `url`; never sent to a host that it redirects to
    credentials : how to get that token, for the message when it is missing or refused
    computed : a service computes it for each request, so only a few are requested at a time
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
class RetryPolicy:
    """Timeouts, waits and number of attempts of a download.

    Attributes
    ----------
    attempts : consecutive attempts without progress before the download fails
    connect_s, stall_s : seconds to wait for a connection, and for the next bytes
    min_bytes_per_s, window_s : a connection that is slower than this over the window counts as broken
    first_wait_s : seconds before the second attempt, doubled with each further one
    max_wait_s : upper limit of all waits, also of those that a server requests
    """

    attempts: int = 5
    connect_s: float = 20.0
    stall_s: float = 60.0
    min_bytes_per_s: float = 500.0
    window_s: float = 60.0
    first_wait_s: float = 1.0
    max_wait_s: float = 300.0


class AbsentError(FetchError):
    """The server has no such file, or the file has no data in the requested area."""


class StoppedError(Exception):
    """The download was cancelled: another file has failed, or the user has interrupted the program."""


class RetryableError(Exception):
    """An attempt failed and may be repeated.

    Parameters
    ----------
    reason : for the message if no attempt is left
    wait_s : seconds to wait, where the server requests it
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
