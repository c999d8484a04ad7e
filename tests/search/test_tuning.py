import pickle
from types import SimpleNamespace

import pytest

pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[sweep]'` installs it")

from optuna.storages import RDBStorage
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError

from demsr.errors import WorkerError
from demsr.runtime.ray_cluster import first_line
from demsr.search.halving import CostHalving
from demsr.search.space import Halving, Space
from demsr.search.storage import SweepStorage
from demsr.search.trial_log import TrialLog
from demsr.search.tuning import _LogScheduler, _LogSearcher, _MemoryMonitorError

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
    storage = SweepStorage(RDBStorage(f"sqlite:///{tmp_path / 'optuna.db'}"), "rate")
    return TrialLog(storage, "trial", SPACE, "rmse")


@pytest.fixture
def scheduler(log, tmp_path):
    halving = CostHalving(SPACE, "rmse", lambda candidate: 1.0, [])
    return _LogScheduler(log, halving, tmp_path, on_change=lambda record: None)


@pytest.fixture
def suggest(log, scheduler, tmp_path):
    """Start the next trial as Tune does, with a folder of checkpoints."""

    def start():
        trial = SimpleNamespace(config=_LogSearcher(log).suggest("an id of Tune"))
        (tmp_path / trial.config["trial"]).mkdir()
        scheduler.on_trial_add(None, trial)
        return trial

    return start


def report(scheduler, trial, **result) -> str:
    return scheduler.on_trial_result(None, trial, {"node": "abc", **result})


def test_final_states_follow_from_epochs_and_errors_and_checkpoints_are_deleted(log, scheduler, suggest, tmp_path):
    finished, stopped, failed = (suggest() for _ in range(3))
    report(scheduler, finished, epoch=1, rmse=3.0, pid=12)
    report(scheduler, finished, epoch=2, rmse=2.0, pid=12)
    report(scheduler, stopped, epoch=1, rmse=4.0)
    report(scheduler, failed, error="CheckpointError: NaN")
    for trial in (finished, stopped, failed):
        scheduler.on_trial_complete(None, trial, {})
    records = log.records()
    assert [record.state for record in records] == ["finished", "stopped early", "failed"]
    assert records[0].rows == [{"epoch": 1, "rmse": 3.0}, {"epoch": 2, "rmse": 2.0}]  # without values of Tune
    assert records[2].error == "CheckpointError: NaN"
    assert not list(tmp_path.glob("trial-*"))


def test_a_node_that_differs_stops_the_sweep_and_its_trial_stays_to_be_resumed(log, scheduler, suggest):
    trial = suggest()
    with pytest.raises(WorkerError, match="node b: the training code differs"):
        report(scheduler, trial, mismatch="node b: the training code differs")
    assert [record.state for record in log.records()] == ["running"]
    assert log.remaining == 3


def test_a_trial_whose_process_was_lost_too_often_fails_with_the_reason(log, scheduler, suggest):
    trial = suggest()
    trial.get_pickled_error = lambda: RuntimeError("node died\nand more")
    scheduler.on_trial_error(None, trial)
    assert log.records()[0].error == "its process was lost 3 times: node died"


def test_a_suggestion_names_the_ended_trials(log, scheduler, suggest):
    first = suggest()
    report(scheduler, first, epoch=2, rmse=1.0)
    scheduler.on_trial_complete(None, first, {})
    second = _LogSearcher(log).suggest("another id")
    assert (second["trial"], second["ended"], second["seed"]) == ("trial-001", ["trial-000"], 0)


def test_a_trial_stops_when_halving_says_so_and_its_row_is_kept(log, scheduler, suggest):
    scheduler.halving = CostHalving(
        SPACE.model_copy(update={"halving": Halving(grace_epochs=1, keep_one_of=2)}), "rmse", lambda candidate: 1.0, []
    )
    good, bad = suggest(), suggest()
    assert report(scheduler, good, epoch=1, rmse=1.0) == "CONTINUE"
    assert report(scheduler, bad, epoch=1, rmse=2.0) == "STOP"
    assert log.records()[1].rows == [{"epoch": 1, "rmse": 2.0}]


def test_tune_takes_a_worker_that_the_memory_monitor_killed_for_a_lost_one():
    def failed(error: Exception) -> list[Exception]:
        """Let Tune's manager of actors handle the error of a task; return what it asks to be tried again."""
        seen: list[Exception] = []
        actor = SimpleNamespace(actor_id=1, _on_error=None)
        task = SimpleNamespace(_tracked_actor=actor, _on_error=lambda actor, error: seen.append(error))
        manager = RayActorManager(resource_manager=None)
        manager._cleanup_actor = lambda tracked_actor: None  # there is none
        manager._actor_task_failed(task, error)
        return seen

    (error,) = failed(_MemoryMonitorError("the node is low on memory\nand more"))
    assert isinstance(error, OutOfMemoryError)
    assert first_line(pickle.loads(pickle.dumps(error))) == (
        "Ray's memory monitor has killed it: the node is low on memory"
    )
    with pytest.raises(RuntimeError, match="Caught unexpected exception"):
        failed(OutOfMemoryError("low on memory"))  # once Tune handles it, ours can go
