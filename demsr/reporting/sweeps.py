"""What a sweep shows: trials as they run, and in the end a table, a picture and a verdict in words."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demsr.errors import ParamsError
from demsr.reporting.figures import save_sweep
from demsr.runtime.files import read_json, write_csv, write_json, write_text

_VERDICT = "verdict.json"


@dataclass(frozen=True)
class SweepReport:
    """The outcome of a sweep, as it is written and read again.

    Attributes
    ----------
    axis : what the picture shows the error against: num_blocks or learning_rate
    reference : the value of it that is under examination
    trials : all of them, finalists included; finalists : one row for each choice; best : one of these
    baselines : RMSE on the same validation pairs, by method
    equal_seconds : training time of the fastest finalist, at which all are compared
    budget, sentences : what the verdict holds for, and the verdict
    changes : what params.yaml must hold to train the best
    """

    name: str
    profile: str
    unit: str
    axis: str
    reference: float
    trials: list[dict[str, Any]]
    finalists: list[dict[str, Any]]
    best: dict[str, Any]
    baselines: dict[str, float]
    equal_seconds: float
    budget: str
    sentences: list[str]
    changes: dict[str, Any]

    def markdown(self) -> str:
        """Return the verdict and the table of finalists, for people."""
        title = "ResBlocks" if self.axis == "num_blocks" else "Learning rate"
        columns = {
            title: "depth",
            "learning rate": "rate",
            "of": "tried",
            f"RMSE ({self.unit})": "rmse",
            "95 % of seeds": "half",
            f"at equal time, {self.equal_seconds:.0f} s": "early",
            "worse than the best by": "worse",
            "weights": "weights",
            "kFLOP / LR px": "kflop",
            "samples / s": "speed",
            "": "role",
        }
        if self.axis != "num_blocks":
            columns = {head: key for head, key in columns.items() if key not in ("rate", "tried")}
        lines = ["| " + " | ".join(columns) + " |", "|" + " --: |" * len(columns)]
        for row in sorted(self.finalists, key=lambda row: float(row[self.axis])):
            cells = self.cells(row)
            lines.append("| " + " | ".join(cells[key] for key in columns.values()) + " |")
        said = "\n".join(f"- {sentence}" for sentence in self.sentences)
        limits = f"Budget: {self.budget}. Baselines ({self.unit}): {self.baselines_in_words()}."
        return f"{said}\n\n{limits}\n\n" + "\n".join(lines) + "\n"

    def baselines_in_words(self) -> str:
        """Return the errors of the baselines."""
        return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in self.baselines.items())

    def cells(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return a finalist as text, by column."""
        worse = row["worse_by"]
        sign = "" if worse is None else "" if row["differs"] else " (not resolved)"
        depth = f"{row['num_blocks']:.0f}" if "num_blocks" in row else f"{row['learning_rate']:.3g}"
        return {
            "depth": depth,
            "rate": f"{row['learning_rate']:.3g}",
            "tried": f"{row['rates_tried']}",
            "rmse": _number(row["rmse"], ".4g"),
            "half": f"± {row['half_width']:.2g}" if row["half_width"] is not None else "not measured",
            "early": _number(row["rmse_at_equal_time"], ".4g"),
            "worse": "" if worse is None else f"{worse[0]:.3g}, {worse[1]:.2g} to {worse[2]:.2g}{sign}",
            "weights": f"{row['parameters']:,}",
            "kflop": f"{row['flop_per_lr_px'] / 1e3:,.0f}",
            "speed": _number(row["samples_per_second"], ".0f"),
            "role": row["role"],
        }


def write_report(report: SweepReport, folder: Path) -> None:
    """Write verdict.json, verdict.md, trials.csv and sweep.png."""
    write_csv(folder / "trials.csv", report.trials)
    picture = {name: getattr(report, name) for name in ("axis", "unit", "reference", "trials", "finalists")}
    save_sweep(folder / "sweep.png", baselines=report.baselines, title=report.budget, **picture)
    write_text(folder / "verdict.md", report.markdown())
    write_json(folder / _VERDICT, asdict(report))


def read_report(folder: Path) -> SweepReport:
    """Read the report of an earlier sweep.

    Raises
    ------
    ParamsError : there is none
    """
    try:
        return SweepReport(**read_json(folder / _VERDICT))
    except FileNotFoundError as error:
        message = f"{folder / _VERDICT}: no sweep has come to its end here; run it without --verdict and --use"
        raise ParamsError(message) from error


def print_report(report: SweepReport, folder: Path, *, use: str) -> None:
    """Print the verdict, its table, and how to go on.

    Parameters
    ----------
    use : command that puts the best into params.yaml
    """
    console = Console(highlight=False)
    for sentence in report.sentences:
        console.print(sentence, markup=False)
    console.print(_table(report))
    if any(row["differs"] is False for row in report.finalists):
        console.print("?: not resolved beyond the spread between seeds")
    console.print(f"Budget: {report.budget}.", markup=False)
    console.print(f"Baselines ({report.unit}): {report.baselines_in_words()}.", markup=False)
    console.print(f"Picture and table: {folder}; all trials: make ui", markup=False)
    console.print(f"Put the best into params.yaml: [bold]{use}[/]", soft_wrap=True)


def _table(report: SweepReport) -> Table:
    """Return the finalists, narrow enough for any terminal."""
    table = Table(box=SIMPLE_HEAD)
    heads = ("blocks", "rate") if report.axis == "num_blocks" else ("rate",)
    early = f"at {report.equal_seconds:.0f} s"
    for head in (*heads, f"RMSE ({report.unit})", "of seeds", early, "worse by", "kFLOP", ""):
        table.add_column(head, justify="right", no_wrap=True)
    for row in sorted(report.finalists, key=lambda row: float(row[report.axis])):
        cells = report.cells(row)
        first = [cells["depth"], cells["rate"]] if report.axis == "num_blocks" else [cells["rate"]]
        worse = "" if row["worse_by"] is None else f"{row['worse_by'][0]:.2g}" + ("" if row["differs"] else " ?")
        table.add_row(*first, cells["rmse"], cells["half"], cells["early"], worse, cells["kflop"], cells["role"])
    return table


class SweepProgress:
    """A bar over the trials and one for each that runs; where there is no terminal, a line for each that ends."""

    def __init__(self, *, unit: str) -> None:
        self.unit = unit
        self._console = Console(highlight=False)
        self._bar: Progress | None = None
        self._bars: dict[str, Any] = {}
        self._best = float("inf")
        self._total, self._done, self._epochs, self._started = 0, 0, 0, 0.0

    @contextlib.contextmanager
    def phase(self, kind: str, *, total: int, done: int, best: float, epochs: int) -> Iterator[None]:
        """Show the trials of one kind."""
        self._total, self._done, self._best, self._epochs = total, done, best, epochs
        self._started = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal, transient=True) as bar:
            self._bar, self._bars = bar, {}
            self._bars[""] = bar.add_task(f"{kind}s", total=total, completed=done)
            yield
        self._bar = None

    def show(self, trial_id: str, label: str, state: str, epoch: int, best: float, error: str | None) -> None:
        """Show where a trial is."""
        if self._bar is None:
            return
        if state == "running":
            if trial_id not in self._bars:
                self._bars[trial_id] = self._bar.add_task(f"{trial_id}: {label}", total=self._epochs)
            self._bar.update(self._bars[trial_id], completed=epoch)
            return
        if trial_id in self._bars:
            self._bar.remove_task(self._bars.pop(trial_id))
        self._done += 1
        self._best = min(self._best, best if error is None else self._best)
        self._bar.update(self._bars[""], completed=self._done)
        found = error or f"RMSE {best:.4g} {self.unit} after {epoch} epochs"
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        self._console.print(
            f"{minutes}:{seconds:02d}  {self._done} of {self._total}  {trial_id}, {label}, {state}: {found}; "
            f"best so far {self._best:.4g}",
            markup=False,
            soft_wrap=True,
        )


def _number(value: float | None, form: str) -> str:
    return "not measured" if value is None else format(value, form)
