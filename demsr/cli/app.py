"""The typer application; commands register themselves."""

import os
from typing import Annotated

import typer

import demsr
from demsr.options import LogFormat

app = typer.Typer(
    help="Super-resolve elevation grids from 15 to 3 arc-seconds, on land and on the sea floor (DEM-SRNet).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    log_format: Annotated[
        LogFormat | None, typer.Option("--log-format", help="Form of progress without a bar; json for machines.")
    ] = None,
) -> None:
    """Super-resolve elevation grids from 15 to 3 arc-seconds, on land and on the sea floor (DEM-SRNet)."""
    if debug:
        os.environ["DEMSR_DEBUG"] = "1"
    if log_format is not None:
        os.environ["DEMSR_LOG_FORMAT"] = log_format
    if version:
        typer.echo(f"demsr {demsr.__version__}")
        raise typer.Exit
