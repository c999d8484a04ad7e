"""Options that several commands share."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from demsr.options import InferencePrecision

GeoidGrids = Annotated[Path | None, typer.Option("--geoid-grids", help="Folder with geoid grids of PROJ.")]
ProjNetwork = Annotated[
    bool, typer.Option("--proj-network", help="Let PROJ download a missing geoid grid from cdn.proj.org.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")]
Model = Annotated[str, typer.Option(help="builtin, models:/NAME@ALIAS, a model folder or a .safetensors file.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Precision = Annotated[
    InferencePrecision,
    typer.Option(help="Precision of the net's blocks; auto takes bf16 where the hardware supports it."),
]
Tile = Annotated[
    int | None, typer.Option(help="Side of a tile in LR pixels; by default the largest that fits in memory.", min=8)
]
Halo = Annotated[
    int | None,
    typer.Option(help="LR pixels computed around each tile; by default exact, fewer are faster and leave seams."),
]
Consistency = Annotated[
    bool, typer.Option("--consistency", help="Make the mean of each block of 5 x 5 pixels equal to the input pixel.")
]
Uncertainty = Annotated[
    bool, typer.Option("--uncertainty", help="Add a band with the standard error of each pixel, in metres.")
]
BoundingBox = Annotated[
    tuple[float, float, float, float] | None,
    typer.Option("--bbox", metavar="W S E N", help="Only the cells that touch this box, in degrees."),
]

_DECLARED = {
    "crs": Annotated[str | None, typer.Option("--crs", help="CRS, where the file states none or a wrong one.")],
    "vertical_datum": Annotated[
        str | None, typer.Option("--vertical-datum", help="Vertical datum of the elevation, such as EGM96 or MSL.")
    ],
    "unit": Annotated[
        str | None, typer.Option("--unit", help="Unit of the elevation, such as m, ft, us-ft or fathom.")
    ],
    "positive": Annotated[str | None, typer.Option("--positive", help="down for depths, up for heights.")],
    "nodata": Annotated[float | None, typer.Option("--nodata", help="Value of void pixels.")],
    "registration": Annotated[
        str | None, typer.Option("--registration", help="What a sample stands for: area or point.")
    ],
    "layer": Annotated[str | None, typer.Option("--layer", help="Variable or band that contains the elevation.")],
}


def takes_declared(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameter `declared` of a command by the options --crs, --vertical-datum, --unit and so on.

    Parameters
    ----------
    command : function with a keyword `declared`, a `demsr.dem.read.header.Declared`
    """

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        from demsr.dem.read.header import Declared

        declared = Declared(**{name: values.pop(name) for name in _DECLARED})
        command(**values, declared=declared)

    own = [parameter for parameter in inspect.signature(command).parameters.values() if parameter.name != "declared"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _DECLARED.items()
    ]
    wrapper.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return wrapper


def checked_box(bbox: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
    """Return a box whose east is not less than its west; across the antimeridian it exceeds 180.

    Parameters
    ----------
    bbox : west, south, east and north in degrees, or None

    Raises
    ------
    ParamsError : these are not degrees, or the box is empty
    """
    if bbox is None:
        return None
    west, south, east, north = bbox
    if not (-90 <= south < north <= 90 and -360 <= west <= 360 and -360 <= east <= 540 and west != east):
        from demsr.errors import ParamsError

        message = f"--bbox is {west:g} {south:g} {east:g} {north:g}; give west, south, east and north in degrees"
        raise ParamsError(message)
    return west, south, east if east > west else east + 360, north
