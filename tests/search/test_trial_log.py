from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

from demsr.search.space import Space
from demsr.search.storage import SweepStorage
from demsr.search.trial_log import TrialLog

SPACE = Space.model_validate(
    {
        "stage": "pretrain",
        "subject": "model.num_blocks",
        "search": {
            "model.num_blocks": {"int": [2, 12], "step": 2},
            "pretrain.learning_rate": {"log": [1e-3, 1e-2]},
            "pretrain.loss": {"choice": ["mse", "balanced", None]},
            "pretrain.gradient_clip": {"float": [0.5, 2.0]},
        },
        "trials": 6,
        "epochs": 2,
        "seed": 5,
        "finalists": {"best": 1, "seeds": [1, 2]},
    }
)


REFERENCE = {
    "model.num_blocks": 8,
    "pretrain.learning_rate": 3e-3,
    "pretrain.loss": "mse",
    "pretrain.gradient_clip": 1.0,
}
SHALLOW = {**REFERENCE, "model.num_blocks": 2, "pretrain.loss": None}


def storage_in(folder: Path) -> SweepStorage:
    return SweepStorage(RDBStorage(f"sqlite:///{folder / 'optuna.db'}"), "depth")


def open_log(folder: Path, space: Space = SPACE) -> TrialLog:
    log = TrialLog(storage_in(folder), "trial", space, "rmse")
    log.enqueue([REFERENCE, SHALLOW, REFERENCE])
    return log


def train(log: TrialLog, record) -> None:
    """What a trial would report: an error that depends on the choice alone."""
    for epoch in (1, 2):
        log.add_row(record.id, {"epoch": epoch, "rmse": abs(record.candidate["model.num_blocks"] - 6) + 3.0 - epoch})
    log.finish(record.id, "finished")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> TrialLog:
    log = open_log(tmp_path_factory.mktemp("unbroken"))
    while record := log.next_trial():
        train(log, record)
    return log


def test_trials_are_numbered_and_enqueued_candidates_come_first(unbroken):
    records = unbroken.records()
    assert [record.id for record in records] == [f"trial-{number:03d}" for number in range(6)]
    assert [record.candidate for record in records[:2]] == [REFERENCE, SHALLOW]
    assert REFERENCE not in [record.candidate for record in records[2:]]  # although it was enqueued twice
    assert {record.candidate["model.num_blocks"] for record in records} <= {2, 4, 6, 8, 10, 12}
    assert all(1e-3 <= record.candidate["pretrain.learning_rate"] <= 1e-2 for record in records)
    assert {record.candidate["pretrain.loss"] for record in records} <= {"mse", "balanced", None}
    assert all(0.5 <= record.candidate["pretrain.gradient_clip"] <= 2.0 for record in records)
    assert unbroken.next_trial() is None


def test_a_log_reopened_after_each_event_suggests_the_same(unbroken, tmp_path):
    for _ in range(6):
        record = open_log(tmp_path).next_trial()
        log = open_log(tmp_path)
        assert log.next_trial() == record  # begun, nothing reported
        log.add_row(record.id, {"epoch": 1, "rmse": abs(record.candidate["model.num_blocks"] - 6) + 2.0})
        log = open_log(tmp_path)
        again = log.next_trial()
        assert (again.id, len(again.rows)) == (record.id, 1)
        train(log, again)
    assert open_log(tmp_path).next_trial() is None
    assert open_log(tmp_path).records() == unbroken.records()


def test_a_kill_between_asking_and_suggesting_does_not_change_the_suggestion(unbroken, tmp_path):
    log = open_log(tmp_path)
    for _ in range(4):
        train(log, log.next_trial())
    log._study.sampler = log._sampler(4)
    log._study.ask()  # the process ends before it has suggested a value
    log = open_log(tmp_path)
    assert log.next_trial().candidate == unbroken.records()[4].candidate


def test_concurrent_trials_are_distinct(tmp_path):
    log = open_log(tmp_path)
    first, second = log.next_trial(), log.next_trial()
    assert (first.id, second.id) == ("trial-000", "trial-001")
    train(log, second)
    assert [record.state for record in log.records()] == ["running", "finished"]


def test_an_epoch_reported_twice_is_stored_once(tmp_path):
    log = open_log(tmp_path)
    record = log.next_trial()
    log.add_row(record.id, {"epoch": 1, "rmse": 5.0}, node="a")
    log.add_row(record.id, {"epoch": 2, "rmse": 4.0}, node="b")
    log.add_row(record.id, {"epoch": 2, "rmse": 3.0}, node="b")
    found = log.record(record.id)
    assert found.rows == [{"epoch": 1, "rmse": 5.0}, {"epoch": 2, "rmse": 4.0}]
    assert (found.best("rmse"), found.node) == (4.0, "b")


def test_final_states_are_those_of_optuna_and_a_failed_trial_never_wins(tmp_path):
    log = open_log(tmp_path)
    for state, error in (("finished", None), ("stopped early", None), ("failed", "CheckpointError: NaN")):
        record = log.next_trial()
        log.add_row(record.id, {"epoch": 1, "rmse": 1.0 if state == "failed" else 2.0})
        log.finish(record.id, state, error=error)
    study = optuna.load_study(study_name="depth trial", storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED", "FAIL"]
    assert study.best_trial.number == 0
    assert log.records()[2].error == "CheckpointError: NaN"


def test_finalists_are_the_enqueued_candidates_only(tmp_path):
    log = TrialLog(storage_in(tmp_path), "finalist", SPACE, "rmse")
    candidates = [{**REFERENCE, "seed": seed} for seed in (1, 2)]
    log.enqueue(candidates)
    log.enqueue(candidates)
    found = [log.next_trial(), log.next_trial(), log.next_trial()]
    assert [(record.id, record.seed) for record in found[:2]] == [("finalist-000", 1), ("finalist-001", 2)]
    assert found[0].candidate == REFERENCE
    assert found[2] is None


def test_the_order_of_the_file_does_not_change_the_suggestions(unbroken, tmp_path):
    turned = SPACE.model_copy(update={"search": dict(reversed(SPACE.search.items()))})
    log = open_log(tmp_path, turned)
    while record := log.next_trial():
        train(log, record)
    assert [record.candidate for record in log.records()] == [record.candidate for record in unbroken.records()]


def test_failed_trials_are_tried_again_once_each_time_this_is_asked_for(tmp_path):
    log = open_log(tmp_path)
    log.finish(log.next_trial().id, "failed", error="disk full")
    train(log, log.next_trial())
    for number in (2, 3):  # the second time it is the repeated trial that is tried again
        log = open_log(tmp_path)
        log.retry_failed()
        assert log.remaining == SPACE.trials - 1
        again = log.next_trial()
        assert (again.id, again.candidate, again.seed) == (f"trial-{number:03d}", REFERENCE, SPACE.seed)
        log.finish(again.id, "failed", error="disk full")
    log = open_log(tmp_path)
    log.retry_failed()
    while record := log.next_trial():
        train(log, record)
    records = log.records()
    assert len(records) == SPACE.trials + 3
    assert [record.state for record in records].count("failed") == 3
    log.retry_failed()
    assert log.remaining == 0  # the failed ones were all tried again


def test_finalists_that_failed_are_tried_again_with_their_seeds(tmp_path):
    log = TrialLog(storage_in(tmp_path), "finalist", SPACE, "rmse")
    log.enqueue([{**REFERENCE, "seed": seed} for seed in (1, 2)])
    train(log, log.next_trial())
    log.finish(log.next_trial().id, "failed", error="disk full")
    assert log.remaining == 0
    log.retry_failed()
    again = log.next_trial()
    assert (again.id, again.candidate, again.seed, log.remaining) == ("finalist-002", REFERENCE, 2, 1)
