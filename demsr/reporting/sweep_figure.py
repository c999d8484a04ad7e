"""Figure of a sweep: error and cost against depth or learning rate."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from demsr.runtime.files import atomic_write

if TYPE_CHECKING:
    from demsr.search.report import SweepReport

_MARKERS = {  # by role and state: marker, face, edge, label
    ("trial", "finished"): ("o", "0.45", "0.45", "complete trials"),
    ("trial", "stopped early"): ("o", "none", "0.6", "trials stopped early"),
    ("finalist", "finished"): (".", "tab:red", "tab:red", "finalists, each seed"),
}


def save_sweep_figure(path: Path, report: "SweepReport") -> None:
    """Draw a sweep into a PNG file.

    Parameters
    ----------
    path : PNG file
    report : report of the sweep
    """
    figure = draw_sweep(report)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def draw_sweep(report: "SweepReport") -> Figure:
    """Draw all trials and the intervals of the finalists; beside them operations and speed.

    Parameters
    ----------
    report : report of the sweep

    Returns
    -------
    figure with two panels: RMSE, and cost
    """
    figure = Figure(figsize=(13, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    by_depth, reference = report.axis == "num_blocks", report.reference
    if not by_depth:
        left.set_xscale("log")
        right.set_xscale("log")
    _draw_errors(left, report)
    _draw_baselines(left, report.baselines)
    _draw_cost(right, report)
    right.set_xlim(left.get_xlim())
    for panel in (left, right):
        panel.axvline(reference, color="0.4", linestyle="--", linewidth=1, label=f"reference, {reference:g}", zorder=0)
        panel.set_xlabel("ResBlocks" if by_depth else "learning rate")
        if by_depth:
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylabel(f"validation RMSE ({report.unit})")
    left.legend(fontsize=8, framealpha=0.9)
    figure.suptitle(report.budget, fontsize=9)
    return figure


def _draw_errors(panel: Axes, report: "SweepReport") -> None:
    """Draw each trial and the mean of each finalist; failed trials do not extend the axis."""
    trials = [row for row in report.trials if row["rmse"] is not None]
    for (role, state), (marker, face, edge, label) in _MARKERS.items():
        rows = [row for row in trials if (row["role"], row["state"]) == (role, state)]
        if rows:
            style: dict[str, Any] = {"facecolors": face, "edgecolors": edge, "label": label}
            x, y = _columns(rows, report.axis, "rmse")
            panel.scatter(x, y, marker=marker, s=28, zorder=2, **style)
    finalists = _measured(report.finalists, "rmse", report.axis)
    x, y = _columns(finalists, report.axis, "rmse")
    half_widths = [row["half_width"] or 0 for row in finalists]
    style = {"color": "tab:red", "marker": "D", "markersize": 5, "capsize": 4, "linewidth": 1.2}
    panel.errorbar(x, y, half_widths, label="finalists, 95 % interval", zorder=3, **style)
    values = [row["rmse"] for row in trials if row["state"] != "failed"]
    values += [rmse + sign * half for rmse, half in zip(y, half_widths, strict=True) for sign in (-1, 1)]
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), 1e-3 * abs(high))
    panel.set_ylim(low - margin, high + margin)


def _draw_baselines(panel: Axes, baselines: Mapping[str, float]) -> None:
    """Draw baselines as lines, and name those outside the panel above it."""
    low, high = panel.get_ylim()
    outside = []
    for index, (name, value) in enumerate(sorted(baselines.items(), key=lambda item: item[1])):
        title = name.replace("_", " ")
        if low <= value <= high:
            panel.axhline(value, color=f"C{index}", linestyle=":", label=f"{title}, {value:.4g}")
        else:
            outside.append(f"{title} {value:.4g}")
    if outside:
        panel.set_title("outside: " + ", ".join(outside), fontsize=8, loc="left")


def _draw_cost(panel: Axes, report: "SweepReport") -> None:
    rows = _measured(report.trials, "samples_per_second", report.axis)
    x, flop = _columns(rows, report.axis, "flop_per_lr_px")
    panel.plot(x, [value / 1e3 for value in flop], "s-", color="tab:blue")
    panel.set_ylabel("kFLOP per LR pixel", color="tab:blue")
    panel.set_ylim(bottom=0)
    speed = panel.twinx()
    speed.plot(*_columns(rows, report.axis, "samples_per_second"), "^", color="tab:green", alpha=0.5)
    speed.set_ylabel("samples per second in training, each trial", color="tab:green")
    speed.set_ylim(bottom=0)


def _measured(rows: Iterable[Mapping[str, Any]], name: str, axis: str) -> list[Mapping[str, Any]]:
    """Return the rows that have a value, in ascending order of the horizontal axis."""
    return sorted((row for row in rows if row[name] is not None), key=lambda row: float(row[axis]))


def _columns(rows: Iterable[Mapping[str, Any]], *names: str) -> list[list[float]]:
    return [[row[name] for row in rows] for name in names]
