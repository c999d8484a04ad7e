"""Pictures for people: hillshaded comparisons, errors against depth. The only importer of matplotlib."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LightSource, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from demsr.runtime.files import atomic_write

if TYPE_CHECKING:
    from demsr.evaluation.examples import Comparison

_LAND, _SEA, _ERROR = "gist_earth", "viridis", "RdBu_r"


@dataclass(frozen=True)
class BeforeAfter:
    """A part of a raster before and after.

    Attributes
    ----------
    lr : (h, w); bicubic, sr : (scale*h, scale*w); metres, NaN where void
    pixel_size_m : (width, height) of an HR pixel
    """

    lr: NDArray[np.float32]
    bicubic: NDArray[np.float32]
    sr: NDArray[np.float32]
    pixel_size_m: tuple[float, float]


def save_before_after(path: Path, part: BeforeAfter) -> None:
    """Draw input | bicubic | super-resolved, hillshaded, with one colour bar in metres."""
    low, high = float(np.nanmin(part.lr)), float(np.nanmax(part.lr))
    norm, colours = Normalize(low, max(high, low + 1)), _SEA if high < 0 else _LAND
    (width, height), scale = part.pixel_size_m, part.sr.shape[0] // part.lr.shape[0]
    exaggeration = _exaggeration(part.bicubic, width, most=60.0)
    figure, axes = plt.subplots(1, 3, figsize=(17, 5.6), layout="constrained")
    panels = (("input", part.lr, scale), ("bicubic", part.bicubic, 1), ("super-resolved", part.sr, 1))
    for axis, (name, elevation, step) in zip(axes, panels, strict=True):
        size = f"{width * step:.0f} x {height * step:.0f} m"
        shaded = _shaded(elevation, norm, colours, exaggeration, (width * step, height * step))
        _show(axis, shaded, f"{name}, pixels of {size}")
    figure.colorbar(ScalarMappable(norm, colours), ax=list(axes), label="elevation (m)", shrink=0.85, pad=0.01)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=80, metadata={"Software": None})
    plt.close(figure)


def save_comparison(path: Path, rows: "list[Comparison]") -> None:
    """Draw LR | truth | bicubic | prediction | error, hillshaded, with colour bars in metres."""
    figure, axes = plt.subplots(len(rows), 5, figsize=(17, 3.55 * len(rows)), squeeze=False, layout="constrained")
    for row, comparison in zip(axes, rows, strict=True):
        _draw_row(figure, row, comparison)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=80, metadata={"Software": None})
    plt.close(figure)


def save_sweep(
    path: Path,
    *,
    axis: str,
    unit: str,
    reference: float,
    trials: Sequence[Mapping[str, Any]],
    finalists: Sequence[Mapping[str, Any]],
    baselines: Mapping[str, float],
    title: str,
) -> None:
    """Draw the error against depth (or learning rate): every trial, finalists with their interval; beside it the cost.

    Parameters
    ----------
    axis : num_blocks or learning_rate
    reference : value of it that is marked
    trials, finalists : rows of a sweep's report
    baselines : RMSE by method
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2), width_ratios=(3, 2), layout="constrained")
    if axis == "learning_rate":
        left.set_xscale("log")
        right.set_xscale("log")
    _draw_errors(left, axis, trials, finalists)
    _draw_baselines(left, baselines)
    _draw_cost(right, axis, trials)
    right.set_xlim(left.get_xlim())
    name = "ResBlocks" if axis == "num_blocks" else "learning rate"
    for panel in (left, right):
        panel.axvline(reference, color="0.4", linestyle="--", linewidth=1, label=f"reference, {reference:g}", zorder=0)
        panel.set_xlabel(name)
        if axis == "num_blocks":
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylabel(f"validation RMSE ({unit})")
    left.legend(fontsize=8, framealpha=0.9)
    figure.suptitle(title, fontsize=9)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _draw_errors(
    panel: Axes, axis: str, trials: Sequence[Mapping[str, Any]], finalists: Sequence[Mapping[str, Any]]
) -> None:
    looks = {
        ("trial", "finished"): ("o", "0.45", "0.45", "trials to the end"),
        ("trial", "stopped early"): ("o", "none", "0.6", "trials stopped early"),
        ("finalist", "finished"): (".", "tab:red", "tab:red", "finalists, each seed"),
    }
    for (role, state), (marker, face, edge, label) in looks.items():
        points = [row for row in trials if row["role"] == role and row["state"] == state and row["rmse"] is not None]
        if points:
            where, errors = [row[axis] for row in points], [row["rmse"] for row in points]
            panel.scatter(where, errors, marker=marker, facecolors=face, edgecolors=edge, s=28, label=label, zorder=2)
    means = sorted((row for row in finalists if row["rmse"] is not None), key=lambda row: float(row[axis]))
    panel.errorbar(
        [row[axis] for row in means],
        [row["rmse"] for row in means],
        [row["half_width"] or 0 for row in means],
        color="tab:red",
        marker="D",
        markersize=5,
        capsize=4,
        linewidth=1.2,
        label="finalists, 95 % interval",
        zorder=3,
    )
    values = [row["rmse"] for row in trials if row["rmse"] is not None and row["state"] != "failed"]
    values += [row["rmse"] + sign * (row["half_width"] or 0) for row in means for sign in (-1, 1)]
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), 1e-3 * abs(high))
    panel.set_ylim(low - margin, high + margin)


def _draw_baselines(panel: Axes, baselines: Mapping[str, float]) -> None:
    """Draw baselines as lines; those beyond the panel as a line of text at its edge."""
    low, high = panel.get_ylim()
    beyond = []
    for index, (name, value) in enumerate(sorted(baselines.items(), key=lambda item: item[1])):
        if low <= value <= high:
            panel.axhline(value, color=f"C{index}", linestyle=":", label=f"{name.replace('_', ' ')}, {value:.4g}")
        else:
            beyond.append(f"{name.replace('_', ' ')} {value:.4g}")
    if beyond:
        panel.set_title("outside: " + ", ".join(beyond), fontsize=8, loc="left")


def _draw_cost(panel: Axes, axis: str, trials: Sequence[Mapping[str, Any]]) -> None:
    rows = sorted((row for row in trials if row["samples_per_second"] is not None), key=lambda row: float(row[axis]))
    where = [row[axis] for row in rows]
    panel.plot(where, [row["flop_per_lr_px"] / 1e3 for row in rows], "s-", color="tab:blue")
    panel.set_ylabel("kFLOP for an LR pixel", color="tab:blue")
    panel.set_ylim(bottom=0)
    beside = panel.twinx()
    beside.plot(where, [row["samples_per_second"] for row in rows], "^", color="tab:green", alpha=0.5)
    beside.set_ylabel("samples per second in training, each trial", color="tab:green")
    beside.set_ylim(bottom=0)


def _draw_row(figure: Figure, axes: NDArray[np.object_], row: "Comparison") -> None:
    low, high = float(np.nanmin(row.truth)), float(np.nanmax(row.truth))
    least = 1.0 if row.unit == "m" else float(np.finfo(np.float32).eps)  # range that is shown, of flat terrain
    norm = Normalize(low, max(high, low + least))
    colours = _SEA if high < 0 else _LAND
    width, height = row.pixel_size_m if np.isfinite(row.pixel_size_m).all() else (1.0, 1.0)
    scale = row.truth.shape[0] // row.lr.shape[0]
    panels = (
        (row.lr_title, row.lr, scale),
        ("truth", row.truth, 1),
        ("bicubic", row.bicubic, 1),
        ("prediction", row.prediction, 1),
    )
    exaggeration = _exaggeration(row.truth, width, most=60.0 if row.unit == "m" else np.inf)
    for axis, (name, elevation, step) in zip(axes, panels, strict=False):
        shaded = _shaded(elevation, norm, colours, exaggeration, (width * step, height * step))
        _show(axis, shaded, f"{name}, {_rmse(elevation, row)}" if name in ("bicubic", "prediction") else name)
    label = f"elevation ({row.unit})"
    figure.colorbar(ScalarMappable(norm, colours), ax=list(axes[:4]), label=label, shrink=0.85, pad=0.01)
    error = row.prediction - row.truth
    limit = max(float(np.nanpercentile(np.abs(row.bicubic - row.truth), 98)), 0.1 * least)
    image = axes[4].imshow(error, cmap=_ERROR, vmin=-limit, vmax=limit)
    _clean(axes[4], "error = prediction - truth")
    figure.colorbar(image, ax=axes[4], label=f"error ({row.unit})", shrink=0.85)
    axes[0].set_ylabel(row.title, fontsize=9)


def _shaded(
    elevation: NDArray[np.float32], norm: Normalize, colours: str, exaggeration: float, pixel_m: tuple[float, float]
) -> NDArray[np.float64]:
    """Return colours by height, shaded by light from the north-west; voids are grey."""
    filled = np.nan_to_num(elevation, nan=float(np.nanmean(elevation)))
    shaded: NDArray[np.float64] = LightSource(azdeg=315, altdeg=40).shade(
        filled,
        cmap=plt.get_cmap(colours),
        norm=norm,
        blend_mode="soft",
        vert_exag=exaggeration,
        dx=pixel_m[0],
        dy=pixel_m[1],
    )
    shaded[np.isnan(elevation)] = (0.85, 0.85, 0.85, 1)
    return shaded


def _show(axis: Axes, image: NDArray[np.float64], title: str) -> None:
    axis.imshow(image, interpolation="nearest")
    _clean(axis, title)


def _clean(axis: Axes, title: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])


def _rmse(elevation: NDArray[np.float32], row: "Comparison") -> str:
    return f"RMSE {np.sqrt(np.nanmean(np.square(elevation - row.truth))):.3g} {row.unit}"


def _exaggeration(truth: NDArray[np.float32], pixel_width: float, *, most: float) -> float:
    """Return a vertical exaggeration that makes typical slopes visible."""
    rise = float(np.nanmean(np.abs(np.diff(truth, axis=1)))) / pixel_width
    return min(max(0.35 / max(rise, 1e-12), 1), most)
