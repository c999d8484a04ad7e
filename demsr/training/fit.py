"""The one place that assembles a training run: loop, early stopping, checkpoints, resumption."""

import json
import logging
import math
import os
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins import TorchCheckpointIO

from demsr.errors import CheckpointError, ParamsError
from demsr.model.device import supports_bf16
from demsr.model.srnet import DemSrNet, scaled_units
from demsr.options import LearningRateSchedule, Loss, Optimiser, TrainingPrecision
from demsr.runtime.files import atomic_write, write_json
from demsr.training.progress import EpochBar, EpochReport, EpochRow, OnEpoch, peak_memory_gb
from demsr.training.task import SuperResolution

Keep = Literal["best", "last"]


@dataclass(frozen=True)
class FitResult:
    """What came of a training run.

    Attributes
    ----------
    best_epoch : the one whose weights the net holds
    valid_rmse : of that epoch, NaN where nothing was validated
    """

    best_epoch: int
    valid_rmse: float
    epochs: int
    samples_per_second: float
    peak_memory_gb: float
    resumed_from_epoch: int
    curves: list[EpochRow]


def fit(
    net: DemSrNet,
    data: LightningDataModule,
    *,
    work_dir: Path,
    max_epochs: int,
    learning_rate: float,
    learning_rate_decay: float = 1.0,
    learning_rate_schedule: LearningRateSchedule = "exponential",
    loss: Loss = "mse",
    optimiser: Optimiser = "adam",
    patience: int = 0,
    validate_every_epochs: int = 1,
    steps_per_epoch: int | None = None,
    keep: Keep = "best",
    gradient_clip: float = 1.0,
    precision: TrainingPrecision = "32-true",
    devices: int | Literal["auto"] = "auto",
    accelerator: Literal["auto", "cpu"] = "auto",
    tail_only: bool = False,
    unit: str = "m",
    title: str = "training",
    on_epoch: OnEpoch | None = None,
) -> FitResult:
    """Train until the validation RMSE no longer falls, or to the end, and leave the weights in `net`.

    A run that was killed continues from its last finished epoch in `work_dir` and ends with the same weights as an
    unbroken one. Give each combination of parameters, data and code a folder of its own: `work_dir` is believed.

    Parameters
    ----------
    learning_rate_schedule, learning_rate_decay, loss, optimiser : see `SuperResolution`
    patience : validations without improvement before training stops
    steps_per_epoch : batches that an epoch consists of; by default all pairs once
    keep : "best" takes the epoch of the smallest validation RMSE; "last" validates nothing and trains to the end
    gradient_clip : largest norm of the gradient
    precision : "auto" takes bf16 where the hardware multiplies it
    accelerator : "cpu" leaves GPUs alone
    tail_only, unit : see `SuperResolution`
    on_epoch : called with the row of each finished epoch, on the first process only

    Raises
    ------
    CheckpointError : no epoch was validated, or the loss became NaN
    """
    _quieten_lightning()
    work_dir.mkdir(parents=True, exist_ok=True)
    net.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    task = SuperResolution(
        net,
        learning_rate=learning_rate,
        learning_rate_decay=learning_rate_decay,
        loss=loss,
        optimiser=optimiser,
        learning_rate_schedule=learning_rate_schedule,
        tail_only=tail_only,
        unit=unit,
    )
    report = EpochReport(on_epoch, metric=task.metric)
    newest = ModelCheckpoint(work_dir, "last-{epoch}", every_n_epochs=1, save_top_k=1, save_on_train_epoch_end=True)
    best = ModelCheckpoint(work_dir, "best-{epoch}", monitor=task.metric, save_top_k=1, save_weights_only=True)
    stopping = ResumableEarlyStopping(task.metric, patience=patience, check_finite=True)
    callbacks: list[Callback] = [report, EpochBar(title, metric=task.metric)]
    callbacks += [stopping, best, newest] if keep == "best" else [newest]
    trainer = Trainer(
        max_epochs=max_epochs,
        check_val_every_n_epoch=validate_every_epochs,
        gradient_clip_val=gradient_clip,
        precision=_resolved(precision),
        devices=devices,
        accelerator=accelerator,
        deterministic="warn",
        callbacks=callbacks,
        logger=False,
        limit_train_batches=steps_per_epoch,
        limit_val_batches=1.0 if keep == "best" else 0,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=work_dir,
        plugins=[AtomicCheckpointIO()],
    )
    finished, last = work_dir / "finished.json", _last_checkpoint(work_dir)
    if not finished.exists():
        trainer.fit(task, datamodule=data, ckpt_path=last)
        if trainer.interrupted:
            raise KeyboardInterrupt
        if not trainer.is_global_zero:
            raise SystemExit(0)  # the first process goes on alone
        write_json(finished, _outcome(best if keep == "best" else newest, report.rows, work_dir, keep))
    outcome = json.loads(finished.read_text(encoding="utf-8"))
    _load_weights(task, work_dir / outcome["best"])
    curves = outcome["curves"]
    return FitResult(
        best_epoch=outcome["best_epoch"],
        valid_rmse=math.nan if outcome["valid_rmse"] is None else outcome["valid_rmse"],
        epochs=len(curves),
        samples_per_second=sorted(row["samples_per_second"] for row in curves)[len(curves) // 2],
        peak_memory_gb=peak_memory_gb(),
        resumed_from_epoch=_epoch_of(last) if last else 0,
        curves=curves,
    )


class ResumableEarlyStopping(EarlyStopping):
    """Stop at once where a resumed run had already run out of patience: Lightning keeps the count, not the verdict."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the count that came from the checkpoint."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints beside their final name: Lightning's own way copies from another disk, and may be killed."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint, whole or not at all."""
        with atomic_write(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


def new_net(*, seed: int, unit: str = "m", **options: Any) -> DemSrNet:
    """Build a net whose first weights follow from the seed alone.

    Parameters
    ----------
    unit : where heights are scaled to 0..1 over a range that is not known, the net's own scale shrinks likewise
    options : arguments of `DemSrNet`
    """
    if unit != "m" and options.get("elevation_scale_m") is None:
        options = {**options, **scaled_units(options.get("formulation", "residual"))}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DemSrNet(**options)


def check_unit(net: DemSrNet, unit: str) -> None:
    """Raise ParamsError if a net cannot go on with pairs of another unit: without biases, only `direct` cannot."""
    if net.formulation == "direct" and net.unit != unit:
        message = f"the net takes heights in {net.unit}, the pairs are in {unit}; give pairs or a net of the same unit"
        raise ParamsError(message)


def remove_work_dir(work_dir: Path) -> None:
    """Remove the checkpoints of a run whose results are safe."""
    shutil.rmtree(work_dir, ignore_errors=True)


def _outcome(kept: ModelCheckpoint, curves: list[EpochRow], work_dir: Path, keep: Keep) -> dict[str, Any]:
    path = Path(kept.best_model_path)
    if keep == "last":
        if not math.isfinite(curves[-1]["train_loss"]):
            message = f"{work_dir}: the loss became NaN; lower the learning rate"
            raise CheckpointError(message)
        return {"best": path.name, "best_epoch": _epoch_of(path), "valid_rmse": None, "curves": curves}
    score = float("nan") if kept.best_model_score is None else float(kept.best_model_score)
    if not kept.best_model_path or not math.isfinite(score):
        message = f"{work_dir}: no epoch was validated or every validation was NaN; lower the learning rate"
        raise CheckpointError(message)
    return {"best": path.name, "best_epoch": _epoch_of(path), "valid_rmse": score, "curves": curves}


def _load_weights(task: SuperResolution, path: Path) -> None:
    state = torch.load(path, map_location="cpu", weights_only=True)
    task.load_state_dict(state["state_dict"])
    task.net.cpu().eval()


def _last_checkpoint(work_dir: Path) -> Path | None:
    """Return the newest whole checkpoint; Lightning writes one before it removes the one before."""
    return max(work_dir.glob("last-*.ckpt"), key=_epoch_of, default=None)


def _epoch_of(path: Path) -> int:
    """Return the number of finished epochs, from a name such as last-epoch=4.ckpt (numbered from 0)."""
    match = re.search(r"epoch=(\d+)", path.name)
    if match is None:
        message = f"{path}: not a checkpoint of this program; remove the folder"
        raise CheckpointError(message)
    return int(match[1]) + 1


def _resolved(precision: TrainingPrecision) -> Literal["32-true", "bf16-mixed"]:
    if precision != "auto":
        return precision
    fast = supports_bf16(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return "bf16-mixed" if fast else "32-true"


def _quieten_lightning() -> None:
    """Keep advice for developers of training loops away from people who run one."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec.*")
