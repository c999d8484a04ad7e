import hashlib
import json

import pytest

from demsr.tracking.runs import InputData, end_run, find_run, flattened, tracked_run
from demsr.tracking.store import connect, experiment_id

OPTIONS = {"stage": "pretrain", "profile": "test", "seed": 3, "inputs": []}


def test_a_run_says_what_it_was_made_from(store):
    data = store / "train.h5"
    data.write_bytes(b"pairs")
    options = OPTIONS | {"inputs": [InputData(data, "training")]}
    with tracked_run("pretrain test", params={"model": {"num_blocks": 2}}, **options) as run:
        run.log_epoch({"epoch": 1, "train_loss": 0.5, "valid_rmse_m": 4.0})
        run.log_epoch({"epoch": 2, "train_loss": 0.25})
    recorded = connect().get_run(run.id)
    assert recorded.info.run_name == "pretrain test"
    assert recorded.info.status == "FINISHED"
    assert recorded.data.params == {"model.num_blocks": "2", "profile": "test", "seed": "3"}
    assert recorded.data.metrics == {"train_loss": 0.25, "valid_rmse_m": 4.0}
    assert {"stage", "seed", "git.dirty", "machine", "packages", "mlflow.source.git.commit"} <= set(recorded.data.tags)
    assert "torch" in json.loads(recorded.data.tags["packages"])
    (dataset,) = recorded.inputs.dataset_inputs
    assert dataset.dataset.digest == hashlib.md5(b"pairs").hexdigest()
    assert [tag.value for tag in dataset.tags] == ["training"]
    steps = [metric.step for metric in connect().get_metric_history(run.id, "train_loss")]
    assert steps == [1, 2]


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_ends_as_its_block_does(store, error, status):
    with pytest.raises(error), tracked_run("broken", params={}, **OPTIONS) as run:
        raise error("why")
    recorded = connect().get_run(run.id)
    assert recorded.info.status == status
    assert recorded.data.tags["error"] == f"{error.__name__}: why"


def test_a_killed_run_of_the_same_work_is_taken_up_again(store):
    with pytest.raises(KeyboardInterrupt), tracked_run("work", params={"a": 1}, work_key="k1", **OPTIONS) as first:
        raise KeyboardInterrupt
    with tracked_run("work", params={"a": 1}, work_key="k1", **OPTIONS) as again:
        assert again.id == first.id
    with tracked_run("work", params={"a": 1}, work_key="k1", **OPTIONS) as after:
        assert after.id != first.id
    with tracked_run("work", params={"a": 2}, work_key="k2", **OPTIONS) as other:
        assert other.id not in (first.id, after.id)
    recorded = connect().get_run(first.id)
    assert recorded.info.status == "FINISHED"
    assert "error" not in recorded.data.tags  # of the first attempt


def test_a_run_that_is_killed_right_after_it_was_made_is_found_again(store, monkeypatch):
    monkeypatch.setattr("demsr.tracking.runs._provenance", lambda: (_ for _ in ()).throw(SystemError))
    with pytest.raises(SystemError), tracked_run("work", params={}, work_key="k1", **OPTIONS):
        pass
    monkeypatch.undo()
    monkeypatch.setenv("DVC_ROOT", str(store))
    with tracked_run("work", params={}, work_key="k1", **OPTIONS) as run:
        where = connect().get_run(run.id).info.experiment_id
    assert len(connect().search_runs([where])) == 1


def test_runs_that_nobody_goes_on_with_are_ended(store):
    client = connect()
    where = experiment_id(client, "sweep")
    parent = client.create_run(where, tags={"demsr.work_key": "k1"}).info.run_id
    states = {}
    for status in ("RUNNING", "FINISHED"):
        states[status] = client.create_run(where, tags={"mlflow.parentRunId": parent}).info.run_id
        client.update_run(states[status], status=status)
    other = client.create_run(where, tags={"demsr.work_key": "k2"}).info.run_id
    end_run("k1", experiment="sweep")
    found = [client.get_run(run_id).info.status for run_id in (parent, *states.values(), other)]
    assert found == ["KILLED", "KILLED", "FINISHED", "RUNNING"]


def test_a_finished_run_is_taken_up_where_that_is_wanted(store):
    with tracked_run("sweep", params={}, work_key="k1", experiment="sweep", **OPTIONS) as first:
        pass
    with tracked_run("sweep", params={}, work_key="k1", experiment="sweep", resume_finished=True, **OPTIONS) as again:
        assert again.id == first.id


def test_further_processes_of_one_training_log_nothing(store, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with tracked_run("second", params={}, **OPTIONS) as run:
        run.log_epoch({"epoch": 1, "train_loss": 0.5})
    assert not connect().search_experiments(filter_string="name = 'dem-srnet'")


def test_a_run_is_found_by_its_weights_and_the_latest_of_several(store):
    assert find_run(connect(), "aa") is None  # in a store without runs
    for weights in ("aa", "bb", "aa"):
        with tracked_run("train", params={}, **OPTIONS) as run:
            run.log_weights_sha256(weights)
    assert find_run(connect(), "aa") == run.id
    assert find_run(connect(), "cc") is None


def test_nested_parameters_are_joined_by_dots():
    assert flattened({"a": {"b": {"c": 1}, "d": 2}, "e": None}) == {"a.b.c": 1, "a.d": 2, "e": None}
