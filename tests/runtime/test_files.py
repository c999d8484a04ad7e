import errno
import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from demsr.errors import ParamsError, RasterError
from demsr.runtime.files import (
    atomic_folder,
    atomic_write,
    check_is_path,
    local_path,
    read_json,
    sha256_of_file,
    write_csv,
    write_json,
    write_text,
)

HOST = platform.node().replace(".", "_")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_under_its_name_when_the_block_ends(tmp_path):
    with atomic_write(tmp_path / "new" / "a.tif") as temporary:
        temporary.write_text("x")
        assert (temporary.parent, temporary.suffix) == (tmp_path / "new", ".tif")
        assert not (tmp_path / "new" / "a.tif").exists()
    assert names(tmp_path / "new") == ["a.tif"]
    assert (tmp_path / "new" / "a.tif").read_text() == "x"


def half_written(path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        message = "stop"
        raise RuntimeError(message)


def test_file_that_fails_in_the_middle_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="stop"):
        half_written(tmp_path / "a.tif")
    assert names(tmp_path) == []


def test_file_that_fails_in_the_middle_leaves_the_old_one(tmp_path):
    write_text(tmp_path / "a.tif", "old")
    with pytest.raises(RuntimeError, match="stop"):
        half_written(tmp_path / "a.tif")
    assert names(tmp_path) == ["a.tif"]
    assert (tmp_path / "a.tif").read_text() == "old"


def test_full_disk_at_the_last_moment_leaves_the_old_file(tmp_path, monkeypatch):
    write_text(tmp_path / "a.txt", "old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("demsr.runtime.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        write_text(tmp_path / "a.txt", "new")
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"\.part"), atomic_write(tmp_path / "a.txt"):
        pass
    assert names(tmp_path) == []


def test_folder_takes_the_place_of_the_old_one(tmp_path):
    for content in ("old", "new"):
        with atomic_folder(tmp_path / "model") as temporary:
            (temporary / content).write_text(content)
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["new"]


def test_folder_that_fails_in_the_middle_leaves_the_old_one(tmp_path):
    with atomic_folder(tmp_path / "model") as temporary:
        (temporary / "old").write_text("old")

    def fail() -> None:
        with atomic_folder(tmp_path / "model") as temporary:
            (temporary / "new").write_text("half")
            message = "stop"
            raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["old"]


REPLACE = """
import os, sys
from pathlib import Path
from demsr.runtime import files

exchange = files._exchange

def killed(new, old):
    if sys.argv[2] == "after":
        exchange(new, old)
    os._exit(9)

files._exchange = killed
with files.atomic_folder(Path(sys.argv[1])) as temporary:
    (temporary / "a.txt").write_text("new")
"""


@pytest.mark.parametrize(("moment", "content"), [("before", "old"), ("after", "new")])
def test_folder_is_there_whatever_kills_its_replacement(tmp_path, moment, content):
    with atomic_folder(tmp_path / "model") as temporary:
        (temporary / "a.txt").write_text("old")
    done = subprocess.run([sys.executable, "-c", REPLACE, str(tmp_path / "model"), moment], check=False)
    assert done.returncode == 9
    assert (tmp_path / "model" / "a.txt").read_text() == content
    with atomic_folder(tmp_path / "model") as temporary:
        (temporary / "a.txt").write_text("newer")
    assert (names(tmp_path), (tmp_path / "model" / "a.txt").read_text()) == (["model"], "newer")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_file_system_that_cannot_exchange_names_keeps_the_old_folder_aside(tmp_path, monkeypatch, number):
    with atomic_folder(tmp_path / "model") as temporary:
        (temporary / "a.txt").write_text("old")
    refuse = SimpleNamespace(renameat2=lambda *_: -1, renamex_np=lambda *_: -1)
    monkeypatch.setattr("demsr.runtime.files.ctypes.CDLL", lambda *_, **__: refuse)
    monkeypatch.setattr("demsr.runtime.files.ctypes.get_errno", lambda: number)
    with atomic_folder(tmp_path / "model") as temporary:
        (temporary / "a.txt").write_text("new")
    assert (names(tmp_path), (tmp_path / "model" / "a.txt").read_text()) == (["model"], "new")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "model").rename(tmp_path / f".model.{HOST}-{dead.pid}.part.old")  # killed between the two renames

    def fail() -> None:
        with atomic_folder(tmp_path / "model"):
            message = "stop"
            raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert (names(tmp_path), (tmp_path / "model" / "a.txt").read_text()) == (["model"], "new")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("writer", [atomic_write, atomic_folder])
def test_error_of_a_disk_names_the_file(tmp_path, writer, number):
    with pytest.raises(OSError, match=f"{os.strerror(number)}.*a.tif") as raised, writer(tmp_path / "a.tif"):
        raise OSError(number, os.strerror(number))
    assert (raised.value.errno, raised.value.filename) == (number, str(tmp_path / "a.tif"))
    with pytest.raises(OSError, match=r"a\.tif: unable to write"), writer(tmp_path / "a.tif"):
        raise OSError("unable to write")


def test_errors_that_name_their_file_or_place_are_kept(tmp_path):
    with pytest.raises(FileNotFoundError, match="'missing'"), atomic_write(tmp_path / "a.tif"):
        Path("missing").read_bytes()
    with pytest.raises(RasterError, match=r"^b\.tif: damaged$"), atomic_write(tmp_path / "a.tif"):
        raise RasterError("b.tif: damaged")


def test_what_a_killed_process_has_left_goes_and_what_a_living_one_writes_stays(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in ("a", "b", "model"):
        for process in (dead.pid, os.getppid()):
            write_text(tmp_path / f".{name}.{HOST}-{process}.part.tif.ovr.tmp", "half")
            (tmp_path / f".{name}.{HOST}-{process}.part").mkdir()
    write_text(tmp_path / "a.tif", "whole")
    with atomic_folder(tmp_path / "model") as temporary:
        (temporary / "new").write_text("new")
    write_text(tmp_path / f".a.elsewhere-{dead.pid}.part", "half, by another machine")
    alive = [f".{name}.{HOST}-{os.getppid()}.part{end}" for name in ("a", "b", "model") for end in ("", ".tif.ovr.tmp")]
    untouched = [f".b.{HOST}-{dead.pid}.part{end}" for end in ("", ".tif.ovr.tmp")]
    untouched.append(f".a.elsewhere-{dead.pid}.part")
    assert names(tmp_path) == sorted([*alive, *untouched, "a.tif", "model"])


def test_text_is_utf8_whatever_the_locale(tmp_path):
    write_text(tmp_path / "a.txt", "Ötztal 15″\n")
    assert (tmp_path / "a.txt").read_bytes() == "Ötztal 15″\n".encode()


def test_json_comes_back_as_it_was_written(tmp_path):
    value = {"rmse_m": 1.25, "areas": ["a", "b"], "nothing": None}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == value
    assert text.endswith("}\n")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ParamsError, match=r"a\.json: damaged, cannot be read as JSON"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_number(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"rmse_m": value})
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"abc", bytes(3_000_000)])
def test_checksum_is_that_of_the_whole_content(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert sha256_of_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_columns_are_those_of_all_rows_in_order_of_appearance(tmp_path):
    write_csv(tmp_path / "a.csv", [{"b": 1, "a": 2}, {"c": 3, "b": 4}])
    assert (tmp_path / "a.csv").read_text() == "b,a,c\n1,2,\n4,,3\n"


@pytest.mark.parametrize("name", ["s3://b/a.tif", "https://a.org/a.tif", "gs://b/a", "/vsimem/a.tif", "/vsis3/b/a.nc"])
def test_url_is_no_path_and_makes_no_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    writers = (
        local_path,
        check_is_path,
        lambda path: write_text(path, ""),
        lambda path: atomic_folder(path).__enter__(),
    )
    for write in writers:
        with pytest.raises(RasterError, match="is no path in the file system; write a file here, then copy it"):
            write(Path(name))
    assert list(tmp_path.iterdir()) == []


def test_link_is_followed_even_if_its_target_is_yet_to_be_written(tmp_path):
    (tmp_path / "link.tif").symlink_to(tmp_path / "there.tif")
    assert local_path(tmp_path / "link.tif") == (tmp_path / "there.tif").resolve()
    assert local_path(tmp_path / "there.tif") == tmp_path / "there.tif"
    assert local_path("C:/a.tif") == Path("C:/a.tif")
