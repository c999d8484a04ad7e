"""Table of registered models in the terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from demsr.errors import printable

if TYPE_CHECKING:
    from demsr.tracking.registry import RegisteredVersion


def print_models(versions: "Sequence[RegisteredVersion]") -> None:
    """Print one row for each registered version."""
    if not versions:
        cure = "if it is up to date, `demsr models --restore` registers its models here"
        Console(soft_wrap=True).print(f"No model is registered yet; run `dvc repro`, or {cure}.")
        return
    table = Table("model", "version", "alias", "net", "profile", "promotion decision", "decided", box=None)
    for column in table.columns[:3]:
        column.no_wrap = True
    for version in versions:
        names = ("net", "profile", "promotion_reason", "decided_at", "decided_by")
        *shown, time, user = (printable(version.tags.get(name, "")) for name in names)
        decided = f"{time[:10]} by {user}" if user else ""  # decisions from before this record have neither
        table.add_row(version.name, str(version.version), ", ".join(version.aliases), *shown, decided)
    Console(highlight=False, markup=False, emoji=False).print(table)


def print_links(links: Mapping[str, str]) -> None:
    """Print addresses of pages of the MLflow UI by their titles."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for title, address in links.items():
        console.print(f"{title}: {address}")
