import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from fault_server import FaultServer, Served
from filelock import FileLock

from demsr.download.cache import Cache
from demsr.download.remote_file import RemoteFile, RetryPolicy
from demsr.errors import FetchError
from demsr.runtime.files import sha256_of_text
from demsr.runtime.project import cache_folder

QUICK = RetryPolicy(attempts=2, connect_s=2, stall_s=1, first_wait_s=0.01)


def remotes(server: FaultServer, count: int) -> list[RemoteFile]:
    for number in range(count):
        server.files[f"/{number}.bin"] = Served(b"II*\x00" + bytes([number % 256]) * 1000)
    return [RemoteFile(url=f"{server.url}/{number}.bin", name=f"{number}.tif", kind="tiff") for number in range(count)]


def cache(folder: Path, **more) -> Cache:
    return Cache(folder, retry=QUICK, **more)


def test_files_are_stored_by_checksum_and_returned_in_order(server, tmp_path):
    wanted = remotes(server, 5)
    found = cache(tmp_path).fetch(wanted)
    assert [one.path.name for one in found] == [remote.name for remote in wanted]
    for remote, one in zip(wanted, found, strict=True):
        content = server.files[remote.url.removeprefix(server.url)].content
        assert one.path.read_bytes() == content
        assert one.sha256 == one.path.parent.name == hashlib.sha256(content).hexdigest()
        assert (one.origin, one.bytes) == (remote.url, len(content))


def test_a_cached_file_is_not_downloaded_again(server, tmp_path):
    first = cache(tmp_path).fetch(remotes(server, 3))
    asked = len(server.seen)
    assert cache(tmp_path).fetch(remotes(server, 3)) == first
    assert len(server.seen) == asked == 3


def test_a_truncated_or_different_file_is_downloaded_again(server, tmp_path):
    (remote,) = remotes(server, 1)
    (found,) = cache(tmp_path).fetch([remote])
    found.path.write_bytes(b"cut off")
    assert cache(tmp_path).find(remote.url) is None
    (again,) = cache(tmp_path).fetch([remote])
    assert again.path.read_bytes() == server.files["/0.bin"].content
    assert cache(tmp_path).find(remote.url, sha256="0" * 64) is None


def test_absent_files_are_none_and_a_failure_keeps_finished_files(server, tmp_path):
    wanted = remotes(server, 3)
    del server.files["/1.bin"]
    found = cache(tmp_path / "absent").fetch(wanted)
    assert [one is None for one in found] == [False, True, False]
    server.files["/1.bin"] = Served(b"", faults=["500"] * 9)
    one_by_one = cache(tmp_path / "failed", connections=1)
    with pytest.raises(FetchError, match=r"/1.bin: HTTP 500; gave up after 2 attempts"):
        one_by_one.fetch(wanted)
    assert one_by_one.find(wanted[0].url) is not None
    assert one_by_one.find(wanted[1].url) is None
    names = {path.name for path in (tmp_path / "failed" / "files").rglob("*.tif")}
    assert names <= {"0.tif", "2.tif"}


@pytest.mark.parametrize(("computed", "least", "most"), [(False, 5, 8), (True, 2, 4)])
def test_downloads_run_in_parallel_and_computing_services_get_few_requests(server, tmp_path, computed, least, most):
    together = 0

    class Counting(dict):
        def get(self, path, default=None):
            nonlocal together
            together = max(together, server.in_flight)
            return super().get(path, default)

    wanted = [replace(remote, computed=computed) for remote in remotes(server, 40)]
    server.files, server.latency_s = Counting(server.files), 0.05
    found = cache(tmp_path, connections=8).fetch(wanted)
    assert len(found) == 40
    assert least <= together <= most


def test_the_cache_is_in_the_user_s_folder_unless_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("DEMSR_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("DEMSR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder().name == "demsr"


def test_a_copied_cache_is_hashed_once(server, tmp_path, monkeypatch):
    (remote,) = remotes(server, 1)
    (found,) = cache(tmp_path).fetch([remote])
    os.utime(found.path, ns=(1, 1))
    assert cache(tmp_path).find(remote.url) == found
    monkeypatch.setattr("demsr.download.cache.sha256_of_file", None)  # not asked again
    assert cache(tmp_path).find(remote.url) == found


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"path": 1}'])
def test_an_invalid_note_is_ignored(server, tmp_path, note):
    (remote,) = remotes(server, 1)
    cache(tmp_path).fetch([remote])
    (path,) = (tmp_path / "notes").iterdir()
    path.write_text(note)
    assert cache(tmp_path).find(remote.url) is None
    assert cache(tmp_path).fetch([remote])[0] is not None


def test_the_first_failure_cancels_all_downloads_even_those_that_wait_for_another_process(server, tmp_path):
    wanted = remotes(server, 3)
    server.files["/0.bin"] = Served(b"", faults=["401"] * 9)
    server.files["/1.bin"].faults = ["drip"]
    held = tmp_path / "arriving" / sha256_of_text(wanted[2].url)[:32]
    held.parent.mkdir()
    with FileLock(f"{held}.lock"), pytest.raises(FetchError, match="access denied"):
        Cache(tmp_path, retry=RetryPolicy()).fetch(wanted)
    assert not (tmp_path / "files").exists()  # nobody waited for the slow one
    server.files["/0.bin"].faults = []
    server.files["/0.bin"].content = b"II*\x00"
    assert all(cache(tmp_path).fetch(wanted))  # also by the same cache, once mended
