import math
from dataclasses import replace
from pathlib import Path

import pytest

from demsr.cli.sweep_config import read_plan
from demsr.errors import CheckpointError, WorkerError
from demsr.search.trial import check_node, train_trial


def test_nodes_with_other_code_pairs_or_models_are_refused(project):
    setup = read_plan("finetune", "finetune", Path("sweeps/finetune.yaml")).setup
    check_node(setup, hash_pairs=True)
    with pytest.raises(WorkerError, match="the training code differs from the driver's"):
        check_node(replace(setup, code="other"), hash_pairs=False)
    with pytest.raises(WorkerError, match=r"valid.h5 is missing or differs from the driver's"):
        check_node(replace(setup, sizes=(setup.sizes[0], 1)), hash_pairs=False)
    changed = replace(setup, md5=(setup.md5[0], "0"))
    check_node(changed, hash_pairs=False)  # the size is the same
    with pytest.raises(WorkerError, match=r"valid.h5 is missing or differs"):
        check_node(changed, hash_pairs=True)
    with pytest.raises(WorkerError, match=r"the pretrained model .* differs from the driver's"):
        check_node(replace(setup, start_sha256="0"), hash_pairs=False)


def test_an_epoch_of_nan_ends_a_trial_with_its_reason(project):
    setup, rows = read_plan("resblocks", "pretrain", Path("sweeps/resblocks.yaml")).setup, []
    candidate = {"num_blocks": 1, "learning_rate": 1e30}
    with pytest.raises(CheckpointError, match="yields NaN or infinity; the learning rate is too high"):
        train_trial(setup, "trial-000", candidate, seed=1, threads=1, on_epoch=rows.append)
    assert all(math.isfinite(row["valid_rmse_m"]) for row in rows)
