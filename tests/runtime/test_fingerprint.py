from pathlib import Path

import pytest

from demsr.runtime import fingerprint
from demsr.runtime.fingerprint import code_sha256, work_key

VALUES = {"path": Path("a.tif"), "sizes": [1, 2], "rule": {"stride": 7, "share": 0.1}, "lr": None}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of four modules in the place of demsr."""
    for name in ("dem/grid.py", "dem/deep/voids.py", "pairs.py", "seeding.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    (tmp_path / "dem" / "notes.txt").write_text("no code")
    monkeypatch.setattr(fingerprint, "_PACKAGE", tmp_path)
    return tmp_path


def key(values: object = VALUES) -> str:
    return work_key(values, code=("dem", "seeding.py"))


def test_same_work_has_the_same_key_of_sixteen_digits(package):
    assert key() == key(dict(reversed(VALUES.items())))
    assert len(key()) == 16
    assert set(key()) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "change",
    [
        {"path": Path("b.tif")},
        {"sizes": [2, 1]},
        {"sizes": [1, 2, 3]},
        {"rule": {"stride": 7, "share": 0.1 + 1e-12}},
        {"rule": {"stride": 8, "share": 0.1}},
        {"lr": 0},
        {"lr": "None"},
        {"more": 1},
    ],
)
def test_any_other_value_gives_another_key(package, change):
    assert key({**VALUES, **change}) != key()


@pytest.mark.parametrize("name", ["dem/grid.py", "dem/deep/voids.py", "seeding.py"])
def test_key_changes_with_the_code_of_the_parts(package, name):
    before = key()
    with (package / name).open("a") as file:
        file.write("x = 1\n")
    assert key() != before


def test_key_changes_with_the_names_of_the_modules(package):
    before = key()
    (package / "dem" / "grid.py").rename(package / "dem" / "grids.py")
    assert key() != before


def test_other_code_and_other_files_do_not_change_the_key(package):
    before = key()
    (package / "pairs.py").write_text("x = 1\n")
    (package / "dem" / "notes.txt").write_text("other")
    (package / "dem" / "__pycache__").mkdir()
    (package / "dem" / "__pycache__" / "grid.cpython-311.pyc").write_bytes(b"x")
    assert key() == before


def test_code_of_a_folder_is_that_of_its_files(package):
    assert code_sha256(["dem"]) == code_sha256(["dem/deep/voids.py", "dem/grid.py"])
    assert code_sha256(["dem"]) != code_sha256(["dem/grid.py", "dem/deep/voids.py"])


def test_parts_of_demsr_are_found():
    assert code_sha256(["dem", "pairs", "runtime/seeding.py"]) != code_sha256(["dem", "pairs"])


def test_part_that_is_not_there_is_refused(package):
    with pytest.raises(FileNotFoundError, match="gone.py"):
        work_key(VALUES, code=("gone.py",))
