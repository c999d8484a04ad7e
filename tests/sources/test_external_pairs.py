import errno
import os
import random
import zipfile
from pathlib import Path

import pytest

from demsr.errors import PairsError
from demsr.sources.external_pairs import PAIR_FILES, external_pairs_changes, find_external_pairs


def contents(paths: list[Path]) -> list[str]:
    return [path.read_text() for path in paths]


def folder_of(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def archive_of(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, name)
    return path


def test_files_of_a_folder_stay_where_they_lie(tmp_path):
    source = folder_of(tmp_path / "dem", "valid.h5", "a/train.h5", "a/b/test.h5", "a/train.txt", "readme.md")
    found = find_external_pairs(source, tmp_path / "raw")
    assert found == [source / "a" / "train.h5", source / "valid.h5", source / "a" / "b" / "test.h5"]
    assert not (tmp_path / "raw").exists()


def test_archive_with_nested_folders_is_unpacked_flat(tmp_path):
    names = ("DEM/v1/train.h5", "DEM/valid.h5", "DEM/v1/test.h5", "DEM/readme.md", "__MACOSX/DEM/._valid.h5")
    found = find_external_pairs(archive_of(tmp_path / "dem.zip", *names), tmp_path / "raw")
    assert found == [tmp_path / "raw" / name for name in PAIR_FILES]
    assert contents(found) == ["DEM/v1/train.h5", "DEM/valid.h5", "DEM/v1/test.h5"]
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == sorted(PAIR_FILES)


def test_member_that_climbs_out_of_the_archive_lands_in_the_folder(tmp_path):
    source = archive_of(tmp_path / "dem.zip", "../../train.h5", "valid.h5", "/test.h5")
    assert find_external_pairs(source, tmp_path / "a" / "raw") == [tmp_path / "a" / "raw" / name for name in PAIR_FILES]
    assert not (tmp_path / "train.h5").exists()


@pytest.mark.parametrize("write", [folder_of, archive_of])
@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("a/train.h5", "a/valid.h5"), "0 files named test.h5"),
        ((), "0 files named train.h5"),
        (("a/train.h5", "b/train.h5", "valid.h5", "test.h5"), "2 files named train.h5"),
    ],
    ids=["one missing", "empty", "one twice"],
)
def test_file_missing_or_there_twice_is_refused(tmp_path, write, names, found):
    source = tmp_path / ("dem.zip" if write is archive_of else "dem")
    if write is folder_of:
        source.mkdir()
    write(source, *names)
    with pytest.raises(PairsError, match=f"{found}; it must contain each of train.h5, valid.h5, test.h5 once"):
        find_external_pairs(source, tmp_path / "raw")


@pytest.mark.parametrize("content", [None, b"", b"no archive at all"], ids=["nothing there", "empty", "other"])
def test_a_file_that_is_not_an_archive_is_refused(tmp_path, content):
    source = tmp_path / "dem.zip"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(PairsError, match=r"dem\.zip: cannot be read \(.*\); give a folder or a \.zip file with train"):
        find_external_pairs(source, tmp_path / "raw")


def damaged(archive: bytearray) -> None:
    archive[60:400] = bytes(340)


def cut_short(archive: bytearray) -> None:
    del archive[len(archive) // 2 :]


def in_a_way_unknown(archive: bytearray) -> None:
    """Say Deflate64, which Windows takes for more than 2 GB."""
    archive[8] = archive[archive.index(b"PK\x01\x02") + 10] = 9


def encrypted(archive: bytearray) -> None:
    archive[6] |= 1
    archive[archive.index(b"PK\x01\x02") + 8] |= 1


@pytest.mark.parametrize("change", [damaged, cut_short, in_a_way_unknown, encrypted])
def test_archive_that_cannot_be_unpacked_is_refused_and_leaves_nothing(tmp_path, change):
    source = tmp_path / "dem.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in PAIR_FILES:
            archive.writestr(name, random.Random(0).randbytes(2000))
    content = bytearray(source.read_bytes())
    change(content)
    source.write_bytes(content)
    with pytest.raises(PairsError, match=r"dem\.zip: cannot be read \(.*\); give a folder or a \.zip file with train"):
        find_external_pairs(source, tmp_path / "raw")
    assert list((tmp_path / "raw").glob("*")) == []


def test_full_disk_is_not_blamed_on_the_archive(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = archive_of(tmp_path / "dem.zip", *PAIR_FILES)
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left on device"):
        find_external_pairs(source, tmp_path / "raw")


def test_external_pairs_serve_both_domains():
    assert external_pairs_changes(Path("dem.zip")) == {
        "fetch": {key: {"folder": "dem.zip"} for key in ("land", "marine")}
    }
