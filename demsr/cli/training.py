"""Commands around training: data products, degradation of pairs, imported models."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from demsr.cli.app import app
from demsr.cli.options import Overwrite
from demsr.options import Operator

PARAMS = Path("params.yaml")


@app.command()
def sources(
    product: Annotated[str | None, typer.Argument(help="Print the data sheet of this product.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print all data sheets as Markdown tables.")] = False,
) -> None:
    """List data products, or print one data sheet."""
    from demsr.reporting.sources import data_sheets_as_markdown, print_data_sheet, print_sources
    from demsr.sources.data_sheet import data_sheet, data_sheets

    if markdown:
        typer.echo(data_sheets_as_markdown(list(data_sheets().values())), nl=False)
    elif product is None:
        print_sources(data_sheets().values())
    else:
        print_data_sheet(data_sheet(product))


@app.command("fit-degradation")
def fit_degradation(
    lr: Annotated[Path, typer.Argument(metavar="LR", help="Real 15 arc-second grid, such as GEBCO.")],
    hr: Annotated[Path, typer.Argument(metavar="HR", help="Finer raster of the same ground.")],
    lr_datum: Annotated[str, typer.Option(help="Vertical datum of LR, if the file states none.")] = "MSL",
    hr_datum: Annotated[str, typer.Option(help="Vertical datum of HR, if the file states none.")] = "MSL",
    write: Annotated[bool, typer.Option("--write", help="Write the model into params.yaml.")] = False,
) -> None:
    """Fit a degradation to a real LR grid.

    Prints the Gaussian under which LR was sampled from HR, and whether this is the law of GEBCO on land; then how LR
    differs from block means of HR, for pairs with the degradation `fitted`.
    """
    from demsr.dem.read.raster import read_raster
    from demsr.pairs.fit_degradation import fit_degradation_to_rasters
    from demsr.pairs.fit_gaussian import fit_gaussian
    from demsr.profiles import write_changes
    from demsr.reporting.inspection import print_assumptions, print_degradation, print_sampling

    of_hr = read_raster(hr, vertical_datum=hr_datum)
    of_lr = read_raster(lr, vertical_datum=lr_datum, within=of_hr.dem.grid.lonlat_bounds())
    for path, reading in ((lr, of_lr), (hr, of_hr)):
        print_assumptions(path, reading.assumptions)
    model, found = fit_degradation_to_rasters(of_lr.dem, of_hr.dem)
    if of_hr.dem.grid.is_geographic:
        print_sampling(f"{lr.name} from {hr.name}", fit_gaussian(of_lr.dem, of_hr.dem))
    print_degradation(model, found)
    if write:
        write_changes(PARAMS, {"pairs": {"fitted": dataclasses.asdict(model)}})
        typer.echo(f"{PARAMS} now holds this model; pairs with `degradations: [fitted]` use it")


@app.command("import-mindspore")
def import_mindspore(
    source: Annotated[Path, typer.Argument(metavar="FILE.ckpt", help="MindSpore checkpoint of MindEarth's DEMNet.")],
    folder: Annotated[Path, typer.Argument(metavar="OUT_FOLDER", help="Model folder to write.")],
    scaled_range: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", metavar="LOW HIGH", help="Elevations in metres that are 0 and 1 in its training data."),
    ] = None,
    blocks: Annotated[int, typer.Option(help="Expected number of blocks; a truncated file has fewer.")] = 42,
    register: Annotated[bool, typer.Option("--register", help="Also register the model.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT_FOLDER if it is a model folder.")] = False,
) -> None:
    """Import a MindSpore checkpoint of DEMNet.

    The net comes from the dem-super-resolution application of MindEarth. MindSpore is not needed.
    """
    from demsr.lifecycle.import_model import NAME, import_model

    imported = import_model(
        source, folder, scaled_range_m=scaled_range, num_blocks=blocks, overwrite=overwrite, register=register
    )
    values = "metres" if imported.unit == "m" else "scaled values, as in its training data"
    typer.echo(f"{folder}: {imported.net}; input and output are {values}")
    if imported.version is not None:
        typer.echo(f"registered as models:/{NAME}/{imported.version}")


@app.command()
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="builtin, models:/NAME@ALIAS or a model folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help=".onnx, or .pt2 for torch.export.")],
    operator: Annotated[
        Operator | None, typer.Option("--operator", help="Net to take, by how the cells came from the terrain.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Export a model to ONNX or torch.export, for rasters of any height and width."""
    from demsr.lifecycle.export import export_model

    export_model(model, out, operator=operator, overwrite=overwrite)
    typer.echo(f"{out}: float32 metres, {out.stat().st_size / 1e6:.1f} MB")
