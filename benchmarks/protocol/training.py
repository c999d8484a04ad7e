"""Train one method on the pairs of one fold with a budget of floating-point operations."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from demsr.model.checkpoint import parameter_count
from demsr.model.cost import flop_per_lr_px
from demsr.pairs.datamodule import PairDataModule, TrainPairs
from demsr.pairs.pair_file import PairFile
from demsr.runtime.files import atomic_write, sha256_of_file, write_json
from demsr.runtime.seeding import sub_seed
from demsr.training.fit import fit
from protocol.methods import METHODS, new_net

BATCH = 8
RECIPE = {
    "learning_rate": 5e-3,
    "learning_rate_schedule": "cosine",
    "optimiser": "muon",
    "loss": "balanced",
    "precision": "auto",
    "keep": "last",
}
_EPOCH_STEPS = 100  # between checkpoints
_PASSES = 3  # a backward pass costs about two forward passes


@dataclass(frozen=True)
class Training:
    """One training of the protocol.

    Attributes
    ----------
    role : part of the protocol: "product", "comparison" or "variants"
    method : name in `METHODS`
    fold : fold that is held out
    seed : base seed
    budget_tflop : floating-point operations of all training steps
    """

    role: str
    method: str
    fold: str
    seed: int
    budget_tflop: float

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.method}, fold {self.fold}, {self.budget_tflop:g} TFLOP, seed {self.seed}"


def train(training: Training, pairs: PairFile, work: Path) -> nn.Module:
    """Return the trained net; read it if it was trained before, and resume a killed training.

    Parameters
    ----------
    training : what to train
    pairs : training pairs of its fold
    work : work folder
    """
    if not _weights(training, work).is_file():
        _train(training, pairs, work)
    return trained_net(training, work)


def trained_net(training: Training, work: Path) -> nn.Module:
    """Read a net that was trained before."""
    net = new_net(training.method, seed=sub_seed(training.seed, "weights"))
    net.load_state_dict(load_file(_weights(training, work)))
    return net.eval()


def _train(training: Training, pairs: PairFile, work: Path) -> None:
    net = new_net(training.method, seed=sub_seed(training.seed, "weights"))
    mflop = flop_per_lr_px(net) / 1e6
    flop_per_step = _PASSES * mflop * 1e6 * BATCH * pairs.patch_lr**2
    epochs = max(1, round(training.budget_tflop * 1e12 / flop_per_step / _EPOCH_STEPS))
    data = PairDataModule(
        TrainPairs(pairs, seed=training.seed, augment=True), None, batch_size=BATCH, workers=0, seed=training.seed
    )
    checkpoints, weights = work / "checkpoints" / training.name, _weights(training, work)
    result = fit(
        net,
        data,
        work_dir=checkpoints,
        max_epochs=epochs,
        steps_per_epoch=_EPOCH_STEPS,
        title=training.name,
        **RECIPE | METHODS[training.method].recipe,
    )
    facts = {
        "parameters": parameter_count(net),
        "mflop_per_lr_px": mflop,
        "steps": epochs * _EPOCH_STEPS,
        "samples_per_second": result.samples_per_second,
        "threads": torch.get_num_threads(),
        "pairs": len(pairs),
        "pairs_sha256": sha256_of_file(pairs.path),
        "curves": result.curves,
    }
    write_json(weights.with_name("facts.json"), facts)
    with atomic_write(weights) as temporary:
        save_file({name: value.contiguous() for name, value in net.state_dict().items()}, temporary)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _weights(training: Training, work: Path) -> Path:
    return work / "trained" / training.name / "weights.safetensors"
