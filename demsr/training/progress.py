"""Progress of a training: one row of metrics per epoch, and a progress bar."""

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

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
    """Progress bar over all epochs; without a terminal, a line every 15 seconds at most.

    Parameters
    ----------
    title : label of the bar
    metric : name of the validation metric, shown beside the bar
    """

    def __init__(self, title: str, *, metric: str) -> None:
        self.title, self.metric = title, metric
        self._console = Console(file=sys.stdout)
        self._bar: Progress | None = None
        self._last_line = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar on the first process."""
        if not trainer.is_global_zero:
            return
        label, epochs, left, rmse = map(TextColumn, ("{task.description}", "epochs", "left", "{task.fields[rmse]}"))
        columns = (label, BarColumn(), MofNCompleteColumn(), epochs, TimeElapsedColumn(), left, TimeRemainingColumn())
        self._bar = Progress(*columns, rmse, console=self._console, disable=not self._console.is_terminal)
        done = trainer.current_epoch
        self._bar.add_task(self.title, total=trainer.max_epochs, completed=done, rmse="")
        self._bar.start()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Advance the bar."""
        if self._bar is None:
            return
        rmse = trainer.callback_metrics.get(self.metric)
        text = "" if rmse is None else f"{self.metric.replace('_', ' ')} {float(rmse):.4g}"
        done = trainer.current_epoch + 1
        self._bar.update(self._bar.task_ids[0], completed=done, rmse=text)
        if self._bar.disable and time.monotonic() - self._last_line > 15:
            self._last_line = time.monotonic()
            self._console.print(f"{self.title}: epoch {done} of {trainer.max_epochs}, {text}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove the bar, so that the terminal is usable."""
        self.on_train_end(trainer, pl_module)


def peak_memory_gb() -> float:
    """Return the peak memory in GB: of the accelerator if there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return kilobytes / (1e9 if sys.platform == "darwin" else 1e6)
