import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from demsr.errors import WorkerError
from demsr.runtime.dvc_files import DvcFiles, dvc_remote, md5_of_file


@pytest.fixture
def files(tmp_path, monkeypatch) -> DvcFiles:
    """Two files of a project whose remote, a folder, has both."""
    project, remote = tmp_path / "project", tmp_path / "remote"
    (project / ".dvc").mkdir(parents=True)
    (project / ".dvc/config").write_text(f"[core]\n    remote = team\n['remote \"team\"']\n    url = {remote}\n")
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.setenv("DEMSR_CACHE", str(tmp_path / "cache"))
    for name, content in (("train.h5", b"train"), ("valid.h5", b"valid")):
        (project / name).write_bytes(content)
        md5 = hashlib.md5(content).hexdigest()
        (remote / "files/md5" / md5[:2]).mkdir(parents=True)
        (remote / "files/md5" / md5[:2] / md5[2:]).write_bytes(content)
    return DvcFiles.of([project / "train.h5", project / "valid.h5"])


def stored(files: DvcFiles, name: str) -> Path:
    return Path(files.remote["url"]) / "files/md5" / files.md5[name][:2] / files.md5[name][2:]


def test_the_remote_is_that_of_the_project_without_its_secrets(files, tmp_path, monkeypatch):
    assert files.remote == {"url": str(tmp_path / "remote")}
    (tmp_path / "s3/.dvc").mkdir(parents=True)
    (tmp_path / "s3/.dvc/config").write_text(
        "[core]\n    remote = team\n['remote \"team\"']\n    url = s3://dvc\n    endpointurl = http://s3:8333\n"
    )
    (tmp_path / "s3/.dvc/config.local").write_text("['remote \"team\"']\n    secret_access_key = secret\n")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "s3"))
    assert dvc_remote() == {"url": "s3://dvc", "endpointurl": "http://s3:8333"}
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert dvc_remote() is None


def test_files_in_their_place_are_used_and_missing_ones_fetched_once(files):
    assert files.here() == files.folder
    (files.folder / "valid.h5").write_bytes(b"another length")
    fetched = files.here()
    assert {path.name: path.read_bytes() for path in fetched.glob("*.h5")} == {
        "train.h5": b"train",
        "valid.h5": b"valid",
    }
    shutil.rmtree(files.remote["url"])
    assert files.here() == fetched


def test_a_file_that_cannot_be_fetched_is_named_with_what_to_do(files):
    shutil.rmtree(files.folder)
    with pytest.raises(WorkerError, match=r"train.h5 is missing .*; copy it there, or set a DVC remote"):
        replace(files, remote=None).here()
    stored(files, "valid.h5").write_bytes(b"VALID")
    with pytest.raises(
        WorkerError, match=f"valid.h5 has MD5 .*, needed is {files.md5['valid.h5']}; run `dvc push` again"
    ):
        files.here()
    stored(files, "valid.h5").unlink()
    with pytest.raises(WorkerError, match=r"has no valid.h5 with MD5 \w+; run `dvc push` on the driver"):
        files.here()
    unreachable = {"url": "s3://nobody/there", "endpointurl": "http://127.0.0.1:9"}
    with pytest.raises(WorkerError, match="DVC remote s3://nobody/there: .*; give this node the package and the cred"):
        replace(files, remote=unreachable, md5={"other.h5": md5_of_file(Path(__file__))}, sizes={"other.h5": 1}).here()
