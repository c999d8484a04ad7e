"""The command line. Heavy packages are imported inside the commands, so that `demsr --help` answers at once."""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import demsr
from demsr.errors import reported

if TYPE_CHECKING:
    from demsr.dem.header import Declared

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
    name: Annotated[str, typer.Argument(help="sample, local, paper or mindearth")],
    land: Annotated[Path, typer.Option(help="Folder of land rasters.")] = _LOCAL / "land",
    marine: Annotated[Path, typer.Option(help="Folder of sea-floor rasters.")] = _LOCAL / "marine",
    lr: Annotated[Path | None, typer.Option(help="Folder of real 15 arc-second grids, such as GEBCO.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="Folder or .zip with train.h5, valid.h5 and test.h5.")] = None,
    land_files: Annotated[list[str] | None, typer.Option(help="Which files there, a pattern; repeatable.")] = None,
    marine_files: Annotated[list[str] | None, typer.Option(help="Which files there, a pattern; repeatable.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out files, a pattern; repeatable.")] = None,
    valid: Annotated[list[str] | None, typer.Option(help="File that validates, without suffix; repeatable.")] = None,
    test: Annotated[list[str] | None, typer.Option(help="File that tests, without suffix; repeatable.")] = None,
) -> None:
    """Rewrite params.yaml: the embedded sample, your own rasters, the net of the paper, or pairs of others.

    Held-out files that are not named are chosen: the flattest, the roughest, a coast; one more validates.
    """
    from demsr.errors import ParamsError
    from demsr.profiles import declared_files, merged, write_profile
    from demsr.reporting.choices import print_choices
    from demsr.sources.held_out import local_changes, ready_changes
    from demsr.sources.local import RASTER_PATTERNS

    changes = {}
    if name == "mindearth":
        if pairs is None:
            message = "profile mindearth needs --pairs, a folder or .zip with train.h5, valid.h5 and test.h5"
            raise ParamsError(message)
        if not pairs.exists():
            message = f"{pairs}: there is no such folder or .zip; give one with train.h5, valid.h5 and test.h5"
            raise ParamsError(message)
        changes = ready_changes(pairs)
    elif name in ("local", "paper"):
        changes = local_changes(
            merged(name, _PARAMS), {"land": land, "marine": marine}, declared=declared_files(_PARAMS), lr=lr,
            files={"land": land_files or RASTER_PATTERNS, "marine": marine_files or RASTER_PATTERNS},
            exclude=exclude or [], valid=valid or [], test=test or [],
        )  # fmt: skip
    params = write_profile(name, _PARAMS, changes)
    print_choices(params, _PARAMS)


_Crs = Annotated[str | None, typer.Option("--crs", help="CRS, where the file names none or a wrong one.")]
_Datum = Annotated[str | None, typer.Option("--vertical-datum", help="Datum of the heights, such as EGM96 or MSL.")]
_Unit = Annotated[str | None, typer.Option("--unit", help="Unit of the heights, such as m, ft, us-ft or fathom.")]
_Positive = Annotated[str | None, typer.Option("--positive", help="down for depths, up for heights.")]
_Nodata = Annotated[float | None, typer.Option("--nodata", help="Value that stands for voids.")]
_Registration = Annotated[str | None, typer.Option("--registration", help="What a sample stands for: area or point.")]
_Layer = Annotated[str | None, typer.Option("--layer", help="Variable or band that holds the elevation.")]
_Grids = Annotated[Path | None, typer.Option("--geoid-grids", help="Folder with geoid grids of PROJ.")]
_Network = Annotated[bool, typer.Option("--proj-network", help="Let PROJ fetch a missing grid from cdn.proj.org.")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")]
_Out = Annotated[Path, typer.Argument(metavar="OUT", help="Cloud-optimised GeoTIFF to write.")]


@app.command()
def inspect(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Rasters of any format.")],
    crs: _Crs = None,
    vertical_datum: _Datum = None,
    unit: _Unit = None,
    positive: _Positive = None,
    nodata: _Nodata = None,
    registration: _Registration = None,
    layer: _Layer = None,
) -> None:
    """Print what is understood of a raster, what had to be assumed, and what it is good for."""
    from demsr.errors import DemsrError, RasterError
    from demsr.reporting.inspection import print_inspection
    from demsr.sources.inspection import inspect_raster

    declared = _declared(crs, vertical_datum, unit, positive, nodata, registration, layer)
    wrong = []
    for source in sources:
        try:
            print_inspection(inspect_raster(source, declared))
        except DemsrError as error:
            wrong.append(str(error))
    if wrong:
        raise RasterError("; ".join(wrong))


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Raster of any format.")],
    target: _Out,
    to: Annotated[str, typer.Option(help="Vertical datum of OUT, such as EGM2008.")],
    crs: _Crs = None,
    vertical_datum: _Datum = None,
    unit: _Unit = None,
    positive: _Positive = None,
    nodata: _Nodata = None,
    registration: _Registration = None,
    layer: _Layer = None,
    geoid_grids: _Grids = None,
    proj_network: _Network = False,
    overwrite: _Overwrite = False,
) -> None:
    """Bring heights to another vertical datum, by real geoid grids only."""
    from demsr.dem.geoid import convert_datum
    from demsr.dem.raster import write_dem
    from demsr.dem.reading import read_raster
    from demsr.reporting.inspection import print_assumptions

    _refuse_to_replace(target, overwrite=overwrite)
    declared = _declared(crs, vertical_datum, unit, positive, nodata, registration, layer)
    reading = read_raster(source, declared=declared)
    print_assumptions(source, reading.assumptions)
    result = convert_datum(reading.dem, to, grids=geoid_grids, network=proj_network)
    tags = {"DEMSR_VERSION": demsr.__version__, "ASSUMED": "; ".join(reading.assumptions)}
    write_dem(target, result, tags=tags)
    typer.echo(f"{target}: heights above {to}, from {reading.dem.vertical_datum}")


@app.command("super-resolve")
def super_resolve(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Raster to super-resolve.")],
    target: _Out,
    model: Annotated[
        str, typer.Option(help="builtin, models:/NAME@ALIAS, a model folder or a .safetensors file.")
    ] = "builtin",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    crs: _Crs = None,
    vertical_datum: _Datum = None,
    unit: _Unit = None,
    positive: _Positive = None,
    nodata: _Nodata = None,
    registration: _Registration = None,
    layer: _Layer = None,
    overwrite: _Overwrite = False,
) -> None:
    """Make every pixel of a raster 5 x 5 pixels."""
    _refuse_to_replace(target, overwrite=overwrite)
    from demsr.dem.raster import write_dem
    from demsr.dem.reading import read_raster
    from demsr.inference.super_resolve import super_resolve as run
    from demsr.load import load_model
    from demsr.reporting.inspection import print_assumptions
    from demsr.sources.harmonise import described
    from demsr.sources.inspection import is_lr_of_product

    declared = _declared(crs, vertical_datum, unit, positive, nodata, registration, layer)
    reading = read_raster(source, declared=declared)
    print_assumptions(source, reading.assumptions)
    if not is_lr_of_product(reading.dem.grid):
        typer.echo(f"{source.name}: the nets are trained for 15 arc-seconds; pixels become 5 times as fine", err=True)
    net = load_model(model, device=device)
    result = run(reading.dem, net)
    tags = {
        "MODEL": model, "DEMSR_VERSION": demsr.__version__, "INPUT_GRID": described(reading.dem.grid),
        "ASSUMED": "; ".join(reading.assumptions),
    }  # fmt: skip
    write_dem(target, result, tags=tags)
    typer.echo(f"{target}: {result.grid.rows} x {result.grid.cols} pixels, datum {result.vertical_datum}, by {model}")


@app.command("fit-degradation")
def fit_degradation(
    lr: Annotated[Path, typer.Argument(metavar="LR", help="Real 15 arc-second grid, such as GEBCO.")],
    hr: Annotated[Path, typer.Argument(metavar="HR", help="Finer raster of the same ground.")],
    lr_datum: Annotated[str, typer.Option(help="Vertical datum of LR, where it names none.")] = "MSL",
    hr_datum: Annotated[str, typer.Option(help="Vertical datum of HR, where it names none.")] = "MSL",
    write: Annotated[bool, typer.Option("--write", help="Put the model into params.yaml.")] = False,
) -> None:
    """Fit how real LR grids differ from block means, for pairs with the degradation `fitted`."""
    from demsr.dem.reading import read_raster
    from demsr.pairs.region_pairs import fitted_model
    from demsr.profiles import write_changes
    from demsr.reporting.choices import print_degradation
    from demsr.reporting.inspection import print_assumptions

    of_hr = read_raster(hr, vertical_datum=hr_datum)
    of_lr = read_raster(lr, vertical_datum=lr_datum, within=of_hr.dem.grid.lonlat_bounds())
    for path, reading in ((lr, of_lr), (hr, of_hr)):
        print_assumptions(path, reading.assumptions)
    model, found = fitted_model(of_lr.dem, of_hr.dem)
    print_degradation(model, found)
    if write:
        write_changes(_PARAMS, {"pairs": {"fitted": dataclasses.asdict(model)}})
        typer.echo(f"{_PARAMS} now holds this model; pairs with `degradations: [fitted]` use it")


@app.command("import-mindspore")
def import_mindspore(
    source: Annotated[Path, typer.Argument(metavar="FILE.ckpt", help="MindSpore checkpoint of MindEarth's DEMNet.")],
    folder: Annotated[Path, typer.Argument(metavar="OUT_FOLDER", help="Model folder to write.")],
    scaled_range: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", metavar="LOW HIGH", help="Metres that were 0 and 1 in its training data."),
    ] = None,
    blocks: Annotated[int, typer.Option(help="Refuse a net of another depth: a file that broke off has fewer.")] = 42,
    register: Annotated[bool, typer.Option("--register", help="Make a version in the registry, too.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT_FOLDER if it is a model.")] = False,
) -> None:
    """Bring over a net that was trained with MindEarth's dem-super-resolution; MindSpore is not needed."""
    from demsr.importing import NAME, import_model

    imported = import_model(
        source, folder, scaled_range_m=scaled_range, num_blocks=blocks, overwrite=overwrite, register=register
    )
    values = "metres" if imported.unit == "m" else "values scaled as its training data"
    typer.echo(f"{folder}: {imported.net}; takes and gives {values}")
    if imported.version is not None:
        typer.echo(f"registered as models:/{NAME}/{imported.version}")


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


def _declared(
    crs: str | None, vertical_datum: str | None, unit: str | None, positive: str | None, nodata: float | None,
    registration: str | None, layer: str | None,
) -> "Declared":  # fmt: skip
    from demsr.dem.header import Declared

    texts: dict[str, Any] = {"positive": positive, "registration": registration}  # it refuses others than it knows
    return Declared(crs=crs, vertical_datum=vertical_datum, unit=unit, nodata=nodata, layer=layer, **texts)


def _refuse_to_replace(target: Path, *, overwrite: bool) -> None:
    from demsr.errors import RasterError

    if target.is_dir():
        message = f"{target}: is a folder; name a file in it"
        raise RasterError(message)
    if target.suffix.lower() not in (".tif", ".tiff"):
        message = f"{target}: is written as a GeoTIFF; give a name that ends in .tif"
        raise RasterError(message)
    if target.exists() and not overwrite:
        message = f"{target}: exists already; choose another name or add --overwrite"
        raise RasterError(message)


def main() -> None:
    """Run the command line; expected errors end as one line."""
    with reported("demsr"):
        app()
