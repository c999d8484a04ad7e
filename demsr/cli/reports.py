"""Command `report`: pages for the browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from demsr.cli.app import app
from demsr.cli.options import Overwrite, takes_declared

if TYPE_CHECKING:
    from demsr.dem.read.declared import Declared


@app.command()
@takes_declared
def report(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Product of super-resolve: .tif, .nc, or a folder.")],
    *,
    declared: "Declared",
    against: Annotated[
        Path | None, typer.Option(help="Raster with the truth, of the same ground: adds the errors.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--input", help="Input of OUT; by default the file that OUT records.")
    ] = None,
    at: Annotated[
        tuple[float, float] | None,
        typer.Option("--at", metavar="LON LAT", help="Middle of the part to show; by default the roughest."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Page to write; by default the name of OUT with .html.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a page about a result, to look at in a browser.

    One file that needs no server and no network: input beside result, uncertainty, profiles, slopes, spectrum, origin.
    Options such as --unit declare properties of the input, where they differ from those of the recorded command.
    """
    from demsr.errors import printable
    from demsr.pages.result import report_result

    written = report_result(
        target,
        html,
        source=source,
        against=against,
        at=at,
        declared=declared,
        overwrite=overwrite,
        notify=lambda note: typer.echo(printable(note), err=True),
    )
    typer.echo(f"{written.path}: {written.size_bytes / 1e6:.2g} MB; {written.summary}")
