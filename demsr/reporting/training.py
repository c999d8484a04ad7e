"""What a finished training leaves in results/: metrics for `dvc metrics`, curves for `dvc plots`, a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from demsr.files import write_json
from demsr.model.baselines import Bicubic
from demsr.model.predict import super_resolve_array
from demsr.pairs.cut import THREE_ARCSEC
from demsr.pairs.store import PairFile
from demsr.reporting.figures import Comparison
from demsr.reporting.tables import write_csv
from demsr.training.fit import FitResult

_CURVES = ("epoch", "train_loss", "valid_rmse_m", "learning_rate")


def write_training(folder: Path, result: FitResult) -> dict[str, float]:
    """Write metrics.json and curves.csv, and return what else to log.

    What differs from one run to the next (seconds, memory) goes to MLflow alone.
    """
    metrics = {"valid_rmse_m": result.valid_rmse_m, "best_epoch": result.best_epoch, "epochs": result.epochs}
    write_json(folder / "metrics.json", metrics)
    write_csv(folder / "curves.csv", [{name: row[name] for name in _CURVES if name in row} for row in result.curves])
    return {  # under names of their own, beside the curves of the epochs
        "best_valid_rmse_m": result.valid_rmse_m,
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        "median_samples_per_second": result.samples_per_second,
        "peak_memory_gb": result.peak_memory_gb,
        "resumed_from_epoch": result.resumed_from_epoch,
    }


def comparisons(pairs: PairFile, net: nn.Module, *, rows: int, method: str) -> list[Comparison]:
    """Return the patch with the strongest relief of each of the first areas, as rows of a picture."""
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
        prediction = super_resolve_array(lr[0], net)
        title = f"{area.name}\n{method}"
        rows_of_picture.append(Comparison(title, lr_title, lr[0], hr[0], base, prediction, size))
    return rows_of_picture


def _strongest_relief(pairs: PairFile) -> Sequence[int]:
    best: dict[int, tuple[float, int]] = {}
    for part, lr, _ in pairs.batches(64):
        for index, relief in zip(range(part.start, part.stop), np.std(lr, axis=(1, 2, 3)), strict=True):
            area = int(pairs.samples["area"][index])
            best[area] = max(best.get(area, (-1.0, -1)), (float(relief), index))
    return [index for _, (_, index) in sorted(best.items())]
