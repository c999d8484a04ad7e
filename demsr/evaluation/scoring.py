"""Score super-resolution methods on a file of pairs: by area, by group of areas, and by block for the bootstrap."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from demsr.errors import PairsError
from demsr.metrics.elevation import elevation_errors
from demsr.metrics.terrain import slope_deg
from demsr.model.device import device_of
from demsr.pairs.area import BLOCK_MEAN, THREE_ARCSEC, UNKNOWN, Area
from demsr.pairs.pair_file import METRES, PairFile

BLOCK_HR_PX = 40  # side of the blocks of the bootstrap; errors of neighbouring pixels are correlated

_Image = NDArray[np.float32]


@dataclass(frozen=True)
class AreaScore:
    """Errors of one method in one area.

    Attributes
    ----------
    area : name of the area
    group : slug such as "land_3arcsec"; means are taken within a group only
    unit : of the elevations, "m" or "scaled"
    metrics : from `elevation_errors`, and slope_rmse_deg if the pixel size is known
    block_squares, block_pixels : (blocks,), sum of squared errors and number of measured pixels
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
    """Compute the errors of a method by area.

    Parameters
    ----------
    method : maps (B, 1, h, w) to (B, 1, scale*h, scale*w) elevations, on the device of its parameters
    pairs : pairs of at least one area
    batch_size : pairs at a time

    Raises
    ------
    PairsError : the file does not name its areas
    """
    if not pairs.areas:
        message = f"{pairs.path}: has no areas to score; take it over with `demsr profile mindearth --pairs FILE`"
        raise PairsError(message)
    last = {int(area): index for index, area in enumerate(pairs.samples["area"])}
    errors: dict[int, list[tuple[_Image, _Image]]] = defaultdict(list)
    scores: dict[int, AreaScore] = {}
    for index, sr, hr in _predictions(method, pairs, batch_size):
        area = int(pairs.samples["area"][index])
        errors[area].append((sr - hr, _slope_error(pairs, index, sr, hr)))
        if index == last[area]:  # only areas that are not complete stay in memory, mostly one
            scores[area] = _area_score(pairs, area, *map(np.stack, zip(*errors.pop(area), strict=True)))
    return {pairs.areas[area].name: scores[area] for area in sorted(scores)}


def pooled_rmse(method: nn.Module, pairs: PairFile, *, batch_size: int = 16) -> float:
    """Return the RMSE over all measured pixels of a file together, the validation metric.

    Parameters
    ----------
    method : as in `score`
    pairs : pairs with or without areas
    batch_size : pairs at a time
    """
    squares, count = 0.0, 0
    for _, sr, hr in _batch_predictions(method, pairs, batch_size):
        measured = np.isfinite(hr)
        squares += float(np.square(sr[measured] - hr[measured], dtype=np.float64).sum())
        count += int(measured.sum())
    return math.sqrt(squares / count)


def group_slug(domain: str, area: Area, *, unit: str = METRES) -> str:
    """Return the name of the group that an area belongs to, by the kind of its pairs and of its terrain.

    Parameters
    ----------
    domain : "land" or "marine"
    area : description of the area
    unit : of the elevations, "m" or "scaled"
    """
    parts = [domain, "3arcsec" if area.pair_kind == THREE_ARCSEC else area.pair_kind.replace("-", "_")]
    parts += [] if area.degradation in (BLOCK_MEAN, UNKNOWN) else [area.degradation]
    parts += ["synthetic"] if area.synthetic else []
    return "_".join(parts + ([unit] if unit != METRES else []))


def mean_metrics(scores: Mapping[str, AreaScore], group: str) -> dict[str, float]:
    """Return the means over the areas of a group, with the same weight for every area.

    Parameters
    ----------
    scores : by area
    group : slug of the group

    Returns
    -------
    the metrics that all areas of the group have
    """
    rows = [score.metrics for score in scores.values() if score.group == group]
    everywhere = [metric for metric in rows[0] if all(metric in row for row in rows)]
    return {metric: float(np.mean([row[metric] for row in rows])) for metric in everywhere}


def gains(scores: Mapping[str, AreaScore], reference: Mapping[str, AreaScore]) -> dict[str, float]:
    """Return the RMSE gain over a reference method by area, per cent.

    Parameters
    ----------
    scores : scores of the method by area
    reference : scores of the reference method, of at least these areas
    """
    return {area: 100 * (1 - scores[area].rmse / reference[area].rmse) for area in scores}


def _batch_predictions(method: nn.Module, pairs: PairFile, batch_size: int) -> Iterator[tuple[slice, _Image, _Image]]:
    """Yield (indices, sr, hr) by batch, each image (B, 1, scale*h, scale*w)."""
    device = device_of(method)
    for part, lr, hr in pairs.batches(batch_size):
        with torch.inference_mode():
            sr = method(torch.from_numpy(lr).to(device)).cpu().numpy()
        yield part, sr, hr


def _predictions(method: nn.Module, pairs: PairFile, batch_size: int) -> Iterator[tuple[int, _Image, _Image]]:
    """Yield (index, sr, hr) by pair, each image (scale*h, scale*w)."""
    for part, sr, hr in _batch_predictions(method, pairs, batch_size):
        yield from zip(range(part.start, part.stop), sr[:, 0], hr[:, 0], strict=True)


def _slope_error(pairs: PairFile, index: int, sr: _Image, hr: _Image) -> _Image:
    """Return the error of the slope in degrees; empty if the pixel size is unknown."""
    width_m, height_m = pairs.pixel_size_m(index)
    if not (math.isfinite(width_m) and math.isfinite(height_m)):
        return np.empty(0, np.float32)
    sr_slope, hr_slope = (slope_deg(image, pixel_width_m=width_m, pixel_height_m=height_m) for image in (sr, hr))
    return (sr_slope - hr_slope).astype(np.float32)


def _area_score(pairs: PairFile, area: int, error: _Image, slope_error: _Image) -> AreaScore:
    squares, pixels = _blocks(error)
    metrics = elevation_errors(error, unit=pairs.unit)
    measured = slope_error[np.isfinite(slope_error)]
    if measured.size:
        metrics["slope_rmse_deg"] = float(np.sqrt(np.square(measured, dtype=np.float64).mean()))
    described = pairs.areas[area]
    group = group_slug(str(pairs.attributes["domain"]), described, unit=pairs.unit)
    return AreaScore(described.name, group, pairs.unit, metrics, squares, pixels)


def _blocks(error: _Image) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum (N, H, W) squared errors and count pixels by block; incomplete blocks in the south and east are left out."""
    count, height, width = error.shape
    side = min(BLOCK_HR_PX, height, width)
    rows, cols = height // side, width // side
    blocks = error[:, : rows * side, : cols * side].reshape(count, rows, side, cols, side).astype(np.float64)
    measured = np.isfinite(blocks)
    squares = np.where(measured, np.square(blocks), 0.0).sum(axis=(2, 4)).ravel()
    return squares, measured.sum(axis=(2, 4)).ravel()
