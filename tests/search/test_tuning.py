from types import SimpleNamespace

import pytest

pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[sweep]'` installs it")

from demsr.search.space import Space
from demsr.search.trial_log import TrialLog
from demsr.search.tuning import _TrialLogCallback, _TrialLogSearcher

SPACE = Space.model_validate(
    {
        "stage": "pretrain",
        "subject": "pretrain.learning_rate",
        "search": {"pretrain.learning_rate": {"log": [1e-3, 1e-2]}},
        "trials": 3,
        "epochs": 2,
        "finalists": {"best": 1, "seeds": [1, 2]},
    }
)


@pytest.fixture
def log(tmp_path):
    return TrialLog(tmp_path / "optuna.db", "trial", SPACE, "rmse")


@pytest.fixture
def callback(log, tmp_path):
    return _TrialLogCallback(log, SimpleNamespace(work=tmp_path), on_change=lambda record: None)


def suggest(log):
    """Start the next trial as Tune does, with a folder of checkpoints."""
    config = _TrialLogSearcher(log).suggest("an id of Tune")
    (log.path.parent / config["trial"]).mkdir()
    return SimpleNamespace(config=config)


def report(callback, trial, **result) -> None:
    callback.on_trial_result(1, [], trial, {"node": "abc", **result})


def test_final_states_follow_from_epochs_and_errors_and_checkpoints_are_deleted(log, callback, tmp_path):
    finished, stopped, failed = (suggest(log) for _ in range(3))
    report(callback, finished, epoch=1, rmse=3.0, pid=12)
    report(callback, finished, epoch=2, rmse=2.0, pid=12)
    report(callback, stopped, epoch=1, rmse=4.0)
    report(callback, failed, error="CheckpointError: NaN")
    for trial in (finished, stopped, failed):
        callback.on_trial_complete(1, [], trial)
    records = log.records()
    assert [record.state for record in records] == ["finished", "stopped early", "failed"]
    assert records[0].rows == [{"epoch": 1, "rmse": 3.0}, {"epoch": 2, "rmse": 2.0}]  # without values of Tune
    assert records[2].error == "CheckpointError: NaN"
    assert not list(tmp_path.glob("trial-*"))


def test_a_node_that_differs_stops_the_sweep_and_its_trial_stays_to_be_resumed(log, callback):
    trial = suggest(log)
    report(callback, trial, mismatch="node b: the training code differs")
    assert callback.mismatch.stop_all()
    callback.on_trial_complete(1, [], trial)
    assert [record.state for record in log.records()] == ["running"]
    assert log.remaining == 3


def test_a_trial_whose_process_was_lost_too_often_fails_with_the_reason(log, callback):
    trial = suggest(log)
    trial.get_pickled_error = lambda: RuntimeError("node died\nand more")
    callback.on_trial_error(1, [], trial)
    assert log.records()[0].error == "its process was lost 3 times: node died"


def test_a_suggestion_names_the_ended_trials(log, callback):
    first = suggest(log)
    report(callback, first, epoch=2, rmse=1.0)
    callback.on_trial_complete(1, [], first)
    second = _TrialLogSearcher(log).suggest("another id")
    assert (second["trial"], second["ended"], second["seed"]) == ("trial-001", ["trial-000"], 0)
