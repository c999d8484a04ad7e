"""Progress of a training: one row of metrics per epoch, and a bar or lines while one waits."""

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from demsr.runtime.progress import Progress

EpochRow = dict[str, float]
OnEpoch = Callable[[EpochRow], None]


class EpochReport(Callback):
    """Collect one row of metrics per epoch; rows are part of the checkpoint, so a resumed run has all of them.

    A row has epoch (from 1), train_loss, learning_rate, seconds, samples_per_second and, in epochs with a validation,
    its metric.

    Parameters
    ----------
    on_epoch : called with each new row, on the first process only
    metric : name of the validation metric
    """

    def __init__(self, on_epoch: OnEpoch | None, *, metric: str) -> None:
        self.on_epoch, self.metric = on_epoch, metric
        self.rows: list[EpochRow] = []
        self._started = self._learning_rate = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock and record the learning rate before the scheduler changes it."""
        self._started = time.perf_counter()
        self._learning_rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Append the row of this epoch."""
        seconds = time.perf_counter() - self._started
        loader = trainer.train_dataloader
        samples = min(len(loader.sampler), int(trainer.num_training_batches) * loader.batch_size) * trainer.world_size  # type: ignore[union-attr]
        metrics = trainer.callback_metrics
        row = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": float(metrics["train_loss"]),
            "learning_rate": self._learning_rate,
            "seconds": seconds,
            "samples_per_second": samples / seconds,
        }
        if self.metric in metrics and (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0:
            row[self.metric] = float(metrics[self.metric])
        self.rows.append(row)
        if self.on_epoch and trainer.is_global_zero:
            self.on_epoch(row)

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, for the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows from a checkpoint."""
        self.rows = list(state_dict["rows"])


class EpochBar(Callback):
    """Progress over all epochs, with pairs per second and the validation metric.

    Parameters
    ----------
    title : label
    metric : name of the validation metric
    """

    def __init__(self, title: str, *, metric: str) -> None:
        self.title, self.metric = title, metric
        self._progress: Progress | None = None
        self._epoch_started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the progress on the first process."""
        if trainer.is_global_zero:
            progress = Progress(self.title, total=trainer.max_epochs, done=trainer.current_epoch, unit="epochs")
            self._progress = progress.__enter__()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of the pairs per second."""
        self._epoch_started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance by the batch."""
        if self._progress is not None:
            batches = batch_idx + 1
            pairs = batches * trainer.train_dataloader.batch_size * trainer.world_size  # type: ignore[union-attr]
            rate = pairs / (time.perf_counter() - self._epoch_started)
            done = trainer.current_epoch + batches / trainer.num_training_batches
            self._progress.update(round(done, 3), pairs_per_second=round(rate))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the validation metric."""
        rmse = trainer.callback_metrics.get(self.metric)
        if self._progress is not None and rmse is not None:
            self._progress.update(trainer.current_epoch + 1, **{self.metric: float(rmse)})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the progress."""
        self._end(None)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the progress, so that the terminal is usable."""
        self._end(exception)

    def _end(self, error: BaseException | None) -> None:
        if self._progress is not None:
            self._progress.__exit__(type(error) if error else None, error, None)
            self._progress = None


def peak_memory_gb() -> float:
    """Return the peak memory in GB: of the accelerator if there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return kilobytes / (1e9 if sys.platform == "darwin" else 1e6)
