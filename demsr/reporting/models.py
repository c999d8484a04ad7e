"""Tables of registered models in the terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from demsr.errors import printable

if TYPE_CHECKING:
    from demsr.lifecycle.compare import ModelComparison
    from demsr.tracking.registry import RegisteredVersion


def print_models(versions: "Sequence[RegisteredVersion]") -> None:
    """Print one row for each registered version."""
    if not versions:
        cure = "if it is up to date, `demsr models --restore` registers its models here"
        Console(soft_wrap=True).print(f"No model is registered yet; run `dvc repro`, or {cure}.")
        return
    table = Table("model", "version", "alias", "net", "profile", "promotion decision", box=None)
    for column in table.columns[:3]:
        column.no_wrap = True
    for version in versions:
        names = ("net", "profile", "promotion_reason", "decided_at", "decided_by")
        net, profile, reason, time, user = (printable(version.tags.get(name, "")) for name in names)
        decision = f"{reason} ({time[:10]}, {user})" if user else reason  # older decisions do not say who made them
        table.add_row(version.name, str(version.version), ", ".join(version.aliases), net, profile, decision)
    Console(highlight=False, markup=False, emoji=False).print(table)


def print_comparison(first: str, second: str, domains: "Sequence[ModelComparison]") -> None:
    """Print the RMSE of two models by area, and the mean gain of the second over the first.

    Parameters
    ----------
    first, second : names of the models
    domains : comparison for each domain
    """
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(f"A: {printable(first)}\nB: {printable(second)}", soft_wrap=True)
    for found in domains:
        table = Table("area", "group", box=None, title=found.domain, title_justify="left")
        for name in ("RMSE of A", "RMSE of B", "gain of B over A"):
            table.add_column(name, justify="right")
        for row in found.areas:
            rmse = (f"{value:.4g} {row.unit}" for value in (row.first, row.second))
            table.add_row(printable(row.area), row.group.replace("_", " "), *rmse, f"{row.gain_percent:+.2f} %")
        console.print(table)
        interval = f"95 % interval {found.low:+.2f} to {found.high:+.2f}"
        mean = f"{found.group.replace('_', ' ')}: B gains {found.gain_percent:+.2f} % over A"
        console.print(f"{mean}, {interval}", soft_wrap=True)


def print_links(links: Mapping[str, str]) -> None:
    """Print addresses of pages of the MLflow UI by their titles."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for title, address in links.items():
        console.print(f"{title}: {address}")
