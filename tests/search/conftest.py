import shutil
from pathlib import Path

import pytest
from sweep_project import enter, make_project


@pytest.fixture(scope="session")
def small_project(root, empty_store, tmp_path_factory) -> Path:
    """A project that tests copy, not the current one."""
    return make_project(tmp_path_factory.mktemp("sweeps") / "project", root, empty_store)


@pytest.fixture
def project(small_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small project for one test, also the current folder."""
    return enter(Path(shutil.copytree(small_project, tmp_path / "project")), monkeypatch)
