"""Scores of several methods as a table of means over the areas, and as one row for each area."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demsr.evaluation.methods import BICUBIC
from demsr.evaluation.scoring import AreaScore, gains, mean_metrics
from demsr.runtime.files import write_csv

_DECIDING = ("gain_percent", "worst_area_gain_percent", "rmse")
Results = Mapping[str, Mapping[str, AreaScore]]  # by method, then by area


def summarise(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    """Average the metrics over the areas of each group and add the gains over bicubic.

    Parameters
    ----------
    results : scores by method, then by area; bicubic is one of the methods

    Returns
    -------
    metrics by group, then by method
    """
    groups = sorted({score.group for score in results[BICUBIC].values()})
    return {
        group: {method: _rounded(_mean_row(scores, results[BICUBIC], group)) for method, scores in results.items()}
        for group in groups
    }


def deciding_numbers(
    summary: Mapping[str, Mapping[str, Mapping[str, float]]], models: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the numbers by which models are compared and promoted, to four digits: gains over bicubic and RMSE.

    Parameters
    ----------
    summary : from `summarise`
    models : names of the methods that were trained
    """
    return {
        group: {
            model: {name: float(f"{value:.4g}") for name, value in methods[model].items() if name.startswith(_DECIDING)}
            for model in models
        }
        for group, methods in summary.items()
    }


def write_area_scores(path: Path, results: Results) -> None:
    """Write a CSV file with one row for each method and area.

    Parameters
    ----------
    path : CSV file to write
    results : scores by method, then by area; bicubic is one of the methods
    """
    rows = []
    for method, scores in results.items():
        gain = gains(scores, results[BICUBIC])
        for area, score in scores.items():
            names = {"label": f"{area}: {method}", "group": score.group, "area": area, "method": method}
            rows.append(_rounded({**names, "gain_percent": gain[area], **score.metrics}))
    write_csv(path, rows)


def _mean_row(scores: Mapping[str, AreaScore], bicubic: Mapping[str, AreaScore], group: str) -> dict[str, float]:
    gain = [value for area, value in gains(scores, bicubic).items() if scores[area].group == group]
    row = mean_metrics(scores, group)
    slope, slope_of_bicubic = (part.get("slope_rmse_deg") for part in (row, mean_metrics(bicubic, group)))
    row |= {"gain_percent": sum(gain) / len(gain), "worst_area_gain_percent": min(gain)}
    if slope and slope_of_bicubic:
        row["slope_gain_percent"] = 100 * (1 - slope / slope_of_bicubic)
    return row | {"areas": len(gain)}


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Round to four decimals, or to four digits below 1, as in scaled units."""
    return {name: _round(value) if isinstance(value, float) else value for name, value in row.items()}


def _round(value: float) -> float:
    return round(value, 4) if abs(value) >= 1 else float(f"{value:.4g}")
