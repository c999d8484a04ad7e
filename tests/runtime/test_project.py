from pathlib import Path

from demsr.runtime.project import cache_folder, project_root


def test_project_is_the_nearest_folder_above_with_a_pipeline(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / "project" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "project" / "dvc.yaml").write_text("stages: {}")
    monkeypatch.chdir(tmp_path / "project" / "deep" / "er")
    assert project_root() == (tmp_path / "project").resolve()
    (tmp_path / "project" / "deep" / "dvc.yaml").write_text("stages: {}")
    assert project_root() == (tmp_path / "project" / "deep").resolve()


def test_outside_a_project_it_is_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert project_root() == tmp_path.resolve()


def test_the_root_that_dvc_names_comes_first(tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").write_text("stages: {}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "other"))
    assert project_root() == (tmp_path / "other").resolve()


def test_cache_is_the_named_folder_else_the_user_s(tmp_path, monkeypatch):
    monkeypatch.setenv("DEMSR_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == (tmp_path / "cache").resolve()
    monkeypatch.delenv("DEMSR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of user"))
    assert cache_folder().name == "demsr"
    assert cache_folder() != Path.cwd()
