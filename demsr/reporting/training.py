"""What a finished training leaves: the model, metrics for `dvc metrics`, curves for `dvc plots`, a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from demsr.model.baselines import Bicubic
from demsr.model.checkpoint import parameter_count, save_model
from demsr.model.predict import super_resolve_array
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty
from demsr.pairs.area import REAL, THREE_ARCSEC
from demsr.pairs.pair_file import PairFile
from demsr.reporting.figures import Comparison, save_comparison
from demsr.reporting.tables import write_csv
from demsr.runtime.files import write_json
from demsr.tracking.runs import Run
from demsr.training.fit import FitResult
from demsr.training.task import valid_rmse_name

_PICTURE_ROWS = 3


def keep_training(
    run: Run,
    net: DemSrNet,
    result: FitResult,
    *,
    model: Path,
    results: Path,
    valid: PairFile,
    training: dict[str, Any],
    uncertainty: Uncertainty | None,
) -> None:
    """Write what a training leaves, the model first, and log it to its run.

    What differs from one run to the next (seconds, memory) goes to MLflow alone.

    Parameters
    ----------
    model, results : folders of the model and of metrics.json, curves.csv, validation.png and run.json
    training : how the weights came about, kept with them
    uncertainty : how far their results may lie from the truth, kept with them
    """
    save_model(net, model, training={**training, "unit": valid.unit}, uncertainty=uncertainty)
    metric = valid_rmse_name(valid.unit)
    metrics = {metric: result.valid_rmse, "best_epoch": result.best_epoch, "epochs": result.epochs}
    write_json(results / "metrics.json", metrics)
    columns = ("epoch", "train_loss", metric, "learning_rate")
    write_csv(results / "curves.csv", [{name: row[name] for name in columns if name in row} for row in result.curves])
    write_json(results / "run.json", {"run_id": run.id, "name": run.name})
    run.log_metrics(
        {  # under names of their own, beside the curves of the epochs
            f"best_{metric}": result.valid_rmse,
            "best_epoch": result.best_epoch,
            "epochs": result.epochs,
            "parameters": parameter_count(net),
            "median_samples_per_second": result.samples_per_second,
            "peak_memory_gb": result.peak_memory_gb,
            "resumed_from_epoch": result.resumed_from_epoch,
        }
    )
    save_comparison(results / "validation.png", comparisons(valid, net, rows=_PICTURE_ROWS, method=model.name))
    run.log_file(results / "validation.png")


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
