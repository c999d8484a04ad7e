import math
from dataclasses import replace
from pathlib import Path

import pytest

from demsr.cli.sweep_config import read_plan
from demsr.errors import CheckpointError, WorkerError
from demsr.search.trial import check_node, train_trial


def test_nodes_with_other_code_pairs_or_models_are_refused(project):
    setup = read_plan(Path("sweeps/finetune.yaml")).setup
    check_node(setup, hash_pairs=True)
    with pytest.raises(WorkerError, match="the training code differs from the driver's"):
        check_node(replace(setup, code="other"), hash_pairs=False)
    with pytest.raises(WorkerError, match=r"valid.h5 is missing or differs from the driver's"):
        pairs = replace(setup.files[0], sizes={"train.h5": setup.files[0].sizes["train.h5"], "valid.h5": 1})
        check_node(replace(setup, files=(pairs, *setup.files[1:])), hash_pairs=False)
    changed = replace(setup, md5=(setup.md5[0], "0"))
    check_node(changed, hash_pairs=False)  # the size is the same
    with pytest.raises(WorkerError, match=r"valid.h5 differs from the driver's"):
        check_node(changed, hash_pairs=True)
    with pytest.raises(WorkerError, match=r"the pretrained model .* differs from the driver's"):
        check_node(replace(setup, start_sha256="0"), hash_pairs=False)


def test_an_epoch_of_nan_ends_a_trial_with_its_reason(project):
    setup, rows = read_plan(Path("sweeps/resblocks.yaml")).setup, []
    candidate = {"model.num_blocks": 1, "pretrain.learning_rate": 1e30}
    with pytest.raises(CheckpointError, match="yields NaN or infinity; the learning rate is too high"):
        train_trial(setup, "trial-000", candidate, seed=1, threads=1, on_epoch=rows.append)
    assert all(math.isfinite(row["valid_rmse_m"]) for row in rows)


def test_any_parameter_of_net_and_training_can_differ_between_trials(project):
    setup = read_plan(Path("sweeps/width.yaml")).setup
    candidate = {"model.upsampling": "subpixel", "pretrain.optimiser": "muon", "pretrain.batch_size": 1}
    net, training = setup.of(candidate).net, setup.of(candidate).training
    assert (net["upsampling"], net["features"]) == ("subpixel", setup.net["features"])
    assert (training["optimiser"], training["batch_size"]) == ("muon", 1)
    assert training["learning_rate"] == setup.training["learning_rate"]
    assert setup.net["upsampling"] == "interpolate"  # unchanged


def test_a_trial_trains_with_the_values_of_its_candidate(project):
    setup, rows = read_plan(Path("sweeps/width.yaml")).setup, {}
    for loss, batch_size in (("mse", 2), ("balanced", 2), ("mse", 1)):
        candidate = {"pretrain.loss": loss, "pretrain.batch_size": batch_size, "model.features": 2}
        found = rows[loss, batch_size] = []
        train_trial(setup, f"{loss}-{batch_size}", candidate, seed=1, threads=1, on_epoch=found.append)
    errors = {key: [row["valid_rmse_m"] for row in found] for key, found in rows.items()}
    assert len({tuple(values) for values in errors.values()}) == 3
