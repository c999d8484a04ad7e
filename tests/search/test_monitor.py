from pathlib import Path
from types import SimpleNamespace

import pytest

from demsr.cli.sweep_config import read_plan
from demsr.errors import TrackingError
from demsr.search import monitor
from demsr.search.trial_log import TrialRecord

ROW = {"epoch": 1, "valid_rmse_m": 5.0, "seconds": 2.0, "samples_per_second": 8.0}
DONE = TrialRecord(
    "trial-000", {"model.num_blocks": 2, "pretrain.learning_rate": 0.003}, 1, "stopped early", [ROW], node="abc"
)
RUNNING = TrialRecord("finalist-000", {"model.num_blocks": 2, "pretrain.learning_rate": 0.003}, 7, "running", [ROW])


class FakeRuns:
    """Child runs in memory; they fail as often as they are told to."""

    def __init__(self, *args, **options) -> None:
        self.updates, self.failures = [], 0

    def update(self, trial_id: str, **values) -> None:
        if self.failures:
            self.failures -= 1
            raise TrackingError("MLflow is down")
        self.updates.append((trial_id, values))


@pytest.fixture
def trials(project, monkeypatch):
    monkeypatch.setattr(monitor, "ChildRuns", FakeRuns)
    plan = read_plan(Path("sweeps/resblocks.yaml"))
    trials = monitor.TrialMonitor(plan, run=None)
    with trials.progress.phase("trial", total=2, done=0, best=9.0, epochs=3):
        yield trials


def test_a_run_has_the_parameters_tags_and_metrics_of_its_trial(trials):
    trials(DONE)
    ((trial_id, values),) = trials.children.updates
    assert (trial_id, values["name"]) == ("trial-000", "trial-000, num_blocks 2 (learning_rate 0.003)")
    told = {"model.num_blocks": 2, "model.features": 4, "pretrain.learning_rate": 0.003, "pretrain.batch_size": 2}
    assert values["params"].items() >= (told | {"pretrain.max_epochs": 3, "pretrain.loss": "mse", "seed": 1}).items()
    assert values["tags"] == {"role": "trial", "seed": "1", "tune.stopped_early": "true", "ray.node": "abc"}
    assert (values["ended"], values["rows"]) == ("FINISHED", [ROW])
    assert values["metrics"]["best_valid_rmse_m"] == 5.0
    assert values["metrics"]["seconds_per_epoch"] == 2.0


def test_runs_are_copied_at_the_end_once_mlflow_did_not_answer(trials, capsys):
    log = SimpleNamespace(records=lambda: [DONE, RUNNING])
    with trials.synchronised(log):
        trials.children.updates.clear()
        trials.children.failures = 1
        trials(DONE)
        trials(RUNNING)
        assert trials.children.updates == []
    assert "MLflow is down; runs are written at the end" in capsys.readouterr().err
    assert [trial_id for trial_id, _ in trials.children.updates] == ["trial-000"]  # the other one has not ended


def test_an_interrupted_sweep_leaves_its_unfinished_runs_as_killed(trials):
    log = SimpleNamespace(records=lambda: [DONE, RUNNING])
    with pytest.raises(KeyboardInterrupt), trials.synchronised(log):
        trials.children.updates.clear()
        raise KeyboardInterrupt
    ended = {trial_id: values["ended"] for trial_id, values in trials.children.updates}
    assert ended == {"trial-000": "FINISHED", "finalist-000": "KILLED"}
