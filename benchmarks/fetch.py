"""Time the download of many small files from a slow server, one by one and in parallel.

python benchmarks/fetch.py
"""

import argparse
import multiprocessing
import tempfile
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import typer

from demsr.download.cache import Cache
from demsr.download.remote_file import RemoteFile

_HEAD = b"II*\x00"


class _Slow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, latency_s: float, size: int) -> None:
        self.latency_s, self.content = latency_s, _HEAD + bytes(size - len(_HEAD))
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:  # noqa: N802
        time.sleep(self.latency_s)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


def main() -> None:
    """Print wall times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--latency-ms", type=float, default=100)
    parser.add_argument("--bytes", type=int, default=20_000)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=(there, options.latency_ms / 1000, options.bytes), daemon=True)
    server.start()
    url = here.recv()
    serial_s, parallel_s = (_seconds(url, options.files, at_once) for at_once in (1, None))
    server.terminate()
    typer.echo(f"{options.files} files of {options.bytes:,} bytes, {options.latency_ms:g} ms latency")
    typer.echo(f"one by one {serial_s:.2f} s, in parallel {parallel_s:.2f} s: 1/{serial_s / parallel_s:.1f}")


def _serve(pipe: Connection, latency_s: float, size: int) -> None:
    server = _Server(("127.0.0.1", 0), partial(_Slow, latency_s=latency_s, size=size))
    pipe.send(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


def _seconds(url: str, count: int, at_once: int | None) -> float:
    remotes = [RemoteFile(f"{url}/{number}.tif", f"{number}.tif", "tiff") for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder)) if at_once is None else Cache(Path(folder), connections=at_once)
        began = time.monotonic()
        found = cache.fetch(remotes)
        assert all(found)
        return time.monotonic() - began


if __name__ == "__main__":
    main()
