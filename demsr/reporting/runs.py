"""Table of old runs in the terminal."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from demsr.errors import printable

if TYPE_CHECKING:
    from demsr.tracking.prune import OldRun


def print_old_runs(runs: "Sequence[OldRun]", *, deleted: bool) -> None:
    """Print number, age and size of old runs by experiment and stage, and whether they were deleted.

    Parameters
    ----------
    runs : from `demsr.tracking.prune.old_runs`
    deleted : False for a dry run
    """
    table = Table("experiment", "stage", "oldest", box=None)
    for name in ("runs", "files", "MB"):
        table.add_column(name, justify="right")
    by_stage: dict[tuple[str, str], list[OldRun]] = defaultdict(list)
    for run in runs:
        by_stage[run.experiment, run.stage].append(run)
    for (experiment, stage), rows in sorted(by_stage.items()):
        oldest = min(run.started for run in rows)
        table.add_row(printable(experiment), printable(stage), f"{oldest:%Y-%m-%d}", *_totals(rows))
    console = Console(highlight=False, markup=False, emoji=False)
    if runs:
        console.print(table)
    count, files, megabytes = _totals(runs)
    found = f"{count} runs with {files} files, {megabytes} MB"
    if deleted:
        console.print(f"Deleted: {found}; `mlflow gc` removes them from the database.", soft_wrap=True)
    else:
        console.print(f"Dry run, nothing is deleted: {found}; add --yes to delete them.", soft_wrap=True)


def _totals(runs: "Sequence[OldRun]") -> tuple[str, str, str]:
    """Return number of runs and files, and megabytes."""
    return str(len(runs)), str(sum(run.files for run in runs)), f"{sum(run.size for run in runs) / 1e6:.1f}"
