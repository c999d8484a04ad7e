"""Example patches with their truth, interpolation and prediction, for figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from demsr.model.baselines import Bicubic
from demsr.model.predict import super_resolve_array
from demsr.pairs.area import REAL, THREE_ARCSEC
from demsr.pairs.pair_file import PairFile


@dataclass(frozen=True)
class Comparison:
    """One patch with its truth, its bicubic interpolation and a prediction; NaN where void.

    Attributes
    ----------
    title : area and method
    lr_title : kind of input
    lr : (h, w)
    truth, bicubic, prediction : (scale*h, scale*w)
    pixel_size_m : (width, height) of an HR pixel, NaN where unknown
    unit : of the elevations, "m" or "scaled"
    """

    title: str
    lr_title: str
    lr: NDArray[np.float32]
    truth: NDArray[np.float32]
    bicubic: NDArray[np.float32]
    prediction: NDArray[np.float32]
    pixel_size_m: tuple[float, float]
    unit: str = "m"


def comparisons(pairs: PairFile, net: nn.Module, *, rows: int, method: str) -> list[Comparison]:
    """Compare predictions with the truth on the patch with the strongest relief of each area.

    Parameters
    ----------
    pairs : patches of one or more areas
    net : model on the CPU or on another device, in eval mode
    rows : areas at most, those with real LR first
    method : name of the net, for the titles
    """
    bicubic = Bicubic(scale=pairs.scale)
    found = []
    for index in _strongest_relief(pairs)[:rows]:
        lr, hr = pairs.pair(index)
        with torch.inference_mode():
            interpolated = bicubic(torch.from_numpy(lr[None])).numpy()[0, 0]
        area, title = pairs.areas[pairs.samples["area"][index]], "input, 5 times as coarse"
        if area.degradation == REAL:
            title = f"real input, {area.lr_source[:24]}"
        elif area.pair_kind == THREE_ARCSEC:
            title = "15 arc-second input"
        prediction, size = super_resolve_array(lr[0], net), pairs.pixel_size_m(index)
        heading = f"{area.name}\n{method}"
        found.append(Comparison(heading, title, lr[0], hr[0], interpolated, prediction, size, pairs.unit))
    return found


def _strongest_relief(pairs: PairFile) -> Sequence[int]:
    """Return for each area the index of the patch whose LR elevation varies most."""
    best: dict[int, tuple[float, int]] = {}
    for part, lr, _ in pairs.batches(64):
        for index, relief in zip(range(part.start, part.stop), np.std(lr, axis=(1, 2, 3)), strict=True):
            area = int(pairs.samples["area"][index])
            best[area] = max(best.get(area, (-1.0, -1)), (float(relief), index))
    real_first = sorted(best, key=lambda area: (pairs.areas[area].degradation != REAL, area))
    return [best[area][1] for area in real_first]
