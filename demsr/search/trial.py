"""One trial: the same training as in the pipeline, on its share of a machine."""

import math
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock

from demsr.errors import CheckpointError, PairsError, WorkerError
from demsr.identity import code_sha256
from demsr.model.srnet import DemSrNet
from demsr.pairs.datamodule import PairDataModule
from demsr.pairs.store import PairFile
from demsr.search.space import Choice
from demsr.training.fit import fit
from demsr.training.progress import EpochRow
from demsr.training.resume import CODE
from demsr.training.setup import finetuning, pretraining

Stage = Literal["pretrain", "finetune"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """What all trials of a sweep share. Paths are absolute: Tune gives each trial a current folder of its own.

    Attributes
    ----------
    train, valid : pairs; at the same paths on every node
    start : folder of the pretrained model, for `finetune`
    work : folder of checkpoints; a cluster whose nodes share it can go on elsewhere when a node is lost
    net : arguments of `DemSrNet`; the number of blocks is overridden by a choice that has one
    fit : of `demsr.training.fit.fit`; likewise the learning rate
    workers : processes that read pairs
    code : SHA-256 of the code that trains, which nodes must agree on
    sizes : of both files of pairs, in bytes
    unit : of the heights, m or scaled
    """

    stage: Stage
    train: Path
    valid: Path
    start: Path | None
    work: Path
    net: dict[str, Any]
    fit: dict[str, Any]
    batch_size: int
    workers: int
    code: str
    sizes: tuple[int, int]
    unit: str


def train_trial(
    training: Training, trial_id: str, choice: Choice, *, seed: int, threads: int, on_epoch: Callable[[EpochRow], None]
) -> None:
    """Train one choice, from its last finished epoch if a process was killed.

    Raises
    ------
    WorkerError, PairsError : this node has other code or other pairs than the driver
    CheckpointError : an epoch came out as NaN
    """
    _check_node(training)
    torch.set_num_threads(threads)
    folder = training.work / trial_id
    folder.mkdir(parents=True, exist_ok=True)

    def checked(row: EpochRow) -> None:
        if not all(math.isfinite(value) for value in row.values()):
            message = f"epoch {row['epoch']:.0f} came out as NaN or infinite; the learning rate is too high"
            raise CheckpointError(message)
        on_epoch(row)

    with FileLock(folder / "lock"):  # until a process of the same trial, whose driver was killed, is gone
        net, data = net_and_data(training, choice, seed=seed)
        fit(
            net, data, work_dir=folder, title=trial_id, unit=training.unit, devices=1, on_epoch=checked,
            tail_only=training.stage == "finetune", **training.fit | _only(choice, "learning_rate"),
        )  # fmt: skip


def net_and_data(training: Training, choice: Choice, *, seed: int) -> tuple[DemSrNet, PairDataModule]:
    """Return what a choice trains."""
    train, valid = PairFile(training.train), PairFile(training.valid)
    how: dict[str, Any] = {"seed": seed, "batch_size": training.batch_size, "workers": training.workers}
    if training.start is not None:
        return finetuning(train, valid, start=training.start, cache=training.work / "features", **how)
    return pretraining(train, valid, net_options=training.net | _only(choice, "num_blocks"), **how)


def _only(choice: Choice, name: str) -> dict[str, Any]:
    return {name: choice[name]} if name in choice else {}


def _check_node(training: Training) -> None:
    """Refuse to compare trainings of different code or data."""
    node = platform.node()
    if code_sha256(CODE) != training.code:
        message = f"the node {node} has another version of demsr; install the driver's there"
        raise WorkerError(message)
    for path, size in zip((training.train, training.valid), training.sizes, strict=True):
        if not path.is_file() or path.stat().st_size != size:
            message = f"{path}: the node {node} lacks it or has another one; bring the driver's there, at the same path"
            raise PairsError(message)
