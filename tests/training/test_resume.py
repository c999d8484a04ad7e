import shutil
from pathlib import Path

import pytest

import demsr
from demsr.training.resume import work_key


def test_work_key_changes_with_parameters_and_data_and_nothing_else():
    key = work_key({"learning_rate": 1e-3}, ["a", "b"])
    assert key == work_key({"learning_rate": 1e-3}, ["a", "b"])
    assert len({key, work_key({"learning_rate": 2e-3}, ["a", "b"]), work_key({"learning_rate": 1e-3}, ["a", "c"])}) == 3


@pytest.mark.parametrize("name", ["model/srnet.py", "pairs/pair_file.py", "training/task.py", "runtime/seeding.py"])
def test_work_key_changes_with_the_code_of_training(name, tmp_path, monkeypatch):
    package = tmp_path / "demsr"
    shutil.copytree(Path(demsr.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("demsr.runtime.fingerprint._PACKAGE", package)
    key = work_key({}, [])
    (package / "metrics" / "terrain.py").write_text("")
    assert work_key({}, []) == key
    with (package / name).open("a") as code:
        code.write("# changed")
    assert work_key({}, []) != key
