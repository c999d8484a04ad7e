"""Train one net of the protocol with a budget of floating-point operations."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from demsr.model.checkpoint import parameter_count
from demsr.model.cost import flop_per_lr_px
from demsr.options import Operator
from demsr.pairs.datamodule import PairDataModule
from demsr.runtime.files import atomic_write, write_json
from demsr.runtime.seeding import sub_seed
from demsr.training.fit import fit
from protocol.methods import METHODS, new_net
from protocol.patches import PATCH_LR, Patches

BATCH = 8
RECIPE = {
    "learning_rate": 5e-3,
    "learning_rate_schedule": "cosine",
    "optimiser": "muon",
    "loss": "balanced",
    "precision": "auto",
    "keep": "last",
}
FINE_TUNING = {"learning_rate": 2e-3}
_EPOCH_STEPS = 100  # between checkpoints
_PASSES = 3  # a backward pass costs about two forward passes


@dataclass(frozen=True)
class Training:
    """One training of the protocol.

    Attributes
    ----------
    role : part of the protocol: "product", "comparison" or "variants"
    method : name in `METHODS`
    operator : how LR is made
    fold : fold, or place at sea, that is held out
    seed : base seed
    budget_tflop : floating-point operations of all training steps
    start : training whose net is fine-tuned; None trains a new net
    """

    role: str
    method: str
    operator: Operator
    fold: str
    seed: int
    budget_tflop: float
    start: "Training | None" = None

    @property
    def name(self) -> str:
        """Name of its folder."""
        tuned = " fine-tuned," if self.start else ""
        return f"{self.method}, {self.operator},{tuned} fold {self.fold}, {self.budget_tflop:g} TFLOP, seed {self.seed}"

    @property
    def recipe(self) -> dict[str, Any]:
        """Options of `fit`."""
        return {**RECIPE, **METHODS[self.method].recipe, **(FINE_TUNING if self.start else {})}


def train(training: Training, patches: Patches, work: Path) -> nn.Module:
    """Return the trained net; resume a killed training.

    Parameters
    ----------
    training : what to train
    patches : training patches
    work : work folder
    """
    if not is_trained(training, work):
        _train(training, patches, work)
    return trained_net(training, work)


def is_trained(training: Training, work: Path) -> bool:
    """Whether a training was finished before."""
    return _weights(training, work).is_file()


def trained_net(training: Training, work: Path) -> nn.Module:
    """Read a net that was trained before."""
    net = new_net(training.method, seed=sub_seed(training.seed, "weights"))
    net.load_state_dict(load_file(_weights(training, work)))
    return net.eval()


def patches_of_epoch() -> int:
    """Return the number of patches between checkpoints."""
    return BATCH * _EPOCH_STEPS


def _train(training: Training, patches: Patches, work: Path) -> None:
    net = trained_net(training.start, work) if training.start else None
    net = net or new_net(training.method, seed=sub_seed(training.seed, "weights"))
    mflop = flop_per_lr_px(net) / 1e6
    flop_per_step = _PASSES * mflop * 1e6 * BATCH * PATCH_LR**2
    epochs = max(1, round(training.budget_tflop * 1e12 / flop_per_step / _EPOCH_STEPS))
    data = PairDataModule(patches, None, batch_size=BATCH, workers=0, seed=training.seed)
    checkpoints, weights = work / "checkpoints" / training.name, _weights(training, work)
    result = fit(net, data, work_dir=checkpoints, max_epochs=epochs, title=training.name, **training.recipe)
    facts = {
        "parameters": parameter_count(net),
        "mflop_per_lr_px": mflop,
        "steps": epochs * _EPOCH_STEPS,
        "samples_per_second": result.samples_per_second,
        "threads": torch.get_num_threads(),
        "recipe": training.recipe,
        "curves": result.curves,
    }
    write_json(weights.with_name("facts.json"), facts)
    with atomic_write(weights) as temporary:
        save_file({name: value.contiguous() for name, value in net.state_dict().items()}, temporary)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _weights(training: Training, work: Path) -> Path:
    return work / "trained" / training.name / "weights.safetensors"
