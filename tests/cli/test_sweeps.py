import json
import runpy
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from sweep_project import enter, make_project
from sweep_reports import make_report

from demsr.cli import main as command_line
from demsr.params import Params


@pytest.fixture
def project(root, empty_store, tmp_path, monkeypatch) -> Path:
    return enter(make_project(tmp_path / "project", root, empty_store), monkeypatch)


def write_verdict(project: Path, **changes: object) -> Path:
    path = project / "results/sweeps/resblocks/verdict.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(make_report(**changes))))
    return path


def run(monkeypatch, *words: str, script: str = "sweeps/resblocks.py") -> int | str:
    """Run a script or the command in this process and return its exit status, or the message with which it ends."""
    monkeypatch.setattr(sys, "argv", [script, *words])
    with pytest.raises(SystemExit) as raised:
        command_line() if script == "demsr" else runpy.run_path(script, run_name="__main__")
    return raised.value.code or 0


def test_the_best_goes_into_params_yaml_with_its_comments(project):
    training = {"learning_rate": 0.0025, "loss": "balanced"}
    changes = {"model": {"num_blocks": 3, "symmetric": False}, "pretrain": training}
    write_verdict(project, sentences=["Best: 3."], changes=changes)
    comments = [line for line in Path("params.yaml").read_text().splitlines() if "#" in line]
    command = [sys.executable, "sweeps/run.py", "resblocks", "--verdict", "--use"]
    used = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    assert "Best: 3." in used.stdout
    said = "model.num_blocks 3, model.symmetric false, pretrain.learning_rate 0.0025, pretrain.loss balanced; next: dvc"
    assert said in used.stdout
    assert "demsr sweep sweeps/resblocks.yaml --use" in used.stdout
    params = Params.read()
    assert (params.model.num_blocks, params.pretrain.learning_rate, params.pretrain.loss) == (3, 0.0025, "balanced")
    assert comments
    assert set(comments) <= set(Path("params.yaml").read_text().splitlines())


def test_the_best_of_another_profile_is_refused(project, monkeypatch, capsys):
    write_verdict(project, profile="paper")
    before = Path("params.yaml").read_text()
    assert run(monkeypatch, "--use") == 1
    message = "has the profile sample, the sweep searched paper; run `demsr profile paper` first"
    assert message in capsys.readouterr().err
    assert Path("params.yaml").read_text() == before


def test_without_a_finished_sweep_there_is_no_verdict(project, monkeypatch, capsys):
    assert run(monkeypatch, "--verdict") == 1
    assert "verdict.json: no finished sweep" in capsys.readouterr().err


def test_help_names_every_option(monkeypatch, capsys):
    assert run(monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    options = ("profile", "trials", "max-concurrent", "cpus-per-trial", "gpus-per-trial", "address", "resume", "anew")
    for option in (*options, "accept-changes", "retry-failed", "no-halving", "verdict", "use"):
        assert f"--{option}" in text
    assert "Usage: python sweeps/resblocks.py [OPTIONS]\n" in text  # it knows its FILE
    assert "FILE" not in text


def test_each_script_and_the_command_run_the_file_that_they_name(project, monkeypatch, capsys):
    write_verdict(project, sentences=["Best: 3."])
    scripts = (["sweeps/resblocks.py"], ["sweeps/run.py", "resblocks"], ["demsr", "sweep", "sweeps/resblocks.yaml"])
    for script, *words in scripts:
        status = run(monkeypatch, *words, "--verdict", script=script)
        assert (status, "Best: 3." in capsys.readouterr().out) == (0, True), script
    assert "NAME is one of finetune, resblocks, width" in str(run(monkeypatch, script="sweeps/run.py"))


def test_a_file_that_is_not_there_is_named(project, monkeypatch, capsys):
    Path("sweeps/resblocks.yaml").unlink()
    assert run(monkeypatch) == 1
    assert "error: sweep resblocks: sweeps/resblocks.yaml: cannot be read as YAML" in capsys.readouterr().err
