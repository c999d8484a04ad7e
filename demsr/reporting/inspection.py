"""A raster in words, for the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demsr.dem.read.declared import DECLARED_PREFIX
from demsr.sources.inspection import Inspection


def print_inspection(found: Inspection) -> None:
    """Print facts, then what was assumed, then what the raster is good for."""
    console = Console(highlight=False, markup=False, emoji=False)
    table = Table(box=None, show_header=False, title=str(found.path), title_justify="left", title_style="bold")
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for label, value in found.facts.items():
        table.add_row(label, value)
    declared = [text.removeprefix(DECLARED_PREFIX) for text in found.assumptions if text.startswith(DECLARED_PREFIX)]
    assumed = [text for text in found.assumptions if not text.startswith(DECLARED_PREFIX)]
    for label, lines in (("declared", declared), ("assumed", assumed or ["nothing"]), ("good for", found.uses)):
        for place, line in enumerate(lines):
            table.add_row(label if place == 0 else "", line)
    console.print(table)


def print_assumptions(where: Path, assumptions: Sequence[str]) -> None:
    """Say what had to be assumed about a file."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for assumption in assumptions:
        console.print(f"{where.name}: {assumption}")
