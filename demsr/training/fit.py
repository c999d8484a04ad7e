"""The training loop with early stopping, checkpoints and resumption, on Lightning."""

import hashlib
import io
import logging
import math
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins import TorchCheckpointIO
from lightning.pytorch.strategies import Strategy

from demsr.errors import CheckpointError
from demsr.model.device import supports_bf16
from demsr.model.srnet import DemSrNet
from demsr.options import TrainingPrecision
from demsr.runtime.files import atomic_write
from demsr.training.progress import EpochBar, EpochReport, EpochRow, OnEpoch, peak_memory_gb
from demsr.training.task import SuperResolution

Keep = Literal["best", "last"]

_SHA256_BYTES = hashlib.sha256().digest_size
_KEPT_EPOCHS = 2  # so that the one before is there if the last is damaged

_TRAINER: dict[str, Any] = {
    "deterministic": "warn",
    "enable_model_summary": False,
    "enable_progress_bar": False,
    "logger": False,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
}


@dataclass(frozen=True)
class FitResult:
    """Outcome of a training.

    Attributes
    ----------
    best_epoch : epoch, from 1, whose weights the net holds
    valid_rmse : validation RMSE of that epoch, NaN where nothing was validated
    peak_memory_gb : largest memory of the accelerator, else of the process
    resumed_from_epoch : finished epochs that were found in the working folder
    curves : one row of metrics per epoch
    """

    best_epoch: int
    valid_rmse: float
    peak_memory_gb: float
    resumed_from_epoch: int
    curves: list[EpochRow]

    @property
    def epochs(self) -> int:
        """Number of epochs trained."""
        return len(self.curves)

    @property
    def samples_per_second(self) -> float:
        """Median over the epochs."""
        return sorted(row["samples_per_second"] for row in self.curves)[self.epochs // 2]


def fit(
    net: DemSrNet,
    data: LightningDataModule,
    *,
    work_dir: Path,
    max_epochs: int,
    patience: int = 0,
    validate_every_epochs: int = 1,
    steps_per_epoch: int | None = None,
    keep: Keep = "best",
    gradient_clip: float = 1.0,
    precision: TrainingPrecision = "32-true",
    devices: int | Literal["auto"] = "auto",
    accelerator: Literal["auto", "cpu"] = "auto",
    title: str = "training",
    on_epoch: OnEpoch | None = None,
    strategy: Strategy | str = "auto",
    plugins: Sequence[Any] = (),
    callbacks: Sequence[Callback] = (),
    **task_options: Any,
) -> FitResult:
    """Train until the validation RMSE stops falling, or for all epochs, and leave the weights in `net`.

    A killed run continues from its last finished epoch in `work_dir`. On one machine, with the same number of threads
    and devices, it ends with the same weights as an unbroken run, bit for bit. A damaged checkpoint is removed, with a
    line that says so, and the run continues from the one before or starts again. Checkpoints are not checked against
    the arguments: give each combination of parameters, data and code a folder of its own.

    Parameters
    ----------
    net : trained in place
    data : training pairs, and validation pairs unless `keep` is "last"
    work_dir : folder of checkpoints
    max_epochs : epochs at most
    patience : validations without improvement after which training stops; 0 counts as 1
    validate_every_epochs : epochs from one validation to the next
    steps_per_epoch : batches per epoch; None for all pairs
    keep : "best" keeps the epoch with the smallest validation RMSE; "last" never validates and trains to the end
    gradient_clip : largest norm of the gradient
    precision : "auto" is bf16 where the hardware supports it, else float32
    devices : number of accelerators or of CPU processes; they share each batch
    accelerator : "cpu" ignores accelerators
    title : label of the progress bar
    on_epoch : called with the row of each finished epoch, on the first process only
    strategy, plugins, callbacks : of Lightning, where another program starts the processes
    task_options : keyword arguments of `SuperResolution`, such as `learning_rate` and `loss`

    Returns
    -------
    result : epochs, curves and cost; on the first process only, the other ones exit

    Raises
    ------
    CheckpointError : no epoch was validated, or the loss became NaN
    """
    _silence_lightning()
    work_dir.mkdir(parents=True, exist_ok=True)
    net.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    task = SuperResolution(net, **task_options)
    report = EpochReport(on_epoch, metric=task.metric)
    newest = MovableCheckpoint(
        work_dir,
        "last-{epoch}",
        monitor="step",
        mode="max",
        every_n_epochs=1,
        save_top_k=_KEPT_EPOCHS,
        save_on_train_epoch_end=True,
    )
    best = MovableCheckpoint(
        work_dir, "best-{epoch}", monitor=task.metric, save_top_k=_KEPT_EPOCHS, save_weights_only=True
    )
    stopping = ResumableEarlyStopping(task.metric, patience=patience, check_finite=True)
    saving: list[Callback] = [stopping, best, newest] if keep == "best" else [newest]
    trainer = Trainer(
        max_epochs=max_epochs,
        check_val_every_n_epoch=validate_every_epochs,
        gradient_clip_val=gradient_clip,
        precision=_resolved(precision),
        devices=devices,
        accelerator=accelerator,
        callbacks=[report, EpochBar(title, metric=task.metric), *saving, *callbacks],
        limit_train_batches=steps_per_epoch,
        limit_val_batches=1.0 if keep == "best" else 0,
        default_root_dir=work_dir,
        strategy=strategy,
        plugins=[AtomicCheckpointIO(), *plugins],
        **_TRAINER,
    )
    last = whole_checkpoint(work_dir)
    trainer.fit(task, datamodule=data, ckpt_path=last, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    if not trainer.is_global_zero:
        raise SystemExit(0)  # only the first process continues
    kept = best if keep == "best" else newest
    valid_rmse = _valid_rmse(kept, report.rows, work_dir, keep)
    try:
        _load_weights(task, work_dir / Path(kept.best_model_path).name)  # the folder may have been moved since
    except CheckpointError:
        for path in work_dir.glob("*.ckpt"):
            path.unlink(missing_ok=True)  # without the weights of its best epoch the training has to start again
        raise
    best_epoch, resumed_from = _epoch_of(Path(kept.best_model_path)), _epoch_of(last) if last else 0
    return FitResult(best_epoch, valid_rmse, peak_memory_gb(), resumed_from, report.rows)


def whole_checkpoint(work_dir: Path) -> Path | None:
    """Return the last checkpoint from which a training can continue, and remove damaged and later ones.

    Without the checkpoint of its best epoch so far a training cannot continue, so it starts again.

    Parameters
    ----------
    work_dir : folder of checkpoints of one training

    Returns
    -------
    last : None to start from the beginning
    """
    found = sorted(work_dir.glob("*.ckpt"))
    damaged = [path for path in found if _content(path) is None]
    start_again = damaged == found or any(path.name.startswith("best-") for path in damaged)
    for path in damaged:
        _say(f"{path}: the checkpoint is damaged; going back to {'the start' if start_again else 'the one before'}")
        path.unlink(missing_ok=True)  # processes that share a training look at the same time
    if start_again:
        for path in work_dir.glob("*.ckpt"):
            path.unlink(missing_ok=True)
    last = max(work_dir.glob("last-*.ckpt"), key=_epoch_of, default=None)
    for path in work_dir.glob("best-*.ckpt"):
        if last is None or _epoch_of(path) > _epoch_of(last):
            path.unlink(missing_ok=True)  # of an epoch that is trained again
    return last


class ResumableEarlyStopping(EarlyStopping):
    """Early stopping that a resumed run obeys at once: Lightning restores the wait count, not the decision to stop."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop if the restored wait count has already reached the patience."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= max(self.patience, 1)


class MovableCheckpoint(ModelCheckpoint):
    """Checkpoints in a folder that may move between two runs, as to another node; Lightning would forget the best."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, with the paths of the checkpoints in the present folder."""
        folder = Path(str(self.dirpath))

        def moved(path: str) -> str:
            return str(folder / Path(path).name) if path else ""

        names = ("best_model_path", "kth_best_model_path", "last_model_path")
        paths: dict[str, Any] = {name: moved(state_dict[name]) for name in names}
        paths["best_k_models"] = {moved(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(state_dict | paths | {"dirpath": self.dirpath})


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints that are safe to kill and to damage: written whole, and headed by the SHA-256 of their content."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint, whole or not at all; `storage_options` is ignored."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_write(Path(path)) as temporary, temporary.open("wb") as file:
            file.write(hashlib.sha256(content.getbuffer()).digest())
            file.write(content.getbuffer())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint; the arguments are those of Lightning.

        Raises
        ------
        CheckpointError : the file is missing or damaged
        """
        content = _content(Path(path))
        if content is None:
            message = (
                f"{path}: the checkpoint is missing or damaged; run the same command again, which goes back before it"
            )
            raise CheckpointError(message)
        checkpoint: dict[str, Any] = torch.load(content, map_location=map_location, weights_only=True)
        return checkpoint


def _content(path: Path) -> io.BytesIO | None:
    """Return the content of a checkpoint, None if it does not match its SHA-256."""
    if not path.is_file():
        return None
    sha256, content = (whole := path.read_bytes())[:_SHA256_BYTES], memoryview(whole)[_SHA256_BYTES:]
    return io.BytesIO(content) if hashlib.sha256(content).digest() == sha256 else None


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _valid_rmse(kept: ModelCheckpoint, curves: list[EpochRow], work_dir: Path, keep: Keep) -> float:
    """Return the validation RMSE of the epoch that is kept, NaN without validation."""
    if keep == "last":
        if not math.isfinite(curves[-1]["train_loss"]):
            message = f"{work_dir}: the loss became NaN; lower the learning rate"
            raise CheckpointError(message)
        return math.nan
    score = float("nan") if kept.best_model_score is None else float(kept.best_model_score)
    if not kept.best_model_path or not math.isfinite(score):
        message = f"{work_dir}: no epoch was validated or every validation was NaN; lower the learning rate"
        raise CheckpointError(message)
    return score


def _load_weights(task: SuperResolution, path: Path) -> None:
    state = AtomicCheckpointIO().load_checkpoint(path, map_location="cpu")
    task.load_state_dict(state["state_dict"])
    task.net.cpu().eval()


def _epoch_of(path: Path) -> int:
    """Return the number of finished epochs, from a name such as last-epoch=4.ckpt (numbered from 0)."""
    match = re.search(r"epoch=(\d+)", path.name)
    if match is None:
        message = f"{path}: not a checkpoint of demsr; remove the folder"
        raise CheckpointError(message)
    return int(match[1]) + 1


def _resolved(precision: TrainingPrecision) -> Literal["32-true", "bf16-mixed"]:
    if precision != "auto":
        return precision
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return "bf16-mixed" if supports_bf16(device) else "32-true"


def _silence_lightning() -> None:
    """Suppress Lightning's advice, which is meant for developers of training loops."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec.*")
