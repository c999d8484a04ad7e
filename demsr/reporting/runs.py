"""Old runs and uploads in the terminal."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from demsr.errors import printable

if TYPE_CHECKING:
    from demsr.tracking.prune import OldRun
    from demsr.tracking.upload import Upload


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


def print_upload(upload: "Upload") -> None:
    """Print what an upload has copied and compared, and what is different on the server.

    Parameters
    ----------
    upload : from `demsr.tracking.upload.upload_store`
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(
        f"Copied: {upload.runs} runs, {upload.models} logged models, {upload.versions} registered versions; "
        f"{upload.present} were there already."
    )
    console.print(
        f"Compared: {upload.metric_values} values of metrics and {upload.files} files, {upload.size / 1e6:.1f} MB, "
        "with all parameters and inputs; they are equal."
    )
    for uri, number in upload.renumbered.items():
        console.print(f"{printable(uri)} has the number {number} on the server, where its own was taken.")
    for uri, number in upload.kept_aliases.items():
        console.print(f"{printable(uri)} stays with version {number} of the server.")
    if upload.unfinished:
        names = printable(", ".join(upload.unfinished))
        console.print(f"Not copied, since they have not ended: {names}; upload again when they have.")


def _totals(runs: "Sequence[OldRun]") -> tuple[str, str, str]:
    """Return number of runs and files, and megabytes."""
    return str(len(runs)), str(sum(run.files for run in runs)), f"{sum(run.size for run in runs) / 1e6:.1f}"
