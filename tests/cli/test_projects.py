from command_line import refused

from demsr.runtime.new_project import VERSION_FILE


def test_a_project_is_written_and_other_folders_are_refused(tmp_path, demsr):
    folder = tmp_path / "project"
    said = demsr("init", folder)
    assert said.status == 0
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != VERSION_FILE]
    assert said.out.startswith(f"{folder}: wrote {len(files)} files of demsr ")
    assert f"next: git init {folder}" in said.out
    (folder / "dvc.yaml").write_text("stages: {}\n")
    (folder / ".git").mkdir()
    again = demsr("init", folder).out.splitlines()
    assert [line.partition(" of demsr")[0] for line in again] == [
        f"{folder}: wrote 0 files",
        "kept, and not as in this version: dvc.yaml",
    ]
    assert refused(demsr("init", tmp_path), start=f"{tmp_path}: has 'project'", way_out="name a new or empty folder")
