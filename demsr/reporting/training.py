"""Example patches for the validation and evaluation pictures."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from demsr.model.baselines import Bicubic
from demsr.model.predict import super_resolve_array
from demsr.pairs.cut import THREE_ARCSEC
from demsr.pairs.store import REAL, PairFile
from demsr.reporting.figures import Comparison

_PICTURE_ROWS = 3


def comparisons(pairs: PairFile, net: nn.Module, *, rows: int, method: str) -> list[Comparison]:
    """Return the patch with the strongest relief of each of the first areas, real pairs before others, as rows."""
    picked = _strongest_relief(pairs)[:rows]
    bicubic = Bicubic(scale=pairs.scale)
    rows_of_picture = []
    for index in picked:
        lr, hr = pairs.pair(index)
        with torch.inference_mode():
            base = bicubic(torch.from_numpy(lr[None])).numpy()[0, 0]
        samples = pairs.samples
        size = float(samples["pixel_width_m"][index]), float(samples["pixel_height_m"][index])
        area = pairs.areas[samples["area"][index]]
        lr_title = "15 arc-second input" if area.pair_kind == THREE_ARCSEC else "input, 5 times as coarse"
        lr_title = f"real input, {area.lr_source[:24]}" if area.degradation == REAL else lr_title
        prediction = super_resolve_array(lr[0], net)
        title = f"{area.name}\n{method}"
        rows_of_picture.append(Comparison(title, lr_title, lr[0], hr[0], base, prediction, size, pairs.unit))
    return rows_of_picture


def _strongest_relief(pairs: PairFile) -> Sequence[int]:
    best: dict[int, tuple[float, int]] = {}
    for part, lr, _ in pairs.batches(64):
        for index, relief in zip(range(part.start, part.stop), np.std(lr, axis=(1, 2, 3)), strict=True):
            area = int(pairs.samples["area"][index])
            best[area] = max(best.get(area, (-1.0, -1)), (float(relief), index))
    real_first = sorted(best, key=lambda area: (pairs.areas[area].degradation != REAL, area))
    return [best[area][1] for area in real_first]
