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
    return TrialRecord(name, {"model.num_blocks": depth, "pretrain.learning_rate": rate}, rows=rows, **values)


@pytest.fixture
def report(project):
    plan = read_plan(Path("sweeps/resblocks.yaml"))
    trials = [
        record("trial-000", 2, 0.003, [9.0, 8.0]),
        record("trial-001", 3, 0.003, [9.0, 8.0]),
        record("trial-002", 3, 0.001, [9.0, 7.0]),
        record("trial-003", 3, 0.002, [9.0], state="failed", error="too high"),
    ]
    runs = [record(f"finalist-00{seed}", 2, 0.003, [9.0, 8.0 + seed], seed=seed) for seed in (1, 2)]
    runs += [record(f"finalist-01{seed}", 3, 0.001, [9.0, 6.0 + seed], seed=seed, seconds=1.5) for seed in (1, 2)]
    return summarise(
        plan, trials, runs, [{"model.num_blocks": 2, "pretrain.learning_rate": 0.003}, trials[2].candidate]
    )


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
        "The best model.num_blocks lies at the edge of the space, 1, 2 ... 3: a better one may lie beyond it.",
        "The best pretrain.learning_rate lies at the edge of the space, 0.001 to 0.01: a better one may lie beyond it.",
        "The reference was tried with 1 setting of the other parameters, other finalists with up to 2: "
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
    assert report.changes == {"model": {"features": 4, "num_blocks": 3}, "pretrain": {"learning_rate": 0.001}}
    assert report.paths == ["model.num_blocks", "pretrain.learning_rate"]
    assert (report.scale, report.values) == ("linear", {"model.num_blocks": [2, 3]})


def test_a_trial_that_could_not_start_has_a_row_without_cost(project):
    plan = read_plan(Path("sweeps/resblocks.yaml"))
    trials = [
        record("trial-000", 2, 0.003, [9.0]),
        record("trial-001", 0, 0.003, [], state="failed", error="there is no such net"),
    ]
    runs = [record(f"finalist-00{seed}", 2, 0.003, [9.0 + seed], seed=seed) for seed in (1, 2)]
    report = summarise(plan, trials, runs, [trials[0].candidate])
    assert report.trials[1].keys() == report.trials[0].keys()
    assert (report.trials[1]["rmse"], report.trials[1]["parameters"], report.trials[1]["samples_per_second"]) == (
        None,
    ) * 3
    assert "1 of 4 trials failed; first: there is no such net." in report.sentences


def test_a_verdict_that_is_split_names_the_best_for_each_value_and_what_differs_in_the_budget(project):
    plan = read_plan(Path("sweeps/width.yaml"))

    def run(number: int, features: int, loss: str, rmse: float, **more) -> TrialRecord:
        rows = [{"epoch": 1, "valid_rmse_m": rmse, "seconds": 1.0, "samples_per_second": 10.0}]
        candidate = {"model.features": features, "pretrain.loss": loss, "pretrain.learning_rate": 0.003}
        candidate["pretrain.batch_size"] = 1 if features == 2 else 2
        values = {"seed": 1, "state": "finished"} | more
        return TrialRecord(f"finalist-{number:03d}", candidate, rows=rows, **values)

    best = {(4, "mse"): 9.0, (6, "mse"): 8.0, (2, "balanced"): 7.0, (4, "balanced"): 7.5}
    runs = [
        run(10 * place + seed, *key, rmse + seed / 10, seed=seed)
        for place, (key, rmse) in enumerate(best.items())
        for seed in (1, 2)
    ]
    failed = run(90, 6, "mse", 8.0, seed=1, state="failed", error="disk full")
    report = summarise(plan, [], [failed, *runs], [record.candidate for record in runs[::2]])
    split = [sentence for sentence in report.sentences if sentence.startswith("With ")]
    assert split[0].startswith(
        "With pretrain.loss mse: Best: features 6, loss mse (learning_rate 0.003, batch_size 2), 8.15"
    )
    assert "Second: features 4, loss mse (learning_rate 0.003, batch_size 2) is worse by 1 m" in split[0]
    assert split[1].startswith("With pretrain.loss balanced: Best: features 2, loss balanced")
    assert len(split) == 2
    assert report.values == {"model.features": [2, 4, 6], "pretrain.loss": ["mse", "balanced"]}
    assert report.budget.startswith("2 epochs of 4 or 2 steps of 1 or 2 pairs, out of 4;")
    assert "2 or 4 or 6 features" in report.budget
    assert report.budget.endswith("larger batches have fewer steps")
    assert not any("failed" in sentence for sentence in report.sentences)  # it succeeded when it was tried again
