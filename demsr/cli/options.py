"""Options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from demsr.options import InferencePrecision

if TYPE_CHECKING:
    from demsr.dem.read.declared import Declared

Crs = Annotated[str | None, typer.Option("--crs", help="CRS, where the file names none or a wrong one.")]
Datum = Annotated[str | None, typer.Option("--vertical-datum", help="Datum of the heights, such as EGM96 or MSL.")]
Unit = Annotated[str | None, typer.Option("--unit", help="Unit of the heights, such as m, ft, us-ft or fathom.")]
Positive = Annotated[str | None, typer.Option("--positive", help="down for depths, up for heights.")]
Nodata = Annotated[float | None, typer.Option("--nodata", help="Value that stands for voids.")]
Registration = Annotated[str | None, typer.Option("--registration", help="What a sample stands for: area or point.")]
Layer = Annotated[str | None, typer.Option("--layer", help="Variable or band that holds the elevation.")]
Grids = Annotated[Path | None, typer.Option("--geoid-grids", help="Folder with geoid grids of PROJ.")]
Network = Annotated[bool, typer.Option("--proj-network", help="Let PROJ fetch a missing grid from cdn.proj.org.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")]
Model = Annotated[str, typer.Option(help="builtin, models:/NAME@ALIAS, a model folder or a .safetensors file.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Precision = Annotated[
    InferencePrecision,
    typer.Option(help="Of the net's blocks; auto takes bf16 where the hardware multiplies it."),
]
Tile = Annotated[int | None, typer.Option(help="Side of a tile in LR pixels; by default what fits in memory.", min=8)]
Halo = Annotated[
    int | None, typer.Option(help="LR pixels around a tile that are computed with it; fewer are faster, with seams.")
]
Consistency = Annotated[
    bool, typer.Option("--consistency", help="Let the mean of each block of 5 x 5 pixels be the input.")
]
Uncertainty = Annotated[
    bool, typer.Option("--uncertainty", help="Add a band with the standard error of each pixel, in metres.")
]
BoundingBox = Annotated[
    tuple[float, float, float, float] | None,
    typer.Option("--bbox", metavar="W S E N", help="Only the cells that touch this box, degrees."),
]


def declared_of(
    crs: str | None,
    vertical_datum: str | None,
    unit: str | None,
    positive: str | None,
    nodata: float | None,
    registration: str | None,
    layer: str | None,
) -> "Declared":
    """Join what a user says of a file."""
    from demsr.dem.read.declared import Declared

    texts: dict[str, Any] = {"positive": positive, "registration": registration}  # it refuses others than it knows
    return Declared(crs=crs, vertical_datum=vertical_datum, unit=unit, nodata=nodata, layer=layer, **texts)


def box_of(bbox: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
    """Return a box whose east is not less than its west: one across the antimeridian goes beyond 180."""
    if bbox is None:
        return None
    west, south, east, north = bbox
    if not (-90 <= south < north <= 90 and -360 <= west <= 360 and -360 <= east <= 540 and west != east):
        from demsr.errors import ParamsError

        message = f"--bbox is {west:g} {south:g} {east:g} {north:g}; give west, south, east and north in degrees"
        raise ParamsError(message)
    return west, south, east if east > west else east + 360, north
