"""Command `runs`: the runs in MLflow."""

from pathlib import Path
from typing import Annotated

import typer

from demsr.cli.app import app

runs = typer.Typer(no_args_is_help=True, help="Runs of the pipeline and its sweeps in MLflow.")
app.add_typer(runs, name="runs")


@runs.command()
def prune(
    older_than: Annotated[float, typer.Option(metavar="DAYS", help="Smallest age of a run, days.", min=0)] = 30,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only say what would be deleted.")] = False,
) -> None:
    """Delete old runs and their artifacts, but not those of registered models."""
    from demsr.reporting.runs import print_old_runs
    from demsr.tracking.prune import delete_runs, old_runs
    from demsr.tracking.store import connect

    client = connect(create=False)
    found = old_runs(client, days=older_than)
    if yes:
        delete_runs(client, found)
    print_old_runs(found, deleted=yes)


@runs.command()
def upload(
    store: Annotated[Path, typer.Option(metavar="FILE", help="Database of the embedded store.")] = Path("mlflow.db"),
) -> None:
    """Copy runs, models and versions of an embedded store to the server in MLFLOW_TRACKING_URI, and compare them."""
    from demsr.reporting.runs import print_upload
    from demsr.tracking.upload import upload_store

    print_upload(upload_store(store))
