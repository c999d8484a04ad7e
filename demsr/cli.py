"""The command line. Heavy packages are imported inside the commands, so that `demsr --help` answers at once."""

import os
from pathlib import Path
from typing import Annotated

import typer

import demsr
from demsr.errors import reported

app = typer.Typer(
    help="DEM-SRNet: 15 arc-second elevation grids to 3 arc-second, land and sea floor.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_PARAMS, _LOCAL = Path("params.yaml"), Path("data/local")


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """DEM-SRNet: 15 arc-second elevation grids to 3 arc-second, land and sea floor."""
    if debug:
        os.environ["DEMSR_DEBUG"] = "1"
    if version:
        typer.echo(f"demsr {demsr.__version__}")
        raise typer.Exit


@app.command()
def profile(
    name: Annotated[str, typer.Argument(help="sample, local or paper")],
    land: Annotated[Path, typer.Option(help="Folder of land rasters.")] = _LOCAL / "land",
    marine: Annotated[Path, typer.Option(help="Folder of sea-floor rasters.")] = _LOCAL / "marine",
    land_files: Annotated[str, typer.Option(help="Which files there, a pattern.")] = "*.tif",
    marine_files: Annotated[str, typer.Option(help="Which files there, a pattern.")] = "*.tif",
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out files, a pattern; may be repeated.")] = None,
    valid: Annotated[list[str] | None, typer.Option(help="File that validates, without suffix; repeatable.")] = None,
    test: Annotated[list[str] | None, typer.Option(help="File that tests, without suffix; repeatable.")] = None,
) -> None:
    """Rewrite params.yaml for the embedded sample, for your own rasters, or with the net of the paper.

    Held-out files that are not named are chosen: the flattest, the roughest, a coast; one more validates.
    """
    from demsr.profiles import write_profile
    from demsr.reporting.choices import print_choices
    from demsr.sources.held_out import local_changes

    changes = {}
    if name in ("local", "paper"):
        folders = {"land": land, "marine": marine}
        files = {"land": land_files, "marine": marine_files}
        changes = local_changes(folders, files, exclude=exclude or [], valid=valid or [], test=test or [])
    params = write_profile(name, _PARAMS, changes)
    print_choices(params, _PARAMS)


@app.command("super-resolve")
def super_resolve(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Raster to super-resolve.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Cloud-optimised GeoTIFF to write.")],
    model: Annotated[
        str, typer.Option(help="models:/NAME@ALIAS, a model folder or a .safetensors file.")
    ] = "models:/dem-srnet-finetuned@champion",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    vertical_datum: Annotated[str | None, typer.Option(help="Needed where the file names none, such as MSL.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
) -> None:
    """Make every pixel of a raster 5 x 5 pixels."""
    from demsr.errors import RasterError

    if target.exists() and not overwrite:
        message = f"{target}: exists already; choose another name or add --overwrite"
        raise RasterError(message)
    from demsr.dem.raster import write_dem
    from demsr.dem.reading import read_dem
    from demsr.inference.super_resolve import super_resolve as run
    from demsr.load import load_model

    dem = read_dem(source, vertical_datum=vertical_datum)
    net = load_model(model, device=device)
    result = run(dem, net)
    write_dem(target, result, tags={"MODEL": model, "DEMSR_VERSION": demsr.__version__})
    typer.echo(f"{target}: {result.grid.rows} x {result.grid.cols} pixels, datum {result.vertical_datum}, by {model}")


@app.command()
def models(
    restore: Annotated[
        bool, typer.Option("--restore", help="Register the models in models/ again, where the store was lost.")
    ] = False,
) -> None:
    """List the registered models."""
    from demsr.params import Params
    from demsr.registration import register_models
    from demsr.reporting.choices import print_models
    from demsr.tracking.registry import list_versions
    from demsr.tracking.store import connect

    if restore:
        register_models(Params.read(_PARAMS))
    print_models(list_versions(connect()))


def main() -> None:
    """Run the command line; expected errors end as one line."""
    with reported("demsr"):
        app()
