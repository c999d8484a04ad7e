"""What the standard parts of Ray Tune do with a sweep that is killed; docs/sweeps.md has the table.

Each test fails once a newer version keeps the guarantee. Then code of `demsr.search` can go.
"""

from dataclasses import dataclass

import pytest

pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[sweep]'` installs it")

import optuna
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search.optuna import OptunaSearch

pytestmark = pytest.mark.filterwarnings("ignore")
POINT = {"rate": 0.5}


@pytest.fixture
def storage(tmp_path) -> RDBStorage:
    return RDBStorage(f"sqlite:///{tmp_path / 'optuna.db'}")


@dataclass(frozen=True, eq=False)
class StoredTrial:
    """A trial of Tune, as far as the callback reads it."""

    config: dict[str, float]

    def __str__(self) -> str:
        return "trial-000"


def start(storage: RDBStorage, points=(POINT,)) -> OptunaSearch:
    """What every start of a driver does."""
    return OptunaSearch(
        {"rate": FloatDistribution(0, 1)},
        metric="rmse",
        mode="min",
        storage=storage,
        study_name="trial",
        points_to_evaluate=list(points),
        seed=1,
    )


def train(search: OptunaSearch, trial: str) -> float:
    rate = search.suggest(trial)["rate"]
    search.on_trial_result(trial, {"rmse": rate, "training_iteration": 1})
    search.on_trial_complete(trial, {"rmse": rate})
    return rate


def trials(storage: RDBStorage) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="trial", storage=storage).trials


def test_optuna_search_on_the_same_study_loses_the_running_trial_and_doubles_enqueued_ones(storage):
    search = start(storage)
    train(search, "a")
    search.suggest("b")  # the driver is killed
    search = start(storage)
    assert search.suggest("c") == POINT  # a second time
    search.on_trial_complete("c", {"rmse": 0.5})
    train(search, "d")
    states = [trial.state for trial in trials(storage)]
    assert states == [TrialState.COMPLETE, TrialState.RUNNING, TrialState.COMPLETE, TrialState.COMPLETE]


def test_optuna_search_on_the_same_study_suggests_other_values_after_a_kill(storage, tmp_path):
    unbroken = start(RDBStorage(f"sqlite:///{tmp_path / 'unbroken.db'}"), points=())
    expected = [train(unbroken, name) for name in "abcd"]
    search = start(storage, points=())
    found = [train(search, name) for name in "ab"]
    search = start(storage, points=())  # the driver was killed between two trials
    found += [train(search, name) for name in "cd"]
    assert found[:2] == expected[:2]
    assert found[2:] != expected[2:]
    assert found[2:] == found[:2]  # the sampler starts again with its seed


def test_a_restored_tuner_repeats_the_trials_since_its_last_checkpoint(storage, tmp_path):
    search = start(storage)
    train(search, "a")
    search.save(str(tmp_path / "searcher"))  # what Tune writes every few seconds, and Tuner.restore reads
    after = train(search, "b")  # the driver is killed before the next checkpoint
    again = start(storage, points=())
    again.restore(str(tmp_path / "searcher"))
    train(again, "b")  # Tune has no trial b, and asks for one more
    assert len(trials(storage)) == 3
    assert after == trials(storage)[1].params["rate"]


def test_optuna_search_records_a_trial_that_was_stopped_early_as_complete(storage):
    search = start(storage)
    search.suggest("a")
    search.on_trial_result("a", {"rmse": 9.0, "training_iteration": 1})
    search.on_trial_complete("a", {"rmse": 9.0})  # of a scheduler that stops it after one of many epochs
    assert trials(storage)[0].state is TrialState.COMPLETE


def test_the_mlflow_callback_makes_a_second_run_after_a_kill_and_needs_mlflow_at_all_times(
    empty_store, tmp_path, monkeypatch
):
    uri = f"sqlite:///{empty_store}"
    trial = StoredTrial(config=POINT)
    for _ in range(2):  # the driver is killed after the first time
        callback = MLflowLoggerCallback(tracking_uri=uri, experiment_name=tmp_path.name)
        callback.setup()
        callback.log_trial_start(trial)
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(tmp_path.name).experiment_id])
    assert [run.info.status for run in runs] == ["RUNNING", "RUNNING"]
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    callback = MLflowLoggerCallback(tracking_uri="http://127.0.0.1:9", experiment_name="away")
    with pytest.raises(MlflowException):
        callback.setup()
