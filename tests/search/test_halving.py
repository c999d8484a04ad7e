from types import SimpleNamespace

import pytest

pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[sweep]'` installs it")

from demsr.search.halving import DepthHalving
from demsr.search.space import Halving
from demsr.search.trial_log import TrialRecord

HALVING = Halving(grace_epochs=2, keep_one_of=2)


def log(records=(), *, epochs: int = 4, depths: tuple[int, ...] = (2, 4, 8)):
    num_blocks = SimpleNamespace(values=depths) if depths else None
    space = SimpleNamespace(num_blocks=num_blocks, epochs=epochs)
    return SimpleNamespace(metric="rmse", space=space, records=lambda: list(records))


def new_trial(name: str, depth: int):
    return SimpleNamespace(config={"trial": name, "candidate": {"num_blocks": depth, "learning_rate": 1e-3}})


def run(scheduler, trials: dict, errors: dict[str, list[float]]) -> dict[str, int]:
    """Let trials report one after the other; return the epoch at which each stopped, 0 if it did not."""
    stopped = {}
    for name, trial in trials.items():
        scheduler.on_trial_add(None, trial)
        stopped[name] = 0
        for epoch, rmse in enumerate(errors[name], start=1):
            if scheduler.on_trial_result(None, trial, {"epoch": epoch, "rmse": rmse}) == "STOP":
                stopped[name] = epoch
                break
    return stopped


def test_a_deep_net_that_learns_slower_survives_shallow_ones():
    errors = {"shallow": [9.0, 5.0, 5.0, 5.0], "deep": [9.0, 8.0, 6.0, 4.0]}
    trials = {"shallow": new_trial("shallow", 2), "deep": new_trial("deep", 8)}
    assert run(DepthHalving(HALVING, log()), trials, errors) == {"shallow": 0, "deep": 0}


def test_a_shallow_net_that_is_behind_a_deep_one_stops_after_the_grace():
    errors = {"deep": [9.0, 5.0, 5.0, 5.0], "shallow": [9.9, 6.0, 5.5, 5.0]}
    trials = {"deep": new_trial("deep", 8), "shallow": new_trial("shallow", 2)}
    assert run(DepthHalving(HALVING, log()), trials, errors) == {"deep": 0, "shallow": 2}


def test_the_worse_of_equal_depth_stops():
    errors = {"first": [9.0, 5.0, 4.0, 4.0], "second": [9.0, 5.1, 4.0, 4.0]}
    trials = {name: new_trial(name, 8) for name in errors}
    assert run(DepthHalving(HALVING, log()), trials, errors) == {"first": 0, "second": 2}


def test_trials_of_a_killed_sweep_count_and_a_resumed_trial_counts_once():
    past = TrialRecord("past", {"num_blocks": 8, "learning_rate": 1e-3}, 1, "finished", [{"epoch": 2, "rmse": 5.0}])
    half = TrialRecord("half", {"num_blocks": 8, "learning_rate": 2e-3}, 1, "running", [{"epoch": 2, "rmse": 4.0}])
    scheduler = DepthHalving(HALVING, log([past, half], epochs=8))
    again = new_trial("half", 8)
    scheduler.on_trial_add(None, again)
    assert scheduler.on_trial_result(None, again, {"epoch": 3, "rmse": 7.0}) == "CONTINUE"  # took its rung at epoch 2
    late = run(scheduler, {"late": new_trial("late", 8)}, {"late": [9.0, 4.6]})
    assert late == {"late": 2}  # worse than the median of 5 and 4


def test_without_depths_all_are_compared():
    trials = {name: SimpleNamespace(config={"trial": name, "candidate": {"learning_rate": 1.0}}) for name in "ab"}
    errors = {"a": [2, 1, 1, 1], "b": [2, 2, 1, 1]}
    assert run(DepthHalving(HALVING, log(depths=())), trials, errors) == {"a": 0, "b": 2}
