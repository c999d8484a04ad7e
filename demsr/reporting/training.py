"""What a finished training leaves: the model, metrics for `dvc metrics`, curves for `dvc plots`, a picture."""

from pathlib import Path
from typing import Any

from demsr.evaluation.examples import comparisons
from demsr.model.checkpoint import parameter_count, save_model
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty
from demsr.pairs.store import PairFile
from demsr.reporting.figures import save_comparison
from demsr.runtime.files import write_csv, write_json
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
    config = save_model(net, model, training={**training, "unit": valid.unit}, uncertainty=uncertainty)
    run.log_tags({"weights_sha256": config.weights_sha256})  # the registry finds the run of a model by it
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
