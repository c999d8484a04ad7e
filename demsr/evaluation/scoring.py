"""Score super-resolution methods on a file of pairs: per area, per kind of pairs, and per block for the bootstrap."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from demsr.errors import PairsError
from demsr.metrics.elevation import elevation_errors
from demsr.metrics.terrain import slope_deg
from demsr.model.device import device_of
from demsr.pairs.cut import THREE_ARCSEC
from demsr.pairs.store import FITTED, METRES, REAL, Area, PairFile

BLOCK_HR_PX = 40  # side of the blocks that are resampled: errors of neighbouring pixels are not independent


@dataclass(frozen=True)
class AreaScore:
    """Errors of one method in one area.

    Attributes
    ----------
    group : slug such as "land_3arcsec"; areas of different groups never share a row
    unit : of the heights: m, or scaled
    metrics : from `elevation_errors`, and slope_rmse_deg where pixels have a size
    block_squares, block_pixels : sum of squared errors and number of measured pixels of each block
    """

    area: str
    group: str
    unit: str
    metrics: Mapping[str, float]
    block_squares: NDArray[np.float64]
    block_pixels: NDArray[np.int64]

    @property
    def rmse(self) -> float:
        """RMSE, in `unit`."""
        return self.metrics[f"rmse_{self.unit}"]


def score(method: nn.Module, pairs: PairFile, *, batch_size: int = 16) -> dict[str, AreaScore]:
    """Return the errors of a method by area.

    Parameters
    ----------
    method : maps (B, 1, h, w) metres to (B, 1, scale*h, scale*w) metres, on the device of its parameters
    """
    if not pairs.areas:
        message = f"{pairs.path}: has no areas to score; take it over with `demsr profile mindearth --pairs FILE`"
        raise PairsError(message)
    of_area: dict[int, list[tuple[NDArray[np.float32], NDArray[np.float32]]]] = defaultdict(list)
    last = {int(area): index for index, area in enumerate(pairs.samples["area"])}
    scores: dict[int, AreaScore] = {}
    device = device_of(method)
    for part, lr, hr in pairs.batches(batch_size):
        with torch.inference_mode():
            sr = method(torch.from_numpy(lr).to(device)).cpu().numpy()
        for offset, index in enumerate(range(part.start, part.stop)):
            area = int(pairs.samples["area"][index])
            of_area[area].append(
                (sr[offset, 0] - hr[offset, 0], _slope_error(pairs, index, sr[offset, 0], hr[offset, 0]))
            )
            if index == last[area]:  # memory holds the areas that are not finished, mostly one
                errors, slope_errors = map(np.stack, zip(*of_area.pop(area), strict=True))
                scores[area] = _area_score(pairs, area, errors, slope_errors)
    return {pairs.areas[area].name: scores[area] for area in sorted(scores)}


def pooled_rmse(method: nn.Module, pairs: PairFile, *, batch_size: int = 16) -> float:
    """Return the RMSE over all measured pixels of a file at once, as validation counts it."""
    squares, count, device = 0.0, 0, device_of(method)
    for _, lr, hr in pairs.batches(batch_size):
        with torch.inference_mode():
            sr = method(torch.from_numpy(lr).to(device)).cpu().numpy()
        measured = np.isfinite(hr)
        squares += float(np.square(sr[measured] - hr[measured], dtype=np.float64).sum())
        count += int(measured.sum())
    return math.sqrt(squares / count)


def group_slug(domain: str, area: Area, *, unit: str = METRES) -> str:
    """Return the name of a row of results: pairs of different kinds never share one, nor made and measured terrain."""
    parts = [domain, "3arcsec" if area.pair_kind == THREE_ARCSEC else area.pair_kind.replace("-", "_")]
    parts += [area.degradation] if area.degradation in (FITTED, REAL) else []
    parts += ["synthetic"] if area.synthetic else []
    return "_".join(parts + ([unit] if unit != METRES else []))


def mean_metrics(scores: Mapping[str, AreaScore], group: str) -> dict[str, float]:
    """Return the mean over the areas of a group, each area counting once."""
    rows = [score.metrics for score in scores.values() if score.group == group]
    everywhere = [metric for metric in rows[0] if all(metric in row for row in rows)]
    return {metric: float(np.mean([row[metric] for row in rows])) for metric in everywhere}


def gains(of: Mapping[str, AreaScore], over: Mapping[str, AreaScore]) -> dict[str, float]:
    """Return by area how many per cent the RMSE of one method lies below that of another."""
    return {area: 100 * (1 - of[area].rmse / over[area].rmse) for area in of}


def _slope_error(pairs: PairFile, index: int, sr: NDArray[np.float32], hr: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the difference of slopes in degrees, nothing where pixels have no size."""
    size = {f"pixel_{side}_m": float(pairs.samples[f"pixel_{side}_m"][index]) for side in ("width", "height")}
    if not all(map(math.isfinite, size.values())):
        return np.empty(0, np.float32)
    return (slope_deg(sr, **size) - slope_deg(hr, **size)).astype(np.float32)


def _area_score(pairs: PairFile, area: int, error: NDArray[np.float32], slope_error: NDArray[np.float32]) -> AreaScore:
    squares, pixels = _blocks(error)
    metrics = elevation_errors(error, unit=pairs.unit)
    measured = slope_error[np.isfinite(slope_error)]
    if measured.size:
        metrics["slope_rmse_deg"] = float(np.sqrt(np.square(measured, dtype=np.float64).mean()))
    described = pairs.areas[area]
    group = group_slug(str(pairs.attributes["domain"]), described, unit=pairs.unit)
    return AreaScore(described.name, group, pairs.unit, metrics, squares, pixels)


def _blocks(error: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum (N, H, W) errors over blocks; what does not fill a block in the south and the east is left out."""
    count, height, width = error.shape
    side = min(BLOCK_HR_PX, height, width)
    rows, cols = height // side, width // side
    blocks = error[:, : rows * side, : cols * side].reshape(count, rows, side, cols, side).astype(np.float64)
    measured = np.isfinite(blocks)
    squares = np.where(measured, np.square(blocks), 0.0).sum(axis=(2, 4)).ravel()
    return squares, measured.sum(axis=(2, 4)).ravel()
