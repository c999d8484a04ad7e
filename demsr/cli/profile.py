"""The command that rewrites params.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from demsr.cli.app import app

_PARAMS, _LOCAL = Path("params.yaml"), Path("data/local")
_EXTERNAL_PAIRS = "a folder or .zip with train.h5, valid.h5 and test.h5"

Folder = Path | None
Patterns = list[str] | None


@app.command()
def profile(
    name: Annotated[str, typer.Argument(help="sample, local, paper or mindearth")],
    land: Annotated[Folder, typer.Option(help="Folder of land rasters.")] = None,
    marine: Annotated[Folder, typer.Option(help="Folder of sea-floor rasters.")] = None,
    lr: Annotated[Folder, typer.Option(help="Folder of real 15 arc-second grids, such as GEBCO.")] = None,
    pairs: Annotated[Folder, typer.Option(help=f"Pairs made by others: {_EXTERNAL_PAIRS}.")] = None,
    land_files: Annotated[Patterns, typer.Option(help="Pattern of land file names; repeatable.")] = None,
    marine_files: Annotated[Patterns, typer.Option(help="Pattern of sea-floor file names; repeatable.")] = None,
    exclude: Annotated[Patterns, typer.Option(help="Pattern of file names to leave out; repeatable.")] = None,
    valid: Annotated[Patterns, typer.Option(help="File for validation, without suffix; repeatable.")] = None,
    test: Annotated[Patterns, typer.Option(help="File for testing, without suffix; repeatable.")] = None,
) -> None:
    """Rewrite params.yaml from a profile.

    sample: the bundled sample. local: your own rasters. paper: the products and the net of the paper. mindearth: pairs
    made by MindEarth. Unless --valid and --test name held-out files, four are chosen: the flattest, the roughest and a
    coast for testing, one more for validation.
    """
    from demsr.cli.choices import print_choices
    from demsr.profiles import write_profile

    own: dict[str, Any] = {
        "land": land,
        "marine": marine,
        "lr": lr,
        "land_files": land_files,
        "marine_files": marine_files,
        "exclude": exclude,
        "valid": valid,
        "test": test,
    }
    takes_own = name == "local" or (name == "paper" and bool(land or marine))  # the net of the paper on own rasters
    _refuse({"pairs": pairs}, name, allowed=name == "mindearth", use="pairs made by others, with mindearth")
    _refuse(own, name, allowed=takes_own, use="your own rasters, with local")
    changes = _changes_for_pairs(pairs) if name == "mindearth" else _changes_for_own(name, **own) if takes_own else {}
    print_choices(write_profile(name, _PARAMS, changes), _PARAMS)


def _refuse(options: Mapping[str, Any], name: str, *, allowed: bool, use: str) -> None:
    """Raise ParamsError for an option that the profile does not use."""
    from demsr.errors import ParamsError

    for option in [option for option, value in options.items() if value and not allowed]:
        message = f"--{option.replace('_', '-')} has no effect with {name}; it is for {use}"
        raise ParamsError(message)


def _changes_for_pairs(pairs: Path | None) -> dict[str, Any]:
    from demsr.errors import ParamsError
    from demsr.sources.external_pairs import external_pairs_changes

    if pairs is None:
        message = f"profile mindearth needs --pairs, {_EXTERNAL_PAIRS}"
        raise ParamsError(message)
    if not pairs.exists():
        message = f"{pairs}: no such folder or .zip; give {_EXTERNAL_PAIRS}"
        raise ParamsError(message)
    return external_pairs_changes(pairs)


def _changes_for_own(
    name: str,
    *,
    land: Path | None,
    marine: Path | None,
    lr: Path | None,
    land_files: Patterns,
    marine_files: Patterns,
    exclude: Patterns,
    valid: Patterns,
    test: Patterns,
) -> dict[str, Any]:
    from demsr.params import Harmonise
    from demsr.profiles import declared_files, merge_profile
    from demsr.sources.held_out import local_changes
    from demsr.sources.local_rasters import RASTER_PATTERNS

    values = merge_profile(name, _PARAMS)
    Harmonise.checked(values["harmonise"], where=f"{_PARAMS}: harmonise")
    return local_changes(
        values,
        {"land": land or _LOCAL / "land", "marine": marine or _LOCAL / "marine"},
        declared=declared_files(_PARAMS),
        lr=lr,
        files={"land": land_files or RASTER_PATTERNS, "marine": marine_files or RASTER_PATTERNS},
        exclude=exclude or [],
        valid=valid or [],
        test=test or [],
    )
