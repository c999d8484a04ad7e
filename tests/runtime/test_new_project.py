import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from clones import STAGES, Project
from ruamel.yaml import YAML

import demsr
from demsr.errors import ParamsError
from demsr.runtime.new_project import VERSION_FILE, start_project


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel installs, built from the files of git as in a clone."""
    folder = tmp_path_factory.mktemp("build")
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True)
    for name in names.stdout.splitlines():
        if name.startswith(("demsr/", "pipelines/", "sweeps/", "data/", ".dvc")) or "/" not in name:
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / "source" / name)
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(folder / "installed")]
    env = os.environ | {"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_DEMSR": "1.2.3"}
    done = subprocess.run(command, cwd=folder / "source", env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "installed"


@pytest.fixture(scope="module")
def project(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that the built package has made, far from the repository."""
    project = Project(tmp_path_factory.mktemp("of the wheel") / "project")
    project.folder.mkdir()
    project.env["PYTHONPATH"] = str(built)
    project.run("git", "init", "-q")
    project.run(sys.executable, "-c", "from demsr.cli import main; main()", "init", ".")
    return project


def test_the_built_package_has_the_files_of_the_repository(root, built):
    template = built / "demsr" / "template"
    files = [path.relative_to(template) for path in template.rglob("*") if path.is_file()]
    assert {"dvc.yaml", "params.yaml", "pipelines/pairs.py", "sweeps/resblocks.yaml"} < {*map(str, files)}
    assert all((template / file).read_bytes() == (root / file).read_bytes() for file in files)


def test_dvc_reads_the_project_and_finds_all_stages_to_run(project):
    status = json.loads(project.run("dvc", "status", "--json"))
    assert set(status) == set(STAGES)
    (of_fetch,) = (change["changed deps"] for change in status["fetch"] if "changed deps" in change)
    assert {of_fetch[name] for name in (VERSION_FILE, "pipelines/fetch.py", "data/local/land")} == {
        "modified"
    }  # "deleted" if not there


def test_stages_depend_on_the_version_and_on_files_of_the_project(root, project):
    """Each dependency of a stage that no other stage writes is there, so the first stage can run."""
    yaml = YAML(typ="safe")
    ours, own = (yaml.load((folder / "dvc.yaml").read_text()) for folder in (root, project.folder))
    for stage, of_repository in ours["stages"].items():
        deps = own["stages"][stage]["deps"]
        assert deps.count(VERSION_FILE) == 1
        assert [dep for dep in deps if dep != VERSION_FILE] == [
            dep for dep in of_repository["deps"] if not dep.startswith("demsr/")
        ]
        assert all((project.folder / dep).exists() for dep in deps if not dep.startswith("${"))
        assert own["stages"][stage] | {"deps": 0} == of_repository | {"deps": 0}


def test_a_project_is_completed_and_changed_files_stay(tmp_path):
    (tmp_path / ".git").mkdir()
    first = start_project(tmp_path)
    assert len(first.written) > 15
    assert first.different == ()
    (tmp_path / "params.yaml").write_text("own: true\n")
    (tmp_path / "pipelines" / "pairs.py").unlink()
    (tmp_path / VERSION_FILE).write_text("0.0.1\n")
    second = start_project(tmp_path)
    assert second.written == ("pipelines/pairs.py",)
    assert second.different == ("params.yaml",)
    assert (tmp_path / "params.yaml").read_text() == "own: true\n"
    assert (tmp_path / VERSION_FILE).read_text() == f"{demsr.__version__}\n"


def test_a_folder_with_other_files_is_refused_and_stays(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ParamsError, match=r"has 'thesis.tex' and no demsr-version.txt.*; name a new or empty folder"):
        start_project(tmp_path)
    with pytest.raises(ParamsError, match=r"thesis.tex: is a file; name a new or empty folder"):
        start_project(tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
