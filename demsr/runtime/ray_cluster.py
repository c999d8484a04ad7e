"""Connect to a Ray cluster by its address, or start one on this machine."""

import ipaddress
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from demsr.errors import WorkerError, missing_extras

_TIMEOUT_S = 5.0
_NOT_A_CLUSTER = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Variable by which Ray, on any system, takes the loopback address for this machine and listens on nothing else."""


@contextmanager
def ray_connection(address: str) -> Iterator[None]:
    """Connect to a Ray cluster.

    Parameters
    ----------
    address : host:port of its head, or "local" to start one on this machine

    Raises
    ------
    WorkerError : no cluster answers at the address, it refuses this client, or a local one would listen on the network
    MissingExtraError : ray is not installed
    """
    local = address == "local"
    prepare_ray(address)
    with missing_extras():
        import ray
    if not local:
        _check_answers(address)
        _check_token(address)
    try:
        ray.init(address, include_dashboard=False if local else None, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        message = f"ray at {address}: {first_line(error)}; check that a cluster of this version of Ray runs there"
        raise WorkerError(message) from error
    try:
        if local:
            _check_loopback()
        yield
    finally:
        ray.shutdown()


def prepare_ray(address: str) -> None:
    """Set the environment that Ray reads when it is imported; call this before anything that imports it.

    Parameters
    ----------
    address : see `ray_connection`
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local":
        os.environ.update(_NOT_A_CLUSTER)


def first_line(error: Exception) -> str:
    """Return the first line of an error message; those of Ray fill pages.

    Parameters
    ----------
    error : raised by Ray
    """
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_loopback() -> None:
    """Refuse a local cluster that listens on the network, where whoever reaches it could run code."""
    import ray

    found = ray.util.get_node_ip_address()
    if not ipaddress.ip_address(found).is_loopback:
        name, value = next(iter(_NOT_A_CLUSTER.items()))
        message = (
            f"ray at local: it would listen on {found}, because ray was imported before; set {name}={value} in the "
            "environment and start Python again"
        )
        raise WorkerError(message)


def _check_token(address: str) -> None:
    """Raise WorkerError at once if the cluster refuses the token of this process; Ray tries for half a minute."""
    import ray
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled

    if address.startswith("ray://"):
        return
    try:
        GcsClient(address=address)
    except ray.exceptions.AuthenticationError as error:
        found = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")}
        given = ", ".join(f"{name} is {value or 'not set'}" for name, value in found.items())
        message = (
            f"ray at {address}: its head requires a token, {given} here; set RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN_PATH to the file with the token of the cluster, as on every node"
        )
        raise WorkerError(message) from error


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
