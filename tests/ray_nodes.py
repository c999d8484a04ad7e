"""A Ray cluster of two nodes on loopback, started by the commands of docs/sweeps.md; the second cannot see a folder."""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

_ON_LOOPBACK = ["--node-ip-address=127.0.0.1", "--num-cpus=1", "--disable-usage-stats", "--block"]
_START = """
import sys
from ray._private import services
services.get_node_ip_address = lambda *_, **__: "127.0.0.1"  # `ray start` would replace it by an address of the network
from ray.scripts.scripts import main
sys.exit(main())
"""
_HIDE = 'mount -t tmpfs none "$0" && exec "$@"'  # in a mount namespace of its own


def recipe(root: Path) -> list[list[str]]:
    """Return the commands of the page for clusters as words, without comments."""
    page = (root / "docs/sweeps.md").read_text(encoding="utf-8").partition("\n## Clusters\n")[2]
    lines = [line for line in page.splitlines() if line.startswith("    ")]
    return [shlex.split(line, comments=True) for line in lines]


@contextmanager
def two_nodes(root: Path, folder: Path, hidden: Path, settings: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Follow the recipe up to the command of demsr; yield the variables that it sets there.

    Parameters
    ----------
    root : the project
    folder : for the homes, caches and logs of the nodes
    hidden : folder that the second node finds empty
    settings : environment of both nodes
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    home = folder / "home"
    home.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    exported = {"HOME": str(home)}
    of_tests = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"}  # with which `ray start` refuses a second node
    settings = {**settings, "RAY_raylet_start_wait_time_s": "300", "RAY_worker_niceness": "0"}
    common = {name: value for name, value in os.environ.items() if name not in of_tests}
    common |= {**settings, "PATH": path, "PYTHONPATH": f"{root}:{root / 'tests'}"}
    with ExitStack() as running:
        for words in recipe(root):
            words = [word.replace("HEAD", "127.0.0.1").replace("6379", port).replace("~", str(home)) for word in words]
            if words[0] == "export":
                exported |= dict(word.split("=", 1) for word in words[1:])
            elif words[:2] == ["ray", "start"]:
                is_head = "--head" in words
                words = [sys.executable, "-c", _START, *words[1:]]
                cache = {"DEMSR_CACHE": str(folder / ("cache-1" if is_head else "cache-2"))}
                if not is_head:
                    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", _HIDE, str(hidden), *words]
                log = running.enter_context((folder / f"node-{1 if is_head else 2}.log").open("w"))
                options = [*_ON_LOOPBACK, "--include-dashboard=false"] if is_head else _ON_LOOPBACK
                node = subprocess.Popen([*words, *options], env=common | exported | cache, stdout=log, stderr=log)
                running.callback(_stop, node)
                _wait(node, Path(log.name))
            elif words[0] != "demsr":
                subprocess.run(words, env=common | exported, check=True, capture_output=True, timeout=300)
        yield exported


def _wait(node: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a node says that it runs."""
    end = time.monotonic() + 300
    while "Ray runtime started" not in log.read_text():
        if node.poll() is not None and "unshare" in log.read_text():
            pytest.skip(f"needs mount namespaces, to hide a folder from a node: {log.read_text()}")
        assert node.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)


def _stop(node: subprocess.Popen[bytes]) -> None:
    node.terminate()
    try:
        node.wait(timeout=30)
    except subprocess.TimeoutExpired:
        node.kill()
