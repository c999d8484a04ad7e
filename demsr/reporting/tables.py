"""Tables for people: results in the terminal and as CSV."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from demsr.evaluation.methods import BICUBIC
from demsr.evaluation.scoring import AreaScore, gains, mean_metrics
from demsr.runtime.files import write_csv

Results = Mapping[str, Mapping[str, AreaScore]]  # method, area


def summary(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    """Return group -> method -> metrics: means over the areas, with the gain over bicubic and its worst area."""
    groups = sorted({score.group for score in results[BICUBIC].values()})
    return {
        group: {method: _rounded(_row(scores, results[BICUBIC], group)) for method, scores in results.items()}
        for group in groups
    }


def write_areas(path: Path, results: Results) -> None:
    """Write one line per area and method; the label is for plots."""
    rows = [
        {
            "label": f"{area}: {method}",
            "group": score.group,
            "area": area,
            "method": method,
            "gain_percent": gain,
            **score.metrics,
        }
        for method, scores in results.items()
        for (area, score), gain in zip(scores.items(), gains(scores, results[BICUBIC]).values(), strict=True)
    ]
    write_csv(path, [_rounded(row) for row in rows])


def unit_of(row: Mapping[str, float]) -> str:
    """Return the unit of the heights in a row of results: m, or scaled."""
    return next(name.removeprefix("rmse_") for name in row if name.startswith("rmse_"))


def print_summary(numbers: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Print one table for each group of areas."""
    for group, methods in numbers.items():
        areas = int(methods[BICUBIC]["areas"])
        title = f"{group.replace('_', ' ')}: mean of {areas} held-out area{'s' if areas > 1 else ''}"
        table = Table(title=title, title_justify="left")
        table.add_column("method", no_wrap=True)
        unit = unit_of(methods[BICUBIC])
        for name in (f"RMSE ({unit})", "gain over\nbicubic", "gain in\nworst area", "slope\nRMSE (deg)"):
            table.add_column(name, justify="right")
        for method, row in methods.items():
            gain, worst = f"{row['gain_percent']:+.1f} %", f"{row['worst_area_gain_percent']:+.1f} %"
            slope = f"{row['slope_rmse_deg']:.2f}" if "slope_rmse_deg" in row else "-"
            table.add_row(method.replace("_", " "), f"{row[f'rmse_{unit}']:.4g}", gain, worst, slope)
        Console().print(table)


def _row(scores: Mapping[str, AreaScore], bicubic: Mapping[str, AreaScore], group: str) -> dict[str, float]:
    inside = {area: gain for area, gain in gains(scores, bicubic).items() if scores[area].group == group}
    row = mean_metrics(scores, group)
    slope, slope_of_bicubic = (part.get("slope_rmse_deg") for part in (row, mean_metrics(bicubic, group)))
    return {
        **row,
        "gain_percent": sum(inside.values()) / len(inside),
        "worst_area_gain_percent": min(inside.values()),
        **({"slope_gain_percent": 100 * (1 - slope / slope_of_bicubic)} if slope and slope_of_bicubic else {}),
        "areas": len(inside),
    }


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _short(value) if isinstance(value, float) else value for name, value in row.items()}


def _short(value: float) -> float:
    """Keep four decimals, or four digits where the value is small, as in scaled units."""
    return round(value, 4) if abs(value) >= 1 else float(f"{value:.4g}")
