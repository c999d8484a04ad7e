from pathlib import Path

import pytest

from demsr.cli.sweep_config import read_plan


@pytest.fixture
def plan(project):
    return read_plan("resblocks", "pretrain", Path("sweeps/resblocks.yaml"))


def test_a_candidate_is_named_by_its_depth_and_rate(plan):
    assert plan.label({"num_blocks": 8, "learning_rate": 0.0051234}) == "8 ResBlocks (learning rate 0.00512)"
    assert plan.label({"learning_rate": 1e-5}) == "learning rate 1e-05"


def test_cost_follows_the_depth_alone(plan):
    costs = [plan.net_cost({"num_blocks": depth, "learning_rate": 0.003}) for depth in (1, 2, 3)]
    parameters, flop = ([getattr(cost, name) for cost in costs] for name in ("parameters", "flop_per_lr_px"))
    assert parameters[2] - parameters[1] == parameters[1] - parameters[0] > 0  # each block adds the same
    assert flop[2] - flop[1] == pytest.approx(flop[1] - flop[0])
    assert plan.net_cost({"num_blocks": 2, "learning_rate": 0.001}) is costs[1]


def test_a_resumed_plan_keeps_the_reference_and_has_checkpoints_of_its_own(plan):
    reference = {"num_blocks": 3, "learning_rate": 0.002}
    resumed = plan.resumed(identity="abc", reference=reference, trials=9)
    assert (resumed.reference, resumed.space.trials) == (reference, 9)
    assert resumed.setup.work == plan.folder / "abc"
    assert resumed.invariants == plan.invariants
