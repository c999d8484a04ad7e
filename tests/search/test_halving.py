import random
from types import SimpleNamespace

import pytest

pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[sweep]'` installs it")

from ray.tune.schedulers import ASHAScheduler

from demsr.search.halving import CostHalving
from demsr.search.space import Halving
from demsr.search.trial_log import TrialRecord

HALVING = Halving(grace_epochs=2, keep_one_of=2)


def make_halving(records=(), *, epochs: int = 4, halving: Halving = HALVING) -> CostHalving:
    space = SimpleNamespace(epochs=epochs, halving=halving)
    return CostHalving(space, "rmse", lambda candidate: candidate["cost"], records)


def new_trial(name: str, cost: float) -> TrialRecord:
    return TrialRecord(name, {"cost": cost}, 1, "running")


class RaysHalving:
    """Ray's own scheduler with the interface of ours."""

    def __init__(self, **options) -> None:
        self.scheduler, self.trials = ASHAScheduler(**options), {}

    def stops(self, record: TrialRecord, row: dict) -> bool:
        if record.id not in self.trials:
            self.trials[record.id] = SimpleNamespace(trial_id=record.id)
            self.scheduler.on_trial_add(None, self.trials[record.id])
        return self.scheduler.on_trial_result(None, self.trials[record.id], row) == "STOP"


def run(halving, trials: dict, errors: dict[str, list[float]]) -> dict[str, int]:
    """Let trials report one after the other; return the epoch at which each stopped, 0 if it did not."""
    stopped = dict.fromkeys(trials, 0)
    for name, trial in trials.items():
        rows = ({"epoch": epoch, "rmse": rmse} for epoch, rmse in enumerate(errors[name], start=1))
        stopped[name] = next((row["epoch"] for row in rows if halving.stops(trial, row)), 0)
    return stopped


def test_a_costly_trial_that_learns_slower_survives_cheap_ones():
    errors = {"cheap": [9.0, 5.0, 5.0, 5.0], "costly": [9.0, 8.0, 6.0, 4.0]}
    trials = {"cheap": new_trial("cheap", 2), "costly": new_trial("costly", 8)}
    assert run(make_halving(), trials, errors) == {"cheap": 0, "costly": 0}


def test_a_cheap_trial_that_is_behind_a_costly_one_stops_after_the_grace():
    errors = {"costly": [9.0, 5.0, 5.0, 5.0], "cheap": [9.9, 6.0, 5.5, 5.0]}
    trials = {"costly": new_trial("costly", 8), "cheap": new_trial("cheap", 2)}
    assert run(make_halving(), trials, errors) == {"costly": 0, "cheap": 2}


@pytest.mark.parametrize("keep_one_of", [2, 3])
def test_among_trials_of_one_cost_the_decisions_are_those_of_ray(keep_one_of):
    draw = random.Random(1)
    halving = Halving(grace_epochs=3, keep_one_of=keep_one_of)
    options = {"grace_period": 3, "reduction_factor": keep_one_of, "max_t": 13, "stop_last_trials": False}
    ours = make_halving(epochs=13, halving=halving)
    rays = RaysHalving(time_attr="epoch", metric="rmse", mode="min", **options)
    trials = {f"{number}": new_trial(f"{number}", 8) for number in range(30)}
    errors = {name: [draw.random() for _ in range(13)] for name in trials}
    stopped = run(ours, trials, errors)
    assert stopped == run(rays, trials, errors)
    assert len(set(stopped.values())) > 2  # at several rungs, and not at all


def test_trials_of_a_killed_sweep_count_and_a_resumed_trial_counts_once():
    past = TrialRecord("past", {"cost": 8}, 1, "finished", [{"epoch": 2, "rmse": 5.0}])
    half = TrialRecord("half", {"cost": 8}, 1, "running", [{"epoch": 2, "rmse": 4.0}])
    halving = make_halving([past, half], epochs=8)
    assert not halving.stops(half, {"epoch": 3, "rmse": 7.0})  # took its rung at epoch 2
    late = run(halving, {"late": new_trial("late", 8)}, {"late": [9.0, 4.6]})
    assert late == {"late": 2}  # worse than the median of 5 and 4


def test_a_trial_that_was_to_stop_when_the_sweep_was_killed_stops_at_once():
    past = TrialRecord("past", {"cost": 8}, 1, "finished", [{"epoch": 2, "rmse": 4.0}])
    worse = TrialRecord("worse", {"cost": 8}, 1, "running", [{"epoch": 2, "rmse": 5.0}])
    halving = make_halving([past, worse], epochs=8)
    assert halving.stops(worse, {"epoch": 3, "rmse": 1.0})


def test_without_halving_no_trial_stops():
    trials = {name: new_trial(name, 8) for name in ("good", "bad")}
    assert run(make_halving(halving=None), trials, {"good": [1.0] * 4, "bad": [9.0] * 4}) == {"good": 0, "bad": 0}
