import errno
import hashlib
import io
import os
import random
import resource
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from fault_server import FaultServer, Served

from demsr.download.remote_file import AbsentError, RemoteFile, RetryPolicy, StoppedError
from demsr.download.session import Session
from demsr.download.transfer import transfer
from demsr.errors import FetchError

QUICK = RetryPolicy(
    attempts=3, connect_s=2, stall_s=1, min_bytes_per_s=2000, window_s=0.4, first_wait_s=0.01, max_wait_s=0.5
)
PATH = "/tiles/n43w121.zip"


def zipped(size: int = 300_000) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("n43w121.hgt", random.Random(1).randbytes(size))
    return buffer.getvalue()


CONTENT = zipped()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def fetched(server: FaultServer, folder: Path, *, session: Session | None = None, **more) -> Path:
    remote = RemoteFile(**{"url": server.url + PATH, "name": "n43w121.zip", "kind": "zip", **more})
    path = folder / remote.name
    with session or Session() as session:
        transfer(remote, path, session=session, retry=QUICK)
    return path


def nothing_left(folder: Path) -> bool:
    """Tell whether no file has its final name."""
    return not (folder / "n43w121.zip").exists()


@pytest.mark.parametrize(
    "faults",
    [
        [],
        ["reset"],
        ["reset", "reset"],
        ["stall"],
        ["drip"],
        ["429 0"],
        ["503"],
        ["500", "reset", "503 0"],
        ["longer"],
        ["408", "425"],
    ],
)
def test_a_download_is_complete_whatever_faults_occur(server, tmp_path, faults):
    server.files[PATH] = Served(CONTENT, faults=list(faults))
    path = fetched(server, tmp_path)
    assert path.read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert len(server.seen) == len(faults) + 1


def test_a_broken_connection_is_resumed_with_the_missing_bytes_only(server, tmp_path):
    server.files[PATH] = Served(CONTENT, faults=["reset"])
    fetched(server, tmp_path)
    first, second = server.headers_of(PATH)
    assert "Range" not in first
    assert second["Range"] == f"bytes={len(CONTENT) // 2}-"
    assert second["If-Range"] == '"1"'


def test_the_next_process_resumes_where_this_one_gave_up(server, tmp_path):
    server.files[PATH] = Served(CONTENT, faults=["reset", "503", "503", "503"])
    with pytest.raises(
        FetchError,
        match="HTTP 503; gave up after 3 attempts, .* run the same command later to resume",
    ):
        fetched(server, tmp_path)
    assert nothing_left(tmp_path)
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.headers_of(PATH)[-1]["Range"] == f"bytes={len(CONTENT) // 2}-"


@pytest.mark.parametrize("change", [{"ranges": False}, {"etag": None}, {"etag": '"2"'}])
def test_a_file_that_cannot_be_resumed_starts_again(server, tmp_path, change):
    other = zipped(200_000)
    server.files[PATH] = Served(CONTENT, faults=["reset", "503", "503", "503"])
    with pytest.raises(FetchError):
        fetched(server, tmp_path)
    server.files[PATH] = Served(other, **change)
    if change == {"etag": None}:
        (tmp_path / ".n43w121.zip.part.json").unlink()
    assert fetched(server, tmp_path).read_bytes() == other


class Clock(threading.Event):
    """What is waited for without waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0)
        return False


def test_retry_after_is_respected_up_to_a_limit(server, tmp_path):
    clock = Clock()
    server.files[PATH] = Served(CONTENT, faults=["429 3600", "429 0", "503 Wed, 21 Oct 2015 07:28:00 GMT"])
    transfer(
        RemoteFile(url=server.url + PATH, name="a.zip", kind="zip"),
        tmp_path / "a.zip",
        session=Session(),
        retry=replace(QUICK, attempts=5),
        stop=clock,
    )
    assert clock.waited == [0.5, 0, 0]  # an hour, cut to the longest wait; at once; a date that is past


def test_a_cancelled_transfer_stops_and_keeps_received_bytes(server, tmp_path):
    stop = threading.Event()
    server.files[PATH] = Served(CONTENT, faults=["drip"])
    remote = RemoteFile(url=server.url + PATH, name="a.zip", kind="zip")
    with pytest.raises(StoppedError):
        transfer(remote, tmp_path / "a.zip", session=Session(), retry=QUICK, on_bytes=lambda _: stop.set(), stop=stop)
    assert 0 < (tmp_path / ".a.zip.part").stat().st_size < len(CONTENT)
    assert not (tmp_path / "a.zip").exists()


def test_a_response_whose_truncation_would_go_undetected_is_refused(server, tmp_path):
    server.files[PATH] = Served(b"II*\x00" + bytes(500), faults=["endless"] * 9)
    with pytest.raises(FetchError, match="length of the file, so a truncated file would go undetected"):
        fetched(server, tmp_path, kind="tiff")
    server.files[PATH] = Served(CONTENT, faults=["endless"])  # a zip tells its end itself
    assert fetched(server, tmp_path).read_bytes() == CONTENT


def test_a_full_disk_is_not_retried(server, tmp_path):
    server.files[PATH] = Served(CONTENT)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            fetched(server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("served", "remote", "message"),
    [
        (Served(CONTENT, faults=["page"] * 9), {}, r"received a web page instead of the file: .*Earthdata Login"),
        (Served(b"<html>soon</html>"), {}, "received a web page instead of the file: '<html>soon</html>'"),
        (
            Served(CONTENT, faults=["401"] * 9),
            {"credentials": "get a token"},
            r"denied \(HTTP 401\); get a token",
        ),
        (Served(CONTENT, faults=["403"] * 9), {}, r"access denied \(HTTP 403\)"),
        (Served(CONTENT, faults=["400"] * 9), {}, "responds with HTTP 400: not now"),
        (Served(CONTENT, faults=["500"] * 9), {}, "HTTP 500; gave up after 3 attempts"),
        (Served(CONTENT, faults=["drip"] * 9, ranges=False), {}, "bytes per second received; gave up after 3 attempts"),
        (
            Served(CONTENT[:-500]),
            {},
            "not a complete zip archive of moderate size .* the provider has changed or damaged the file",
        ),
        (Served(CONTENT, faults=["shorter"] * 9), {}, "it is not a complete zip archive of moderate size"),
        (Served(CONTENT), {"sha256": "0" * 64}, f"its sha256 is {SHA256}, the provider publishes 0"),
        (Served(CONTENT), {"bytes": 7}, f"its size is {len(CONTENT):,} bytes, the provider publishes 7"),
        (Served(b"II*\x00" + bytes(50)), {}, "so it is not a zip file"),
        (Served(CONTENT), {"kind": "tiff"}, "so it is not a tiff file"),
    ],
)
def test_an_invalid_response_never_gets_the_final_name(server, tmp_path, served, remote, message):
    server.files[PATH] = served
    with pytest.raises(FetchError, match=message) as raised:
        fetched(server, tmp_path, **remote)
    assert str(raised.value).startswith(f"{server.url}{PATH}: ")
    assert nothing_left(tmp_path)
    assert len(server.seen) <= 4


def test_a_damaged_member_of_a_zip_is_detected(server, tmp_path):
    place = len(CONTENT) // 2
    server.files[PATH] = Served(CONTENT[:place] + bytes(9) + CONTENT[place + 9 :])
    with pytest.raises(
        FetchError, match=r"not a complete zip archive of moderate size .Bad CRC-32 for file 'n43w121\.hgt'"
    ):
        fetched(server, tmp_path)


def test_a_file_damaged_in_transit_is_downloaded_again(server, tmp_path):
    server.files[PATH] = Served(CONTENT, faults=["shorter"])
    assert fetched(server, tmp_path, bytes=len(CONTENT)).read_bytes() == CONTENT


def test_an_absent_tile_differs_from_a_failure(server, tmp_path):
    with pytest.raises(AbsentError, match=r"no such file \(HTTP 404\)"):
        fetched(server, tmp_path)


def test_an_unreachable_server_is_reported_with_the_address(tmp_path):
    with pytest.raises(FetchError, match=r"127.0.0.1:9/a.zip: no response .*refused.*; gave up after 3 attempts"):
        transfer(
            RemoteFile(url="http://127.0.0.1:9/a.zip", name="a.zip"), tmp_path / "a.zip", session=Session(), retry=QUICK
        )


def test_received_and_discarded_bytes_are_counted(server, tmp_path):
    counted = []
    server.files[PATH] = Served(CONTENT, faults=["reset"], ranges=False)
    remote = RemoteFile(url=server.url + PATH, name="a.zip", kind="zip")
    transfer(remote, tmp_path / "a.zip", session=Session(), retry=QUICK, on_bytes=counted.append)
    assert sum(counted) == len(CONTENT)
    assert min(counted) < 0  # the half that had to come again
