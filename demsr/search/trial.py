"""Training of one trial: the same training as in the pipeline, with a share of a machine."""

import math
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock

from demsr.errors import CheckpointError, WorkerError
from demsr.model.checkpoint import read_config
from demsr.model.srnet import DemSrNet
from demsr.pairs.datamodule import PairDataModule
from demsr.pairs.pair_file import PairFile
from demsr.runtime.dvc_files import DvcFiles, md5_of_file
from demsr.runtime.fingerprint import code_sha256
from demsr.runtime.project import cache_folder
from demsr.search.space import Candidate, Stage, nested
from demsr.training.fit import fit
from demsr.training.prepare import prepare_finetuning, prepare_pretraining
from demsr.training.progress import EpochRow
from demsr.training.resume import CODE


@dataclass(frozen=True, kw_only=True)
class TrialSetup:
    """Settings that all trials of a sweep share.

    Paths are absolute, since Ray Tune gives each trial a working directory of its own.

    Attributes
    ----------
    stage : training stage of the pipeline
    train, valid : pair files
    md5 : MD5 of both pair files
    unit : unit of the elevations, m or scaled
    start : folder of the pretrained model, for `finetune`
    start_sha256 : SHA-256 of its weights
    files : pair files, and the pretrained model, for nodes that lack them
    work : folder of checkpoints; if nodes share it, a trial of a lost node resumes elsewhere
    cache : folder of the cached features of the pretrained model
    net : arguments of `DemSrNet`, before the values of a candidate
    training : batch_size and arguments of `demsr.training.fit.fit`, before the values of a candidate
    workers : processes that read pairs
    code : SHA-256 of the training code
    """

    stage: Stage
    train: Path
    valid: Path
    md5: tuple[str, str]
    unit: str
    start: Path | None
    start_sha256: str | None
    files: tuple[DvcFiles, ...]
    work: Path
    cache: Path
    net: dict[str, Any]
    training: dict[str, Any]
    workers: int
    code: str

    def here(self) -> "TrialSetup":
        """Return the setup with the paths of this node, after fetching the files that it lacks.

        Raises
        ------
        WorkerError : files are neither here nor in the DVC remote
        """
        pairs, *start = (files.here() for files in self.files)
        own = cache_folder() / "sweeps"
        shared = self.work.is_dir()
        return replace(
            self,
            train=pairs / self.train.name,
            valid=pairs / self.valid.name,
            start=start[0] if start else None,
            work=self.work if shared else own / self.work.name,
            cache=self.cache if shared else own / self.cache.name,
        )

    def of(self, candidate: Candidate) -> "TrialSetup":
        """Return the setup with the values of a candidate in `net` and `training`.

        Parameters
        ----------
        candidate : values by path in params.yaml
        """
        values = nested(candidate)
        return replace(
            self, net=self.net | values.get("model", {}), training=self.training | values.get(self.stage, {})
        )


def train_trial(
    setup: TrialSetup,
    trial_id: str,
    candidate: Candidate,
    *,
    seed: int,
    threads: int,
    on_epoch: Callable[[EpochRow], None],
    accelerator: Literal["auto", "cpu"] = "auto",
) -> None:
    """Train one candidate, from the last finished epoch if an earlier process was killed.

    Parameters
    ----------
    setup : settings common to all trials
    trial_id : name of the folder of checkpoints
    candidate : values by path in params.yaml
    seed : seed of the weights and of the order of samples
    threads : CPU threads
    on_epoch : called with the row of each epoch
    accelerator : "auto" takes a GPU if there is one

    Raises
    ------
    CheckpointError : an epoch yields NaN or infinity
    """
    torch.set_num_threads(threads)
    folder = setup.work / trial_id
    folder.mkdir(parents=True, exist_ok=True)

    def check_and_report(row: EpochRow) -> None:
        if not all(math.isfinite(value) for value in row.values()):
            message = f"epoch {row['epoch']:.0f} yields NaN or infinity; the learning rate is too high"
            raise CheckpointError(message)
        on_epoch(row)

    setup = setup.of(candidate)
    with FileLock(folder / "lock"):  # waits for a process of the same trial whose driver was killed
        net, data = _prepare(setup, seed=seed)
        fit(
            net,
            data,
            work_dir=folder,
            title=trial_id,
            unit=setup.unit,
            devices=1,
            on_epoch=check_and_report,
            accelerator=accelerator,
            tail_only=setup.stage == "finetune",
            **{name: value for name, value in setup.training.items() if name != "batch_size"},
        )


def _prepare(setup: TrialSetup, *, seed: int) -> tuple[DemSrNet, PairDataModule]:
    train, valid = PairFile(setup.train), PairFile(setup.valid)
    options: dict[str, Any] = {"seed": seed, "batch_size": setup.training["batch_size"], "workers": setup.workers}
    if setup.start is not None:
        return prepare_finetuning(train, valid, start=setup.start, cache=setup.cache, **options)
    return prepare_pretraining(train, valid, net_options=setup.net, **options)


def check_node(setup: TrialSetup, *, hash_pairs: bool) -> TrialSetup:
    """Check that this node has the code, pairs and pretrained model of the driver, after fetching what it lacks.

    Parameters
    ----------
    setup : settings with the checksums of the driver
    hash_pairs : compare the content of the pair files, not only their sizes

    Returns
    -------
    setup : with the paths of this node

    Raises
    ------
    WorkerError : code or data differ from the driver's
    """
    node = platform.node()
    if code_sha256(CODE) != setup.code:
        message = f"node {node}: the training code differs from the driver's; install the same version of demsr there"
        raise WorkerError(message)
    setup = setup.here()
    for path, md5 in zip((setup.train, setup.valid), setup.md5, strict=True):
        if hash_pairs and md5_of_file(path) != md5:
            message = f"node {node}: {path} differs from the driver's; copy it there, or remove it there to fetch it"
            raise WorkerError(message)
    if setup.start is not None and read_config(setup.start).weights_sha256 != setup.start_sha256:
        message = f"node {node}: the pretrained model {setup.start} differs from the driver's; copy it there"
        raise WorkerError(message)
    return setup
