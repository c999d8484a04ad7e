"""Artifacts of a finished training: model folder, metrics.json, curves.csv and the final metrics of its run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demsr.model.checkpoint import parameter_count, save_model
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty
from demsr.runtime.files import write_csv, write_json
from demsr.tracking.runs import Run
from demsr.training.fit import FitResult
from demsr.training.task import valid_rmse_name


def save_training(
    run: Run,
    net: DemSrNet,
    result: FitResult,
    *,
    model: Path,
    results: Path,
    training: Mapping[str, Any],
    uncertainty: Uncertainty | None,
) -> None:
    """Write the artifacts of a training, the model first, and log its final metrics.

    Metrics that differ between two runs of the same training (speed, memory) go to the run only, not to the files.

    Parameters
    ----------
    run : open run of the training; it is tagged with the SHA-256 of the weights, by which the registry finds it
    net : trained net
    result : from `demsr.training.fit.fit`
    model : folder to write the model to
    results : folder of metrics.json and curves.csv
    training : description of the training, stored in the model's config.json; "unit" is the unit of its elevations
    uncertainty : calibration of the net, stored likewise
    """
    config = save_model(net, model, training=dict(training), uncertainty=uncertainty)
    run.log_weights_sha256(config.weights_sha256)
    metric = valid_rmse_name(training["unit"])
    metrics = {metric: result.valid_rmse, "best_epoch": result.best_epoch, "epochs": result.epochs}
    write_json(results / "metrics.json", metrics)
    columns = ("epoch", "train_loss", metric, "learning_rate")
    write_csv(results / "curves.csv", [{name: row[name] for name in columns if name in row} for row in result.curves])
    logged = {name: getattr(result, name) for name in ("best_epoch", "epochs", "peak_memory_gb", "resumed_from_epoch")}
    logged |= {f"best_{metric}": result.valid_rmse, "parameters": parameter_count(net)}  # "best_": not an epoch's value
    run.log_metrics(logged | {"median_samples_per_second": result.samples_per_second})
