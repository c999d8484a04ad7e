"""A clone of the project with commands run in it."""

import multiprocessing
import os
import runpy
import subprocess
import sys
from importlib.metadata import entry_points
from multiprocessing.process import BaseProcess
from pathlib import Path

from ruamel.yaml import YAML

IMPORTED = ["demsr.lifecycle.register", "demsr.training.stage", "dvc.commands.repro", "dvc.repo"]
"""Modules whose packages take seconds to import."""
DROPPED = ("MLFLOW_TRACKING_URI", "DVC_ROOT")
STAGES = ["fetch", "harmonise", "pairs", "pretrain", "finetune", "evaluate", "register"]


class Project:
    """A clone with commands run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder.with_name(f"{folder.name}.log")
        self.env = {name: value for name, value in os.environ.items() if name not in DROPPED} | {
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

    def start_fork(self, *words: str) -> BaseProcess:
        """Start a script of the project, `demsr` or `dvc` in a fork of a process that has imported the packages.

        The library is that of this repository, of which the project is a copy.
        """
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        process = context.Process(target=_work, args=(words, self.folder, self.env, self.output))
        process.start()
        return process

    def run_fork(self, *words: str, expect: int = 0) -> str:
        """Return what a script of the project, `demsr` or `dvc` prints, without the seconds that imports take."""
        process = self.start_fork(*words)
        process.join(timeout=900)
        output = self.output.read_text()
        assert process.exitcode == expect, f"{' '.join(words)} ended with {process.exitcode}:\n{output}"
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
        output = self.run_fork("dvc", "repro", "--dry")
        return [stage for stage in STAGES if f"Running stage '{stage}'" in output]

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "state")


def _work(words: tuple[str, ...], folder: Path, environment: dict[str, str], output: Path) -> None:
    """Do what `python SCRIPT` or a command does in a folder, and write what it prints to a file."""
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    for name in DROPPED:
        os.environ.pop(name, None)
    os.environ.update(environment)  # beside the settings that the imported packages have made
    os.chdir(folder)
    sys.argv = list(words)
    if words[0].endswith(".py"):
        runpy.run_path(words[0], run_name="__main__")
    else:
        command = next(iter(entry_points(group="console_scripts", name=words[0])))
        sys.exit(command.load()())


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
