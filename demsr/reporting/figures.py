"""Hillshaded comparisons of elevation grids as .png files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LightSource, Normalize
from matplotlib.figure import Figure

from demsr.runtime.files import atomic_write

if TYPE_CHECKING:
    from demsr.evaluation.examples import Comparison

plt.rcParams["text.parse_math"] = False  # names of files may contain dollar signs

_LAND, _SEA, _ERROR = "gist_earth", "viridis", "RdBu_r"


@dataclass(frozen=True)
class BeforeAfter:
    """A window of a raster before and after super-resolution, metres, NaN where void.

    Attributes
    ----------
    lr : (h, w), input
    bicubic, sr : (scale*h, scale*w), interpolated and super-resolved
    pixel_size_m : (width, height) of an HR pixel
    """

    lr: NDArray[np.float32]
    bicubic: NDArray[np.float32]
    sr: NDArray[np.float32]
    pixel_size_m: tuple[float, float]


def save_before_after(path: Path, part: BeforeAfter) -> None:
    """Draw input | bicubic | super-resolved, hillshaded, with one colour bar in metres.

    Parameters
    ----------
    path : picture to write, .png
    part : window to draw
    """
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
    _save(figure, path)


def save_comparison(path: Path, rows: "list[Comparison]") -> None:
    """Draw LR | truth | bicubic | prediction | error in one row for each patch, hillshaded, with colour bars.

    Parameters
    ----------
    path : picture to write, .png
    rows : patches to draw
    """
    figure, axes = plt.subplots(len(rows), 5, figsize=(17, 3.55 * len(rows)), squeeze=False, layout="constrained")
    for row, comparison in zip(axes, rows, strict=True):
        _draw_row(figure, row, comparison)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """Write a picture that holds no version of matplotlib, and free its memory."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=80, metadata={"Software": None})
    plt.close(figure)


def _draw_row(figure: Figure, axes: NDArray[np.object_], row: "Comparison") -> None:
    low, high = float(np.nanmin(row.truth)), float(np.nanmax(row.truth))
    least = 1.0 if row.unit == "m" else float(np.finfo(np.float32).eps)  # range of the colours on flat terrain
    norm = Normalize(low, max(high, low + least))
    colours = _SEA if high < 0 else _LAND
    width, height = row.pixel_size_m if np.isfinite(row.pixel_size_m).all() else (1.0, 1.0)
    scale = row.truth.shape[0] // row.lr.shape[0]
    panels = [(row.lr_title, row.lr, scale), ("truth", row.truth, 1)]
    panels += [("bicubic", row.bicubic, 1), ("prediction", row.prediction, 1)]
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
    """Return (H, W, 4) colours by elevation, shaded by light from the north-west; voids are grey."""
    filled = np.nan_to_num(elevation, nan=float(np.nanmean(elevation)))
    light, colour_map, (dx, dy) = LightSource(azdeg=315, altdeg=40), plt.get_cmap(colours), pixel_m
    shaded: NDArray[np.float64] = light.shade(
        filled, colour_map, norm=norm, blend_mode="soft", vert_exag=exaggeration, dx=dx, dy=dy
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
    """Return the vertical exaggeration, between 1 and `most`, that makes typical slopes visible."""
    rise = float(np.nanmean(np.abs(np.diff(truth, axis=1)))) / pixel_width
    return min(max(0.35 / max(rise, 1e-12), 1), most)
