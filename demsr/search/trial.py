"""One trial: the same training as in the pipeline, on its share of a machine."""

import math
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock

from demsr.errors import CheckpointError, WorkerError
from demsr.model.checkpoint import read_config
from demsr.model.srnet import DemSrNet
from demsr.pairs.datamodule import PairDataModule
from demsr.pairs.pair_file import PairFile
from demsr.runtime.fingerprint import code_sha256
from demsr.search.space import Choice
from demsr.tracking.runs import InputData
from demsr.training.fit import fit
from demsr.training.prepare import prepare_finetuning, prepare_pretraining
from demsr.training.progress import EpochRow
from demsr.training.resume import CODE

Stage = Literal["pretrain", "finetune"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """What all trials of a sweep share. Paths are absolute: Tune gives each trial a current folder of its own.

    Attributes
    ----------
    train, valid : pairs; at the same paths on every node
    start : folder of the pretrained model, for `finetune`
    start_sha256 : of its weights
    work : folder of checkpoints, of this sweep alone; if nodes share it, a trial of a lost node goes on elsewhere
    cache : folder of the features of the pretrained model
    net : arguments of `DemSrNet`; the number of blocks is overridden by a choice that has one
    fit : of `demsr.training.fit.fit`; likewise the learning rate
    workers : processes that read pairs
    code : SHA-256 of the code that trains, which nodes must agree on
    md5, sizes : of both files of pairs; sizes in bytes
    unit : of the heights, m or scaled
    """

    stage: Stage
    train: Path
    valid: Path
    start: Path | None
    start_sha256: str | None
    work: Path
    cache: Path
    net: dict[str, Any]
    fit: dict[str, Any]
    batch_size: int
    workers: int
    code: str
    md5: tuple[str, str]
    sizes: tuple[int, int]
    unit: str


def train_trial(
    training: Training,
    trial_id: str,
    choice: Choice,
    *,
    seed: int,
    threads: int,
    on_epoch: Callable[[EpochRow], None],
    accelerator: Literal["auto", "cpu"] = "auto",
) -> None:
    """Train one choice, from its last finished epoch if a process was killed.

    Raises
    ------
    CheckpointError : an epoch came out as NaN
    """
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
            net,
            data,
            work_dir=folder,
            title=trial_id,
            unit=training.unit,
            devices=1,
            on_epoch=checked,
            accelerator=accelerator,
            tail_only=training.stage == "finetune",
            **training.fit | _only(choice, "learning_rate"),
        )


def net_and_data(training: Training, choice: Choice, *, seed: int) -> tuple[DemSrNet, PairDataModule]:
    """Return what a choice trains."""
    train, valid = PairFile(training.train), PairFile(training.valid)
    how: dict[str, Any] = {"seed": seed, "batch_size": training.batch_size, "workers": training.workers}
    if training.start is not None:
        return prepare_finetuning(train, valid, start=training.start, cache=training.cache, **how)
    return prepare_pretraining(train, valid, net_options=training.net | _only(choice, "num_blocks"), **how)


def _only(choice: Choice, name: str) -> dict[str, Any]:
    return {name: choice[name]} if name in choice else {}


def check_node(training: Training, *, whole: bool) -> None:
    """Refuse to compare trainings of different code, pairs or pretrained models.

    Parameters
    ----------
    whole : read the pairs to compare their content, not only their size

    Raises
    ------
    WorkerError : this node has something else than the driver
    """
    node = platform.node()
    if code_sha256(CODE) != training.code:
        message = f"the node {node} has another version of demsr, or its files were changed; install the driver's there"
        raise WorkerError(message)
    for path, md5, size in zip((training.train, training.valid), training.md5, training.sizes, strict=True):
        if not path.is_file() or path.stat().st_size != size or (whole and InputData(path, "").md5 != md5):
            message = f"{path}: the node {node} lacks it or has another one; bring the driver's there, at the same path"
            raise WorkerError(message)
    if training.start is not None and read_config(training.start).weights_sha256 != training.start_sha256:
        message = f"{training.start}: the node {node} has another pretrained model; bring the driver's there"
        raise WorkerError(message)
