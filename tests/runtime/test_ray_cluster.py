import socket
import sys

import pytest

from demsr.errors import MissingExtraError, WorkerError
from demsr.runtime.ray_cluster import first_line, ray_connection


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return closed.getsockname()[1]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_address_that_nobody_answers_is_named_at_once(closed_port, scheme):
    address = f"{scheme}127.0.0.1:{closed_port}"
    with pytest.raises(WorkerError, match=f"ray at {address}: no cluster answers .*`ray start --head`"):
        ray_connection(address).__enter__()


def test_address_without_a_port_is_refused():
    with pytest.raises(WorkerError, match="ray at head: no cluster answers .*give host:port"):
        ray_connection("head").__enter__()


def test_without_ray_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"ray is not installed; run `pip install 'demsr\[cluster\]'`"):
        ray_connection("local").__enter__()


def test_first_line_of_an_error_is_never_empty():
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
