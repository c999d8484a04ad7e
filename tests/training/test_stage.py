import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from pair_files import make_pairs

from demsr.errors import CheckpointError
from demsr.model.checkpoint import read_config
from demsr.tracking.store import EXPERIMENT, connect, experiment_id
from demsr.training.stage import TrainingStage, run_training

OPTIONS = {"batch_size": 2, "workers": 0, "max_epochs": 2, "learning_rate": 3e-3, "patience": 3, "devices": 1}
ROWS = [{"title": "hills", "kinds": ["land"]}, {"title": "abyss", "kinds": ["marine"]}]


@pytest.fixture
def stage(store: Path) -> TrainingStage:
    for number, split in enumerate(("train", "valid")):
        (store / "pairs").mkdir(exist_ok=True)
        make_pairs(store / "pairs" / f"{split}.h5", count=4, seed=number)
    (store / "products.json").write_text(json.dumps(ROWS))
    folders = {name: store / name for name in ("pairs", "results", "work")}
    return TrainingStage(
        "pretrain",
        "test",
        1,
        OPTIONS,
        products=store / "products.json",
        model=store / "net",
        **folders,
        net_options={"num_blocks": 1, "features": 4},
    )


def run(stage: TrainingStage) -> list[tuple]:
    """Run a stage and return the calls that draw its picture."""
    drawn = []

    def draw(path: Path, rows: list) -> None:
        path.write_text("picture")
        drawn.append((path.name, *rows))

    run_training(stage, calibrate=lambda *_: None, examples=lambda *_, rows, method: [rows, method], draw=draw)
    return drawn


def runs() -> list:
    return connect().search_runs([experiment_id(connect(), EXPERIMENT)], order_by=["start_time ASC"])


def test_a_stage_leaves_a_model_metrics_curves_a_picture_and_a_run_that_is_found_by_its_weights(stage):
    assert run(stage) == [("validation.png", 3, "net")]
    config = read_config(stage.model)
    assert config.training["data"] == ROWS[:1]  # a new net has seen no marine data
    assert (config.training["stage"], config.training["seed"], config.training["unit"]) == ("pretrain", 1, "m")
    metrics = json.loads((stage.results / "metrics.json").read_text())
    rows = list(csv.DictReader((stage.results / "curves.csv").read_text().splitlines()))
    assert list(rows[0]) == ["epoch", "train_loss", "valid_rmse_m", "learning_rate"]
    assert metrics["valid_rmse_m"] == min(float(row["valid_rmse_m"]) for row in rows)
    assert (metrics["epochs"], len(rows)) == (2, 2)
    (found,) = runs()
    assert found.data.tags["weights_sha256"] == config.weights_sha256
    assert found.data.metrics["best_valid_rmse_m"] == pytest.approx(metrics["valid_rmse_m"])
    assert {"parameters", "median_samples_per_second", "peak_memory_gb"} <= set(found.data.metrics)
    assert not list(stage.work.iterdir())  # checkpoints go when the artifacts are there


def test_fine_tuning_starts_from_a_model_and_names_all_data_of_both_trainings(stage, store):
    run(stage)
    pretrained = read_config(stage.model).weights_sha256
    tuned = replace(stage, name="finetune", start=stage.model, model=store / "tuned", net_options=None)
    run(tuned)
    training = read_config(tuned.model).training
    assert training["data"] == ROWS
    assert training["params"] == {"finetune": OPTIONS, "pretrained_sha256": pretrained}
    assert [found.data.tags["stage"] for found in runs()] == ["pretrain", "finetune"]


def test_second_training_of_a_model_at_once_is_refused(stage):
    with FileLock(stage.model.with_name(f".{stage.model.name}.lock")):
        with pytest.raises(CheckpointError, match="net: another process is training this model; wait until it ends"):
            run(stage)
        assert not stage.work.exists()
    run(stage)
    assert [found.info.status for found in runs()] == ["FINISHED"]
