"""Options that several commands share."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from demsr.options import InferencePrecision, Operator

GeoidGrids = Annotated[Path | None, typer.Option(help="Folder with geoid grids of PROJ.")]
ProjNetwork = Annotated[bool, typer.Option("--proj-network", help="Let PROJ download a missing geoid grid.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")]
BoundingBox = Annotated[
    tuple[float, float, float, float] | None,
    typer.Option("--bbox", metavar="W S E N", help="Only the cells that touch this box, in degrees."),
]

Command = Callable[..., None]


def _option(kind: Any, name: str, text: str, **options: Any) -> Any:
    return Annotated[kind, typer.Option(name, help=text, **options)]


_DECLARED = {
    "crs": (_option(str | None, "--crs", "CRS, where the file states none or a wrong one."), None),
    "vertical_datum": (_option(str | None, "--vertical-datum", "Vertical datum, such as EGM96 or MSL."), None),
    "unit": (_option(str | None, "--unit", "Unit of the elevation, such as m, ft, us-ft or fathom."), None),
    "positive": (_option(str | None, "--positive", "Direction of positive values: up, or down for depths."), None),
    "nodata": (_option(float | None, "--nodata", "Value of void pixels."), None),
    "registration": (_option(str | None, "--registration", "Registration of the samples: area or point."), None),
    "layer": (_option(str | None, "--layer", "Variable or band that contains the elevation."), None),
}
_MODEL = {
    "model": (
        _option(str, "--model", "builtin, models:/NAME@ALIAS, a model folder or .safetensors file."),
        "builtin",
    ),
    "operator": (
        _option(
            Operator | None,
            "--operator",
            "Net to take, by how the cells came from the terrain; by default gebco for GEBCO and SRTM15+, else blind.",
        ),
        None,
    ),
    "device": (_option(str, "--device", "auto, cpu or cuda."), "auto"),
    "precision": (
        _option(
            InferencePrecision,
            "--precision",
            "Precision of the ResBlocks; auto takes bf16 where supported.",
        ),
        "auto",
    ),
    "consistent": (
        _option(bool, "--consistency", "Make the mean of each 5 x 5 block equal to the input."),
        False,
    ),
    "uncertain": (_option(bool, "--uncertainty", "Add a band with the standard error of each pixel, metres."), False),
    "tile_px": (
        _option(int | None, "--tile", "Side of a tile, LR pixels; by default as memory allows.", min=8),
        None,
    ),
    "halo_px": (
        _option(int | None, "--halo", "Width of the halo, LR pixels; below the default with seams."),
        None,
    ),
}


def takes_declared(command: Command) -> Command:
    """Replace the parameter `declared` of a command by the options --crs, --vertical-datum, --unit and so on.

    Parameters
    ----------
    command : function with a keyword `declared`, a `demsr.dem.read.declared.Declared`
    """

    def build(values: dict[str, Any]) -> Any:
        from demsr.dem.read.declared import Declared

        return Declared(**values)

    return _with_options(command, "declared", _DECLARED, build)


def takes_model_options(command: Command) -> Command:
    """Replace the parameter `options` of a command by the options --model, --device, --precision and so on.

    Parameters
    ----------
    command : function with a keyword `options`, keywords of `demsr.super_resolve_file`
    """
    return _with_options(command, "options", _MODEL, dict)


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


def _with_options(
    command: Command,
    replaced: str,
    options: Mapping[str, tuple[Any, Any]],
    build: Callable[[dict[str, Any]], Any],
) -> Command:
    """Replace one parameter of a command by several options, from whose values it is built."""

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        built = build({name: values.pop(name) for name in options})
        command(**values, **{replaced: built})

    signature = inspect.signature(command)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != replaced]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        for name, (option, default) in options.items()
    ]
    wrapper.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return wrapper
