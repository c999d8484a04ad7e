from pathlib import Path

import pytest

from demsr.cli.sweep_config import read_plan
from demsr.search.summary import summarise
from demsr.search.trial_log import TrialRecord


def record(name: str, depth: int, rate: float, rmse: list[float], *, seconds: float = 1.0, **more) -> TrialRecord:
    rows = [
        {"epoch": epoch, "valid_rmse_m": value, "seconds": seconds, "samples_per_second": 10.0 / seconds}
        for epoch, value in enumerate(rmse, start=1)
    ]
    values = {"seed": 1, "state": "finished"} | more
    return TrialRecord(name, {"num_blocks": depth, "learning_rate": rate}, rows=rows, **values)


@pytest.fixture
def report(project):
    plan = read_plan("resblocks", "pretrain", Path("sweeps/resblocks.yaml"))
    trials = [
        record("trial-000", 2, 0.003, [9.0, 8.0]),
        record("trial-001", 3, 0.003, [9.0, 8.0]),
        record("trial-002", 3, 0.001, [9.0, 7.0]),
        record("trial-003", 3, 0.002, [9.0], state="failed", error="too high"),
    ]
    runs = [record(f"finalist-00{seed}", 2, 0.003, [9.0, 8.0 + seed], seed=seed) for seed in (1, 2)]
    runs += [record(f"finalist-01{seed}", 3, 0.001, [9.0, 6.0 + seed], seed=seed, seconds=1.5) for seed in (1, 2)]
    return summarise(plan, trials, runs, [{"num_blocks": 2, "learning_rate": 0.003}, trials[2].candidate])


def test_finalists_are_compared_at_equal_steps_and_at_equal_time(report):
    reference, best = report.finalists
    assert (reference["role"], best["role"], report.best) == ("reference", "best", best)
    assert (reference["rmse"], best["rmse"]) == (9.0, 7.5)  # the lowest of each run: 9.0 and 9.0, 7.0 and 8.0
    assert best["rmse_by_seed"] == {"1": 7.0, "2": 8.0}
    assert report.equal_seconds == 2.0
    assert (reference["rmse_at_equal_time"], best["rmse_at_equal_time"]) == (9.0, 9.0)  # one epoch of 1.5 s
    assert (best["seconds_per_epoch"], best["samples_per_second"]) == (1.5, 10 / 1.5)


def test_limits_of_the_verdict_are_named(report):
    assert report.sentences[-4:] == [
        "The best is the deepest net of the space: a better one may lie beyond it.",
        "The best learning rate lies at the edge of the space: widen the space.",
        "The reference was tried at 1 learning rate, other finalists at up to 2: "
        "more trials would make the comparison fairer.",
        "1 of 8 trials failed; first: too high.",
    ]
    assert report.budget == (
        "3 epochs of 2 steps of 2 pairs, out of 4; validated on 2 pairs of 1 area; 4 features; 2 seeds; "
        "the same number of steps for all"
    )


def test_every_trial_has_a_row_with_its_cost(report):
    assert [row["trial_id"] for row in report.trials][3:5] == ["trial-003", "finalist-001"]
    assert (report.trials[3]["error"], report.trials[3]["epochs"]) == ("too high", 1)
    shallow, deep = report.trials[0], report.trials[1]
    assert deep["parameters"] > shallow["parameters"]
    assert deep["flop_per_lr_px"] > shallow["flop_per_lr_px"]
    assert set(report.baselines) >= {"bicubic", "linear_7x7"}
    assert report.changes == {"model": {"num_blocks": 3, "features": 4}, "pretrain": {"learning_rate": 0.001}}
