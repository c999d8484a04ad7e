"""Connect to a Ray cluster by its address, or start one on this machine."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from demsr.errors import WorkerError, missing_extras

_TIMEOUT_S = 5.0


@contextmanager
def ray_connection(address: str) -> Iterator[None]:
    """Connect to a Ray cluster.

    Parameters
    ----------
    address : host:port of its head, or "local" to start one on this machine

    Raises
    ------
    WorkerError : no cluster answers at the address
    MissingExtraError : ray is not installed
    """
    with missing_extras():
        import ray
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local = address == "local"
    if not local:
        _check_answers(address)
    try:
        ray.init(address, include_dashboard=False if local else None, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        message = f"ray at {address}: {first_line(error)}; start one with `ray start --head` and give its address"
        raise WorkerError(message) from error
    try:
        yield
    finally:
        ray.shutdown()


def first_line(error: Exception) -> str:
    """Return the first line of an error message; those of Ray fill pages.

    Parameters
    ----------
    error : raised by Ray
    """
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_answers(address: str) -> None:
    """Raise WorkerError at once if nothing listens at the address; Ray itself waits for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_TIMEOUT_S):
            pass
    except (OSError, ValueError) as error:
        message = (
            f"ray at {address}: no cluster answers ({error}); start one with `ray start --head` and give host:port, or "
            "`local` to start one on this machine"
        )
        raise WorkerError(message) from error
