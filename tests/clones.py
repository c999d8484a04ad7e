"""A clone of the project with commands run in it."""

import os
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

STAGES = ["fetch", "harmonise", "pairs", "pretrain", "finetune", "evaluate", "register"]


class Project:
    """A clone with commands run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        dropped = ("MLFLOW_TRACKING_URI", "DVC_ROOT")
        self.env = {name: value for name, value in os.environ.items() if name not in dropped} | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(folder),
            "GIT_AUTHOR_NAME": "test",
            "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "test",
            "GIT_COMMITTER_EMAIL": "test@example.org",
        }

    def run(self, *command: str, expect: int = 0) -> str:
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=900)
        output = done.stdout + done.stderr
        assert done.returncode == expect, f"{' '.join(command)} ended with {done.returncode}:\n{output}"
        return output

    def set_params(self, **changes: object) -> None:
        yaml, path = YAML(), self.folder / "params.yaml"
        params = yaml.load(path.read_text())
        for key, value in changes.items():
            section, _, name = key.partition("__")
            params[section][name] = value
        with path.open("w") as file:
            yaml.dump(params, file)

    def stages_to_run(self) -> list[str]:
        output = self.run("dvc", "repro", "--dry")
        return [stage for stage in STAGES if f"Running stage '{stage}'" in output]

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "state")


def copy_of(root: Path, folder: Path) -> Project:
    """Return a copy of the tracked files without results, as a repository of its own."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in names:
        if not name.startswith("results/") and name != "dvc.lock" and (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((root / name).read_bytes())
    project = Project(folder)
    project.run("git", "init", "-q")
    return project
