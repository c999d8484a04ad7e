import os
import socket
import subprocess
import sys
from unittest import mock

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


LISTENING = """
import ipaddress, psutil
from demsr.runtime.ray_cluster import ray_connection
with ray_connection("local"):
    import ray
    assert ray.get(ray.remote(lambda: 1).remote()) == 1
    for process in (me := psutil.Process()), *me.children(recursive=True):
        for socket in process.net_connections("inet"):
            if socket.status == psutil.CONN_LISTEN:
                address = ipaddress.ip_address(socket.laddr.ip)
                print(getattr(address, "ipv4_mapped", None) or address, process.name())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the sockets of other processes")
def test_local_cluster_listens_on_the_loopback_address_alone(tmp_path):
    pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[cluster]'` installs it")
    environment = {**os.environ, "HOME": str(tmp_path)}  # Ray writes its token there
    environment.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)
    command = [sys.executable, "-c", LISTENING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    lines = done.stdout.splitlines()
    assert len(lines) >= 4, done.stderr
    assert [line for line in lines if not line.startswith("127.")] == []


def test_local_cluster_of_a_process_that_imported_ray_before_is_refused_rather_than_opened():
    pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[cluster]'` installs it")
    with (
        mock.patch("ray.init"),
        mock.patch("ray.shutdown") as shut_down,
        mock.patch("ray.util.get_node_ip_address", return_value="192.0.2.7"),
        pytest.raises(WorkerError, match=r"ray at local: it would listen on 192\.0\.2\.7, .* set RAY_\w+=0 in the"),
    ):
        ray_connection("local").__enter__()
    shut_down.assert_called_once()
