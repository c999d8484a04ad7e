"""Results of the pipeline in the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demsr.errors import printable
from demsr.metrics.elevation import unit_of

if TYPE_CHECKING:
    from demsr.lifecycle.register import RegistrationOutcome

Summary = Mapping[str, Mapping[str, Mapping[str, float]]]  # metrics by group of areas, then by method


def print_results(
    summary: Summary, outcomes: "Sequence[RegistrationOutcome]", *, pictures: Path, unregistered: str | None = None
) -> None:
    """Print the scores, the registered versions with the promotion decision, and where to see more.

    Parameters
    ----------
    summary : metrics by group of areas, then by method, from `demsr.evaluation.summary.summarise`
    outcomes : registration outcome of each model
    pictures : folder of the figures
    unregistered : experiment of DVC whose models were not registered
    """
    print_summary(summary)
    console = Console()
    for outcome in outcomes:
        standing = "champion" if outcome.promoted else "not champion"
        console.print(
            f"[bold]{outcome.name}[/] version {outcome.version} is {standing}: {escape(printable(outcome.reason))}"
        )
    if unregistered is not None:
        name = escape(printable(unregistered))
        console.print(
            f"The models of experiment {name} are not registered; to register them, run `dvc exp apply {name}` and "
            "`demsr models --restore`, or set register.experiments."
        )
    console.print(f"Pictures are in {pictures}; all runs and both models: [bold]make ui[/]")


def print_summary(summary: Summary) -> None:
    """Print one table for each group of areas.

    Parameters
    ----------
    summary : metrics by group of areas, then by method; bicubic comes first
    """
    for group, methods in summary.items():
        first = next(iter(methods.values()))
        areas, unit = int(first["areas"]), unit_of(first)
        title = f"{group.replace('_', ' ')}: mean of {areas} held-out area{'s' if areas > 1 else ''}"
        table = Table("method", title=title, title_justify="left")
        table.columns[0].no_wrap = True
        for name in (f"RMSE ({unit})", "gain over\nbicubic", "gain in\nworst area", "slope\nRMSE (deg)"):
            table.add_column(name, justify="right")
        for method, row in methods.items():
            gain, worst = f"{row['gain_percent']:+.1f} %", f"{row['worst_area_gain_percent']:+.1f} %"
            slope = f"{row['slope_rmse_deg']:.2f}" if "slope_rmse_deg" in row else "-"
            table.add_row(method.replace("_", " "), f"{row[f'rmse_{unit}']:.4g}", gain, worst, slope)
        Console().print(table)
