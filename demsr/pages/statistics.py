"""Numbers of a report: block means, slopes, spectra, and errors against the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demsr.metrics.consistency import shift_px
from demsr.metrics.elevation import elevation_errors
from demsr.metrics.spectra import WINDOW_PX, Spectra, spectra
from demsr.metrics.terrain import slope_deg, terrain_errors
from demsr.pages.scenes import RESULT, Scene

_BINS = 40
_Image = NDArray[np.floating]
SHARES = (1.0, 1.645)
"""Standard errors within which 68 and 90 per cent of normally distributed errors lie."""


@dataclass(frozen=True)
class Consistency:
    """Differences between the means of the blocks of a result and the cells of its input, metres."""

    rms_m: float
    p95_m: float
    largest_m: float
    cells: int


def consistency(scenes: Sequence[Scene]) -> Consistency | None:
    """Compare block means with the input; None if no block is complete.

    Parameters
    ----------
    scenes : parts of the product
    """
    found = np.concatenate([block_difference(scene).ravel() for scene in scenes])
    found = np.abs(found[np.isfinite(found)])
    if not found.size:
        return None
    rms = float(np.sqrt(np.square(found).mean()))
    return Consistency(rms, float(np.percentile(found, 95)), float(found.max()), found.size)


def block_difference(scene: Scene) -> NDArray[np.float64]:
    """Return the mean of each block minus the cell of the input, (h, w) metres, NaN where either has a void.

    Parameters
    ----------
    scene : part of a product
    """
    (rows, cols), scale = scene.lr.shape, scene.scale
    means: NDArray[np.float64] = scene.sr.astype(np.float64).reshape(rows, scale, cols, scale).mean(axis=(1, 3))
    return means - scene.lr


def slope_shares(
    scenes: Sequence[Scene], names: Sequence[str]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]] | None:
    """Return the middles of classes of slope in degrees, and for each method the per cent of pixels in them.

    Parameters
    ----------
    scenes : parts of the product
    names : methods, or "truth"
    """
    slopes = {name: np.concatenate([_slope(scene, name).ravel() for scene in scenes]) for name in names}
    slopes = {name: values[np.isfinite(values)] for name, values in slopes.items()}
    if not all(values.size for values in slopes.values()):
        return None
    steepest = max(float(np.percentile(values, 99.5)) for values in slopes.values())
    edges = np.linspace(0, max(steepest, 0.1), _BINS + 1)
    shares = {name: 100 * np.histogram(values, edges)[0] / max(values.size, 1) for name, values in slopes.items()}
    return (edges[1:] + edges[:-1]) / 2, shares


def spectrum(scenes: Sequence[Scene], name: str, reference: str) -> Spectra | None:
    """Compare the spectrum of a method with that of another, or with the truth, over all parts of 160 x 160 pixels.

    Parameters
    ----------
    scenes : parts of the product
    name : method
    reference : method, or "truth"
    """
    widest = max(scene.sr.shape[1] for scene in scenes)
    pairs = [(scene.methods[name], _reference(scene, name, reference)) for scene in scenes]
    stacks = [np.concatenate([_whole_rows(pair[side], widest) for pair in pairs]) for side in (0, 1)]
    width, height = scenes[0].grid.pixel_size_m()
    return spectra(stacks[0], stacks[1], pixel_width_m=width, pixel_height_m=height)


def errors(scenes: Sequence[Scene], name: str) -> dict[str, float]:
    """Return the errors of a method against the truth, see `elevation_errors`, `terrain_errors` and `shift_px`.

    Parameters
    ----------
    scenes : parts of the product with truth
    name : method

    Raises
    ------
    VoidError : no pixel is measured in both
    """
    error = np.concatenate([(scene.methods[name] - scene.truths[name]).ravel() for scene in scenes])
    terrain = [
        terrain_errors(scene.methods[name], scene.truths[name], pixel_width_m=width, pixel_height_m=height)
        for scene in scenes
        for width, height in [scene.grid.pixel_size_m()]
    ]
    shifts = np.array([shift_px(scene.methods[name], scene.truths[name]) for scene in scenes])
    known = shifts[np.isfinite(shifts).all(axis=1)]
    east, south = known.mean(axis=0) if len(known) else (np.nan, np.nan)
    pooled = {key: _rms(np.array([part[key] for part in terrain])) for key in terrain[0]}
    return {**elevation_errors(error), **pooled, "shift_east_px": float(east), "shift_south_px": float(south)}


def coverage(scenes: Sequence[Scene]) -> list[tuple[float, float]]:
    """Return multiples of the standard error and the per cent of pixels whose error they cover.

    Parameters
    ----------
    scenes : parts of the product with truth and standard error
    """
    ratios = [np.abs(scene.sr - scene.truths[RESULT]) / scene.sigma for scene in scenes if scene.sigma is not None]
    ratio = np.concatenate([part[np.isfinite(part)] for part in ratios]) if ratios else np.empty(0)
    return [(share, 100 * float((ratio <= share).mean())) for share in SHARES] if ratio.size else []


def roughness(scene: Scene) -> float:
    """Return how much the relief of a part varies, to choose the part to show.

    Parameters
    ----------
    scene : part of a product
    """
    return float(np.nan_to_num(np.abs(np.diff(scene.lr, n=2, axis=0))).sum()) if scene.lr.shape[0] > 2 else 0.0


def _reference(scene: Scene, name: str, reference: str) -> _Image:
    return scene.truths[name] if reference == "truth" else scene.methods[reference]


def _slope(scene: Scene, name: str) -> _Image:
    width, height = scene.grid.pixel_size_m()
    image = scene.truths[RESULT] if name == "truth" else scene.methods[name]
    return slope_deg(image, pixel_width_m=width, pixel_height_m=height)


def _whole_rows(image: _Image, width: int) -> _Image:
    """Return as many rows as make whole windows of a spectrum, and void columns up to a width."""
    rows = image.shape[0] // WINDOW_PX * WINDOW_PX
    return np.pad(image[:rows], ((0, 0), (0, width - image.shape[1])), constant_values=np.nan)


def _rms(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.square(known).mean())) if known.size else float("nan")
