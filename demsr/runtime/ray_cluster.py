"""A connection to Ray: to a cluster by its address, or to one of this machine's own."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from demsr.errors import WorkerError

_PATIENCE_S = 5.0


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to a Ray cluster.

    Parameters
    ----------
    address : host:port of its head, or "local" to start one on this machine

    Raises
    ------
    WorkerError : nobody answers, or ray is not installed
    """
    try:
        import ray
    except ImportError as error:
        message = "ray is not installed; `pip install 'demsr[cluster]'` installs it"
        raise WorkerError(message) from error
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
    """Return the first line of what an error says, since Ray's go on for pages."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_answers(address: str) -> None:
    """Find out quickly whether anybody listens: Ray itself waits for long."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_PATIENCE_S):
            pass
    except (OSError, ValueError) as error:
        message = (
            f"ray at {address}: nobody answers ({error}); start a cluster with `ray start --head` and give host:port, "
            "or `local` to start one on this machine"
        )
        raise WorkerError(message) from error
