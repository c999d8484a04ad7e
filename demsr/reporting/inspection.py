"""A raster, assumptions about it and a fitted degradation in words, for the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from demsr.dem.read.declared import DECLARED_PREFIX
from demsr.errors import printable

if TYPE_CHECKING:
    from demsr.pairs.coregister import Coregistration
    from demsr.pairs.degradations.fitted import FittedDegradation
    from demsr.pairs.fit_gaussian import GaussianSampling
    from demsr.sources.inspection import Inspection


def print_inspection(found: "Inspection") -> None:
    """Print the facts about a raster, then declarations and assumptions, then its possible uses."""
    declared = [text.removeprefix(DECLARED_PREFIX) for text in found.assumptions if text.startswith(DECLARED_PREFIX)]
    assumed = [text for text in found.assumptions if not text.startswith(DECLARED_PREFIX)]
    table = Table(
        box=None, show_header=False, title=printable(str(found.path)), title_justify="left", title_style="bold"
    )
    table.add_column(style="dim", no_wrap=True)
    for label, value in found.facts.items():
        table.add_row(label, printable(value))
    for label, lines in (("declared", declared), ("assumed", assumed or ["nothing"]), ("good for", found.uses)):
        for place, line in enumerate(lines):
            table.add_row(label if place == 0 else "", printable(line))
    Console(highlight=False, markup=False, emoji=False).print(table)


def print_assumptions(where: Path, assumptions: Sequence[str]) -> None:
    """Print the assumptions about a file, one line each, on standard error."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for assumption in assumptions:
        console.print(printable(f"{where.name}: {assumption}"))


def print_degradation(model: "FittedDegradation", found: "Coregistration") -> None:
    """Print how a real LR grid differs from block means of the co-registered HR raster.

    Parameters
    ----------
    model : fitted degradation
    found : shift of the HR raster onto the LR grid
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    east_m, north_m = found.shift_m
    console.print(f"co-registration {found.verdict}; HR moved {east_m:.0f} m east, {north_m:.0f} m north")
    console.print(
        f"fitted: blur_lr_px: {model.blur_lr_px:.3g}, sounding_share: {model.sounding_share:.3g}, "
        f"rounding_m: {model.rounding_m:g}"
    )


def print_sampling(where: str, found: "GaussianSampling") -> None:
    """Print how an LR grid was sampled from HR, and whether this is the law of GEBCO on land.

    Parameters
    ----------
    where : names of both rasters
    found : fitted Gaussian
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    east = f"{abs(found.east_arcsec):.2f} arcsec {'east' if found.east_arcsec > 0 else 'west'}"
    north = f"{abs(found.north_arcsec):.2f} arcsec {'north' if found.north_arcsec > 0 else 'south'}"
    console.print(
        f"{where}: Gaussian of {found.sigma_m:.1f} +- {found.sigma_error_m:.2g} m, sampled {east} and {north} "
        f"(+- {found.offset_error_arcsec:.2g}) of the middle of each cell, steps of {found.rounding_m:g} m; "
        f"{found.residual_m:.2f} m remain on {found.cells:,} cells"
    )
    law = "the law of GEBCO on land: pairs with `degradations: [gebco]` follow it"
    console.print(f"{where}: {law if found.objection is None else f'not the law of GEBCO on land, {found.objection}'}")
