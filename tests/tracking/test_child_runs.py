import pytest
from mlflow.exceptions import MlflowException

from demsr.errors import TrackingError
from demsr.tracking.child_runs import ChildRuns
from demsr.tracking.runs import tracked_run

ROWS = [{"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.4}]


def update(children: ChildRuns, rows=ROWS, **more) -> None:
    children.update("trial-000", name="trial-000, 8 ResBlocks", params={"num_blocks": 8}, tags={}, rows=rows, **more)


@pytest.fixture
def parent(store):
    with tracked_run("sweep", stage="sweep", profile="sample", seed=1, params={}, inputs=[]) as run:
        yield run


def children_of(parent) -> ChildRuns:
    return ChildRuns(parent, experiment="dem-srnet", tags={"stage": "sweep"}, inputs=[])


def runs_of(parent) -> list:
    where = parent.client.get_run(parent.id).info.experiment_id
    return [run for run in parent.client.search_runs([where]) if run.info.run_id != parent.id]


def test_a_trial_has_one_run_and_each_epoch_once_however_often_a_process_begins_again(parent):
    update(children_of(parent), ROWS[:1])
    again = children_of(parent)
    update(again)
    update(again)
    (run,) = runs_of(parent)
    history = parent.client.get_metric_history(run.info.run_id, "train_loss")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.4)]
    assert run.info.status == "RUNNING"
    assert run.data.tags["mlflow.parentRunId"] == parent.id
    assert run.data.tags["tune.trial_id"] == "trial-000"
    assert run.data.params == {"num_blocks": "8"}


def test_an_interrupted_run_is_taken_up_again_and_one_that_has_ended_is_left_alone(parent):
    update(children_of(parent), ROWS[:1], ended="KILLED")
    assert runs_of(parent)[0].info.status == "KILLED"
    update(children_of(parent), ended="FINISHED", metrics={"parameters": 10})
    update(children_of(parent), [*ROWS, {"epoch": 3, "train_loss": 0.1}], ended="FAILED")
    (run,) = runs_of(parent)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"train_loss": 0.4, "parameters": 10})


def test_a_store_that_is_away_is_told_as_such(parent, monkeypatch):
    children = children_of(parent)

    def away(*_, **__):
        raise MlflowException("no answer")

    monkeypatch.setattr(parent.client, "create_run", away)
    with pytest.raises(TrackingError, match=r"not recorded the run \(no answer\); check that its server"):
        update(children)
