"""File server on loopback that behaves and fails like real ones."""

import contextlib
import io
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Headers = dict[str, str]


@dataclass
class Served:
    """File, and the faults of the first responses to requests for it.

    Attributes
    ----------
    faults : one for each request: a status, "reset" or "stall" after half of the body, "drip", "page", "longer" or
        "shorter" than the length sent, "endless" without a length, "redirect URL", "429 SECONDS"
    ranges : whether byte ranges are supported
    """

    content: bytes
    faults: list[str] = field(default_factory=list)
    ranges: bool = True
    etag: str | None = '"1"'
    kind: str = "application/octet-stream"
    token: str | None = None


class FaultServer:
    """Serves `files` by path; `seen` lists all requests with their headers."""

    def __init__(self, *, latency_s: float = 0.0) -> None:
        self.files: dict[str, Served] = {}
        self.seen: list[tuple[str, Headers]] = []
        self.latency_s, self.in_flight = latency_s, 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.outer = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def headers_of(self, path: str) -> list[Headers]:
        """Return the headers of all requests for a path."""
        return [headers for seen, headers in self.seen if seen == path]

    @contextlib.contextmanager
    def running(self) -> Iterator["FaultServer"]:
        """Respond until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """Running server of a single test; import the fixture into a conftest.py."""
    with FaultServer().running() as running:
        yield running


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802
        outer: FaultServer = self.server.outer  # type: ignore[attr-defined]
        outer.in_flight += 1
        try:
            self.serve(outer)
        finally:
            outer.in_flight -= 1

    do_HEAD = do_GET  # noqa: N815

    def serve(self, outer: FaultServer) -> None:
        time.sleep(outer.latency_s)
        path = self.path.partition("?")[0]
        outer.seen.append((path, dict(self.headers)))
        served = outer.files.get(self.path) or outer.files.get(path)
        if served is None:
            self.answer(404, b"<html>no such tile</html>", {"Content-Type": "text/html"})
        elif served.token and self.headers.get("Authorization") != f"Bearer {served.token}":
            self.answer(401, b"no", {})
        else:
            fault = served.faults.pop(0) if served.faults else ""
            self.go_wrong(fault, served) if fault else self.send_file(served)

    def go_wrong(self, fault: str, served: Served) -> None:
        word, _, rest = fault.partition(" ")
        if word == "redirect":
            self.answer(302, b"", {"Location": rest})
        elif word == "page":
            self.answer(200, b"<!DOCTYPE html><html>Earthdata Login</html>", {"Content-Type": "text/html"})
        elif word.isdigit():
            body = served.content if served.kind.endswith("xml") else b"not now"
            self.answer(int(word), body, {"Content-Type": served.kind} | ({"Retry-After": rest} if rest else {}))
        else:
            self.send_file(served, fault=word)

    def send_file(self, served: Served, fault: str = "") -> None:
        content, status, headers = served.content, 200, {"Content-Type": served.kind}
        if served.etag:
            headers["ETag"] = served.etag
        requested = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if requested and served.ranges and self.headers.get("If-Range", served.etag) == served.etag:
            start, size = int(requested[1]), len(content)
            if start >= size:
                self.answer(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            stop = min(size, int(requested[2] or size) + 1)
            content, status = content[start:stop], 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        self.answer(status, content, headers, fault=fault)

    def answer(self, status: int, body: bytes, headers: Headers, fault: str = "") -> None:
        named = len(body) + {"longer": 100, "shorter": -100}.get(fault, 0)
        self.send_response(status)
        if fault != "endless":
            headers = {**headers, "Content-Length": str(named)}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        with contextlib.suppress(OSError):
            self.send_body(body, fault)

    def send_body(self, body: bytes, fault: str) -> None:
        if fault == "drip":
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                time.sleep(0.05)
        elif fault in ("reset", "stall"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            time.sleep(0.1 if fault == "reset" else 2)
            if fault == "reset":
                linger = struct.pack("ii", 1, 0)  # closing sends RST
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                os.close(self.connection.detach())
                self.wfile = self.rfile = io.BytesIO()
        else:
            self.wfile.write(body if fault != "shorter" else body[:-100])
            self.close_connection = fault in ("longer", "shorter", "endless")

    def log_message(self, *_: object) -> None:
        """Say nothing."""
