"""Command `report`: pages for the browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from demsr.cli.app import app
from demsr.cli.options import Overwrite, takes_declared
from demsr.cli.training import PARAMS

if TYPE_CHECKING:
    from demsr.dem.read.declared import Declared
    from demsr.pages.page import Written


@app.command()
@takes_declared
def report(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT|RUN",
            help="Product of super-resolve; or a training: id of its run, models:/NAME/2, model folder.",
        ),
    ],
    other: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="Model to compare with the first.")] = None,
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
    """Write a page about a result, a training or two models, to look at in a browser.

    One file that needs no server and no network. Of a result: input beside it, uncertainty, profiles, slopes, spectrum,
    origin. Of a training: curves, pictures, errors beside the baselines, model card, data. Of two models: what differs
    between them, and in which areas. Options such as --unit declare properties of the input of a result.
    """
    if other is not None or _names_training(target):
        if against or source or at:
            from demsr.errors import ParamsError

            message = f"{target}: --against, --input and --at go with a result; leave them out for a training"
            raise ParamsError(message)
        _report_training(str(target), None if other is None else str(other), html, overwrite=overwrite)
        return
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
    _print(written)


def _names_training(target: Path) -> bool:
    """Whether an argument is the id of a run, a registered version or a model folder."""
    name = str(target)
    is_run = len(name) == 32 and set(name) <= set("0123456789abcdef")
    return is_run or name.startswith("models:/") or (target / "config.json").is_file()


def _report_training(name: str, other: str | None, html: Path | None, *, overwrite: bool) -> None:
    if other is None:
        from demsr.pages.training import report_training

        _print(report_training(name, html, overwrite=overwrite))
        return
    from demsr.options import DOMAINS
    from demsr.pages.versions import report_versions
    from demsr.params import Params

    params = Params.read(PARAMS)
    written = report_versions(
        name,
        other,
        html,
        tests={domain: params.paths.pairs / domain / "test.h5" for domain in DOMAINS},
        resamples=params.registration.bootstrap_resamples,
        seed=params.base.seed,
        rows=params.evaluate.figure_rows,
        overwrite=overwrite,
    )
    _print(written)


def _print(written: "Written") -> None:
    typer.echo(f"{written.path}: {written.size_bytes / 1e6:.2g} MB; {written.summary}")
