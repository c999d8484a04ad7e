import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import Done

from demsr.cli import main
from demsr.model.checkpoint import save_model
from demsr.model.srnet import DemSrNet


@pytest.fixture
def demsr(monkeypatch, capsys) -> Callable[..., Done]:
    """Run the command line in this process as a user runs it: output and exit status included."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DEMSR_DEBUG", "0")  # set, so that what --debug writes is undone

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["demsr", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return Done(int(stop.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def params_yaml(root, tmp_path, monkeypatch) -> Path:
    """The project's params.yaml in a current folder of one's own."""
    shutil.copy(root / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "params.yaml"


@pytest.fixture
def model(tmp_path) -> Path:
    torch.manual_seed(1)
    save_model(DemSrNet(1, 4), tmp_path / "model", training={})
    return tmp_path / "model"
