"""Figure of a sweep: error and cost against the subject, a colour for each value of `by`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from demsr.reporting.sweep_report import SweepReport
from demsr.reporting.sweeps import text_of
from demsr.runtime.files import atomic_write

_MARKERS = {  # by role and state: marker, whether it is filled, label
    ("trial", "finished"): ("o", True, "complete trials"),
    ("trial", "stopped early"): ("o", False, "trials stopped early"),
    ("finalist", "finished"): (".", True, "finalists, each seed"),
}
_GREY, _RED, _BLUE, _GREEN = "0.45", "tab:red", "tab:blue", "tab:green"

Rows = Sequence[Mapping[str, Any]]


def save_sweep_figure(path: Path, report: SweepReport) -> None:
    """Draw a sweep into a PNG file.

    Parameters
    ----------
    path : PNG file
    report : report of the sweep
    """
    figure = draw_sweep(report)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def draw_sweep(report: SweepReport) -> Figure:
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
    for panel in (left, right):
        panel.set_xscale("log" if report.scale == "log" else "linear")
    _draw_errors(left, report)
    _draw_baselines(left, report.baselines)
    _draw_cost(right, report)
    right.set_xlim(left.get_xlim())
    reference = report.reference[report.subject]
    for panel in (left, right):
        style: dict[str, Any] = {"color": "0.4", "linestyle": "--", "linewidth": 1, "zorder": 0}
        panel.axvline(_position(report, reference), label=f"reference, {text_of(reference)}", **style)
        panel.set_xlabel(report.subject)
        values = report.values[report.subject]
        if report.scale == "categories":
            panel.set_xticks(range(len(values)), [text_of(value) for value in values])
        elif all(isinstance(value, int) for value in values):
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylabel(f"validation RMSE ({report.unit})")
    left.legend(fontsize=8, framealpha=0.9)
    figure.suptitle(report.budget, fontsize=9)
    return figure


def _position(report: SweepReport, value: Any) -> float:
    """Return the place of a value of the subject on the horizontal axis."""
    return report.values[report.subject].index(value) if report.scale == "categories" else float(value)


def _series(report: SweepReport, rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, int, Rows]]:
    """Return label, number and rows for each value of `by`, in the order of the horizontal axis."""
    ordered = sorted(rows, key=lambda row: _position(report, row[report.subject]))
    if report.by is None:
        return [("", 0, ordered)]
    values, name = report.values[report.by], report.by.partition(".")[2]
    parts = [[row for row in ordered if row[report.by] == value] for value in values]
    return [(f"{name} {text_of(values[n])}, ", n, part) for n, part in enumerate(parts)]


def _draw_errors(panel: Axes, report: SweepReport) -> None:
    """Draw each trial and the mean of each finalist; failed trials do not extend the axis."""
    trials = [row for row in report.trials if row["rmse"] is not None]
    for label, number, rows in _series(report, trials):
        for (role, state), (marker, is_filled, meaning) in _MARKERS.items():
            found = [row for row in rows if (row["role"], row["state"]) == (role, state)]
            colour = f"C{number}" if label else _RED if role == "finalist" else _GREY
            style: dict[str, Any] = {"facecolors": colour if is_filled else "none", "edgecolors": colour}
            if found:
                x, y = _columns(report, found, "rmse")
                panel.scatter(x, y, marker=marker, s=28, zorder=2, label=f"{label}{meaning}", **style)
    values = [row["rmse"] for row in trials if row["state"] != "failed"]
    for label, number, rows in _series(report, (row for row in report.finalists if row["rmse"] is not None)):
        x, y = _columns(report, rows, "rmse")
        half_widths = [row["half_width"] or 0 for row in rows]
        style = {"color": f"C{number}" if label else _RED, "marker": "D", "markersize": 5, "capsize": 4}
        style |= {"linewidth": 1.2, "linestyle": "none" if report.scale == "categories" else "-"}
        panel.errorbar(x, y, half_widths, label=f"{label}finalists, 95 % interval", zorder=3, **style)
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
            panel.axhline(value, color=f"C{9 - index}", linestyle=":", label=f"{title}, {value:.4g}")
        else:
            outside.append(f"{title} {value:.4g}")
    if outside:
        panel.set_title("outside: " + ", ".join(outside), fontsize=8, loc="left")


def _draw_cost(panel: Axes, report: SweepReport) -> None:
    """Draw operations as squares, and the speed of each trial as triangles on an axis of its own."""
    speed, line = panel.twinx(), "none" if report.scale == "categories" else "-"
    for label, number, rows in _series(report, (row for row in report.trials if row["samples_per_second"] is not None)):
        x, flop = _columns(report, rows, "flop_per_lr_px")
        panel.plot(x, [value / 1e3 for value in flop], "s", linestyle=line, color=f"C{number}" if label else _BLUE)
        x, samples = _columns(report, rows, "samples_per_second")
        speed.plot(x, samples, "^", color=f"C{number}" if label else _GREEN, alpha=0.5)
    colours = ("black", "black") if report.by else (_BLUE, _GREEN)
    panel.set_ylabel("kFLOP per LR pixel (squares)", color=colours[0])
    speed.set_ylabel("samples per second in training, each trial (triangles)", color=colours[1])
    panel.set_ylim(bottom=0)
    speed.set_ylim(bottom=0)


def _columns(report: SweepReport, rows: Rows, name: str) -> tuple[list[float], list[float]]:
    """Return the places on the horizontal axis, and a value of each row."""
    return [_position(report, row[report.subject]) for row in rows], [row[name] for row in rows]
