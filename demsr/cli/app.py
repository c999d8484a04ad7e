"""The typer application; commands register themselves."""

import os
from typing import Annotated

import typer

import demsr

app = typer.Typer(
    help="DEM-SRNet: 15 arc-second elevation grids to 3 arc-second, land and sea floor.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """DEM-SRNet: 15 arc-second elevation grids to 3 arc-second, land and sea floor."""
    if debug:
        os.environ["DEMSR_DEBUG"] = "1"
    if version:
        typer.echo(f"demsr {demsr.__version__}")
        raise typer.Exit
