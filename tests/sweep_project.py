"""A project after `dvc repro` in miniature, for tests of sweeps: pairs, a pretrained model, search spaces."""

import shutil
import textwrap
from pathlib import Path

import pytest
from pair_files import make_pairs

from demsr.model.checkpoint import save_model
from demsr.profiles import write_changes
from demsr.training.prepare import new_net

SPACES = {
    "resblocks": """
        stage: pretrain
        subject: model.num_blocks
        sample:
          search:
            model.num_blocks: {int: [1, 3]}
            pretrain.learning_rate: {log: [1.0e-3, 1.0e-2]}
          fixed: {model.features: 4}
          reference: {model.num_blocks: 2}
          enqueue: [{model.num_blocks: 1}]
          trials: 4
          epochs: 3
          steps_per_epoch: 2
          halving: {grace_epochs: 1, keep_one_of: 2}
          seed: 1
          finalists: {best: 1, always: [{model.num_blocks: 1}], seeds: [1, 2]}
    """,
    "finetune": """
        stage: finetune
        subject: finetune.learning_rate
        sample:
          search:
            finetune.learning_rate: {log: [1.0e-4, 1.0e-2]}
          trials: 3
          epochs: 2
          seed: 1
          finalists: {best: 1, seeds: [1, 2]}
    """,
    "width": """
        stage: pretrain
        subject: model.features
        by: pretrain.loss
        sample:
          search:
            model.features: {choice: [2, 4, 6]}
            pretrain.loss: {choice: [mse, balanced]}
            pretrain.learning_rate: {log: [1.0e-3, 1.0e-2]}
            pretrain.batch_size: {choice: [1, 2]}
          fixed: {model.num_blocks: 1}
          reference: {model.features: 4}
          enqueue: [{pretrain.loss: balanced, pretrain.batch_size: 1}]
          trials: 5
          epochs: 2
          seed: 1
          finalists: {best: 1, seeds: [1, 2]}
    """,
}


def make_project(folder: Path, root: Path, store: Path) -> Path:
    """Make a project in a new folder, with a copy of an empty MLflow store."""
    folder.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(root / name, folder)
    shutil.copy(store, folder / "mlflow.db")
    for place, domain in enumerate(("land", "marine")):
        for number, split in enumerate(("train", "valid")):
            path = folder / "data/pairs" / domain / f"{split}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            make_pairs(path, count=4 - 2 * number, seed=10 * place + number, domain=domain)
    save_model(new_net(seed=1, num_blocks=1, features=4), folder / "models/pretrained", training={"unit": "m"})
    changes = {"batch_size": 2, "learning_rate": 0.003}
    write_changes(folder / "params.yaml", {"pretrain": changes, "finetune": changes | {"learning_rate": 0.001}})
    shutil.copytree(root / "sweeps", folder / "sweeps", ignore=shutil.ignore_patterns("*.yaml", "__pycache__"))
    for name, space in SPACES.items():
        (folder / "sweeps" / f"{name}.yaml").write_text(textwrap.dedent(space))
    return folder


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project the current one."""
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(folder)
    return folder
