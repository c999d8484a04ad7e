from pathlib import Path

import pytest

from demsr.cli.sweep_config import read_plan


@pytest.fixture
def plan(project):
    return read_plan(Path("sweeps/resblocks.yaml"))


def test_a_candidate_is_named_by_subject_and_by_with_the_others_in_brackets(plan, project):
    candidate = {"model.num_blocks": 8, "pretrain.learning_rate": 0.0051234}
    assert plan.label(candidate) == "num_blocks 8 (learning_rate 0.00512)"
    assert read_plan(Path("sweeps/finetune.yaml")).label({"finetune.learning_rate": 1e-5}) == "learning_rate 1e-05"
    wide = {"pretrain.batch_size": 1, "pretrain.learning_rate": 0.003, "pretrain.loss": "mse", "model.features": 6}
    assert read_plan(Path("sweeps/width.yaml")).label(wide) == (
        "features 6, loss mse (learning_rate 0.003, batch_size 1)"
    )


def test_enqueued_candidates_follow_the_reference_and_take_what_they_lack_from_it(project):
    reference, enqueued = read_plan(Path("sweeps/width.yaml")).first_candidates
    assert reference["model.features"] == enqueued["model.features"] == 4
    assert (reference["pretrain.loss"], reference["pretrain.batch_size"]) == ("mse", 2)
    assert (enqueued["pretrain.loss"], enqueued["pretrain.batch_size"]) == ("balanced", 1)


def test_a_step_costs_operations_times_pairs(project):
    plan = read_plan(Path("sweeps/width.yaml"))
    reference, enqueued = plan.first_candidates
    assert plan.step_cost(reference) == 2 * plan.step_cost(enqueued) == 2 * plan.net_cost(reference)["flop_per_lr_px"]
    assert plan.step_cost({**reference, "model.features": 6}) > plan.step_cost(reference)


def test_cost_of_a_net_follows_the_net_alone(plan):
    costs = [plan.net_cost({"model.num_blocks": depth, "pretrain.learning_rate": 0.003}) for depth in (1, 2, 3)]
    parameters, flop = ([cost[name] for cost in costs] for name in ("parameters", "flop_per_lr_px"))
    assert parameters[2] - parameters[1] == parameters[1] - parameters[0] > 0  # each block adds the same
    assert flop[2] - flop[1] == pytest.approx(flop[1] - flop[0])
    assert plan.net_cost({"model.num_blocks": 2, "pretrain.learning_rate": 0.001}) is costs[1]


def test_a_resumed_plan_keeps_the_reference_and_has_checkpoints_of_its_own(plan):
    reference = {"model.num_blocks": 3, "pretrain.learning_rate": 0.002}
    resumed = plan.resumed(identity="abc", reference=reference, trials=9)
    assert (resumed.reference, resumed.space.trials) == (reference, 9)
    assert resumed.setup.work == plan.folder / "abc"
    assert resumed.invariants == plan.invariants
