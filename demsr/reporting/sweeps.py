"""Terminal and Markdown views of a sweep: progress of the trials, verdict and table of the finalists."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from demsr.runtime import progress

if TYPE_CHECKING:
    from demsr.reporting.sweep_report import SweepReport
    from demsr.search.trial_log import TrialRecord


def text_of(value: Any, digits: int = 3) -> str:
    """Return a value of params.yaml as text.

    Parameters
    ----------
    value : number, word, true, false or null
    digits : significant digits of a number with a fraction
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def to_markdown(report: "SweepReport") -> str:
    """Return the verdict and the table of finalists as Markdown.

    Parameters
    ----------
    report : report of the sweep
    """
    columns = _parameter_columns(report)
    columns |= {"settings tried": "tried"} if len(report.paths) > 1 + (report.by is not None) else {}
    columns |= {
        f"RMSE ({report.unit})": "rmse",
        "95 % interval": "interval",
        f"RMSE at equal time, {report.equal_seconds:.0f} s": "rmse_at_equal_time",
        "worse than the best by": "difference",
        "weights": "weights",
        "kFLOP / LR px": "kflop",
        "samples / s": "speed",
        "role": "role",
    }
    lines = ["| " + " | ".join(columns) + " |", "|" + " --: |" * len(columns)]
    lines += ["| " + " | ".join(cells[key] for key in columns.values()) + " |" for cells in _rows(report)]
    sentences = "\n".join(f"- {sentence}" for sentence in report.sentences)
    limits = f"Budget: {report.budget}. Baselines ({report.unit}): {_baselines(report)}."
    return f"{sentences}\n\n{limits}\n\n" + "\n".join(lines) + "\n"


def print_report(report: "SweepReport", folder: Path, file: Path) -> None:
    """Print the verdict, its table, and the next commands.

    Parameters
    ----------
    report : report of the sweep
    folder : folder with the files of the report
    file : file that declares the sweep
    """
    console = Console(highlight=False)
    for sentence in report.sentences:
        console.print(sentence, markup=False)
    columns = _parameter_columns(report) | {f"RMSE ({report.unit})": "rmse", "95 %": "interval"}
    columns |= {f"at {report.equal_seconds:.0f} s": "rmse_at_equal_time"}
    columns |= {"worse by": "mean_difference", "kFLOP": "kflop", "": "role"}
    table = Table(box=SIMPLE_HEAD)
    for head in columns:
        table.add_column(head.replace("_", "\n"), justify="right")
    for cells in _rows(report):
        table.add_row(*(cells[key] for key in columns.values()))
    console.print(table)
    if any(row["differs"] is False for row in report.finalists):
        console.print("?: the difference does not exceed the spread between seeds")
    console.print(f"Budget: {report.budget}.", markup=False)
    console.print(f"Baselines ({report.unit}): {_baselines(report)}.", markup=False)
    console.print(f"Figure and table: {folder}; all trials: make ui", markup=False)
    console.print(f"Write the best into params.yaml: demsr sweep {file} --use", markup=False, soft_wrap=True)


def _parameter_columns(report: "SweepReport") -> dict[str, str]:
    """Return the paths of the searched parameters by name, which is unique: a stage and the net share no name."""
    return {path.partition(".")[2]: path for path in report.paths}


def _rows(report: "SweepReport") -> list[dict[str, str]]:
    """Return the cells of each finalist, in the order of the subject within each value of `by`."""
    order = [*([report.by] if report.by else []), report.subject]
    rows = sorted(report.finalists, key=lambda row: [report.values[path].index(row[path]) for path in order])
    return [_cells(row) | {path: text_of(row[path]) for path in report.paths} for row in rows]


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    mean = interval = ""
    if row["worse_by"] is not None:
        mean, interval = f"{row['worse_by'][0]:.2g}", "{:.3g}, {:.2g} to {:.2g}".format(*row["worse_by"])
        if not row["differs"]:
            mean, interval = f"{mean} ?", f"{interval} (not resolved)"
    return {
        "tried": f"{row['settings_tried']}",
        "rmse": _number(row["rmse"], ".4g"),
        "interval": _number(row["half_width"], ".2g", "± "),
        "rmse_at_equal_time": _number(row["rmse_at_equal_time"], ".4g"),
        "difference": interval,
        "mean_difference": mean,
        "weights": f"{row['parameters']:,}",
        "kflop": f"{row['flop_per_lr_px'] / 1e3:,.0f}",
        "speed": _number(row["samples_per_second"], ".0f"),
        "role": row["role"],
    }


def _number(value: float | None, form: str, prefix: str = "") -> str:
    return "not measured" if value is None else prefix + format(value, form)


def _baselines(report: "SweepReport") -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in report.baselines.items())


class SweepProgress:
    """Progress bars for all trials together and each running one; without a terminal, one line for each ended trial.

    Parameters
    ----------
    unit : unit of the RMSE
    metric : name of the validation RMSE in the rows of a trial
    """

    def __init__(self, *, unit: str, metric: str) -> None:
        self.unit, self.metric = unit, metric
        self._console = Console(highlight=False)
        self._bar = Progress(disable=True)
        self._lines: progress.Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._total, self._done, self._epochs, self._best, self._started = 0, 0, 0, float("inf"), 0.0

    @contextlib.contextmanager
    def phase(self, kind: str, *, total: int, done: int, best: float, epochs: int) -> Iterator[None]:
        """Show the trials of one kind during the block.

        Parameters
        ----------
        kind : "trial" or "finalist"
        total : number of trials
        done : number of trials that have ended
        best : lowest RMSE so far
        epochs : epochs of a trial
        """
        self._total, self._done, self._best, self._epochs = total, done, best, epochs
        self._started = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        has_bars = self._console.is_terminal and progress.shows_bars()
        with contextlib.ExitStack() as shown:
            bar = shown.enter_context(Progress(*columns, console=self._console, disable=not has_bars, transient=True))
            self._bar, self._tasks = bar, {"": bar.add_task(f"{kind}s", total=total, completed=done)}
            if not has_bars:
                self._lines = shown.enter_context(progress.Progress(f"{kind}s", total=total, done=done, unit="ended"))
            yield

    def show(self, record: "TrialRecord", label: str) -> None:
        """Show the state of a trial.

        Parameters
        ----------
        record : state and results of the trial
        label : name of its hyperparameters
        """
        epoch = int(record.rows[-1]["epoch"]) if record.rows else 0
        if record.state == "running":
            if record.id not in self._tasks:
                self._tasks[record.id] = self._bar.add_task(f"{record.id}: {label}", total=self._epochs)
            self._bar.update(self._tasks[record.id], completed=epoch)
            self._show_best()
            return
        if record.id in self._tasks:
            self._bar.remove_task(self._tasks.pop(record.id))
        self._done += 1
        best = record.best(self.metric)
        if record.error is None:
            self._best = min(self._best, best)
        self._bar.update(self._tasks[""], completed=self._done)
        self._show_best()
        outcome = record.error or f"RMSE {best:.4g} {self.unit} after {epoch} epochs"
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        self._console.print(
            f"{minutes}:{seconds:02d}  {self._done} of {self._total}  {record.id}, {label}, {record.state}: {outcome}; "
            f"best so far {self._best:.4g}",
            markup=False,
            soft_wrap=True,
        )

    def _show_best(self) -> None:
        if self._lines is not None:
            self._lines.update(self._done, running=len(self._tasks) - 1, best=self._best)
