import hashlib
import json
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from demsr.errors import TrackingError
from demsr.tracking.runs import InputData, end_run, find_run, flattened, tracked_run
from demsr.tracking.store import beside_store, connect, experiment_id

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


def test_runs_of_an_experiment_of_dvc_have_its_name_and_one_parent(store, monkeypatch):
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "0123abc")
    with tracked_run("evaluate test", params={}, **OPTIONS) as plain:
        pass
    runs = {}
    for experiment in ("dusky-taka", "tubby-rime"):
        monkeypatch.setenv("DVC_EXP_NAME", experiment)
        for stage in ("pretrain", "evaluate"):
            with tracked_run(f"{stage} test", params={}, **OPTIONS | {"stage": stage}) as run:
                runs[experiment, stage] = connect().get_run(run.id)
    assert connect().get_run(plain.id).data.tags.get("mlflow.parentRunId") is None
    assert runs["dusky-taka", "pretrain"].info.run_name == "pretrain test [dusky-taka]"
    parents = {key: run.data.tags["mlflow.parentRunId"] for key, run in runs.items()}
    for experiment in ("dusky-taka", "tubby-rime"):
        assert parents[experiment, "pretrain"] == parents[experiment, "evaluate"]
        parent = connect().get_run(parents[experiment, "pretrain"])
        assert (parent.info.run_name, parent.info.status) == (f"dvc exp {experiment}", "FINISHED")
        assert parent.data.tags["dvc.exp.name"] == experiment
    assert len(set(parents.values())) == 2
    assert len(connect().search_runs([experiment_id(connect())])) == 7


def test_a_run_in_an_image_names_the_commit_of_the_image(store, monkeypatch):
    subprocess.run(["git", "init", "-q"], cwd=store, check=True)  # a repository without a commit
    monkeypatch.setenv("DVC_ROOT", str(store))
    monkeypatch.setenv("DEMSR_COMMIT", "0123abc")
    with tracked_run("pretrain test", params={}, **OPTIONS) as run:
        pass
    tags = connect().get_run(run.id).data.tags
    assert tags["mlflow.source.git.commit"] == tags["image.commit"] == "0123abc"


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_ends_as_its_block_does(store, error, status):
    with pytest.raises(error), tracked_run("broken", params={}, **OPTIONS) as run:
        raise error("why")
    recorded = connect().get_run(run.id)
    assert recorded.info.status == status
    assert recorded.data.tags["error"] == f"{error.__name__}: why"


def test_a_full_disk_is_reported_with_the_store(store, monkeypatch):
    full = MlflowException("(sqlite3.OperationalError) database or disk is full")
    message = r"mlflow\.db: its disk is full; free space there"
    with pytest.raises(TrackingError, match=message), tracked_run("full", params={}, **OPTIONS) as run:
        monkeypatch.setattr(MlflowClient, "log_batch", lambda *_, **__: (_ for _ in ()).throw(full))
        run.log_epoch({"epoch": 1, "train_loss": 0.5})


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
    with monkeypatch.context() as patch:
        patch.setattr("demsr.tracking.runs._provenance", lambda: (_ for _ in ()).throw(SystemError))
        with pytest.raises(SystemError), tracked_run("work", params={}, work_key="k1", **OPTIONS):
            pass
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


KILLED = """
import os, signal
from demsr.tracking.runs import tracked_run

with tracked_run("killed", stage="evaluate", profile="p", seed=1, params={}, inputs=[]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_ended_by_the_next_one_and_an_open_one_stays(store):
    assert subprocess.run([sys.executable, "-c", KILLED], cwd=store, check=False).returncode == -9
    (killed,) = connect().search_runs([experiment_id(connect())])
    assert killed.info.status == "RUNNING"
    with tracked_run("open", params={}, **OPTIONS) as living:
        assert connect().get_run(killed.info.run_id).info.status == "KILLED"
        with tracked_run("next", params={}, **OPTIONS | {"stage": "pairs"}):
            assert connect().get_run(living.id).info.status == "RUNNING"
    assert connect().get_run(living.id).info.status == "FINISHED"
    assert not list(beside_store("runs").iterdir())


@pytest.mark.parametrize("name", ["log_batch", "log_inputs"])
def test_a_run_whose_beginning_cannot_be_logged_does_not_stay_running(store, monkeypatch, name):
    (store / "train.h5").write_bytes(b"pairs")
    options = OPTIONS | {"inputs": [InputData(store / "train.h5", "training")]}

    def refuse(*_, **__):
        raise MlflowException("UNIQUE constraint failed: datasets.experiment_id")

    with monkeypatch.context() as patched, pytest.raises(MlflowException, match="UNIQUE constraint"):
        patched.setattr(f"mlflow.MlflowClient.{name}", refuse)
        with tracked_run("work", params={}, **options):
            pytest.fail("the run was opened")
    (run,) = connect().search_runs([experiment_id(connect())])
    assert run.info.status == "FAILED"


def test_data_that_another_machine_logs_at_the_same_time_are_logged(store, monkeypatch):
    (store / "train.h5").write_bytes(b"pairs")
    log, calls = MlflowClient.log_inputs, []

    def fail_once(client, *arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            raise MlflowException("UNIQUE constraint failed: datasets.experiment_id")
        return log(client, *arguments, **options)

    monkeypatch.setattr("mlflow.MlflowClient.log_inputs", fail_once)
    with tracked_run("work", params={}, **OPTIONS | {"inputs": [InputData(store / "train.h5", "training")]}) as run:
        pass
    assert len(connect().get_run(run.id).inputs.dataset_inputs) == 1


EIGHT = """
import os, time
from pathlib import Path
import torch
from demsr.tracking.runs import InputData, tracked_run
from mlflow.store.tracking import sqlalchemy_store  # as torch, once for all instead of in each process

inputs = [InputData(Path("train.h5"), "training"), InputData(Path("valid.h5"), "validation")]
begin, children = time.time() + 1, []
for number in range(8):
    if child := os.fork():
        children.append(child)
        continue
    time.sleep(max(0, begin - time.time()))
    try:
        with tracked_run(f"run {number}", stage="x", profile="p", seed=1, params={"a": 1}, inputs=inputs):
            pass
    except BaseException as error:
        print(type(error), error, flush=True)
        os._exit(1)
    os._exit(0)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_eight_processes_use_a_new_store_at_once(store):
    for name in ("train.h5", "valid.h5"):
        (store / name).write_bytes(name.encode())
    done = subprocess.run([sys.executable, "-c", EIGHT], cwd=store, capture_output=True, text=True, check=True)
    assert done.stdout == f"{[0] * 8}\n"
    runs = connect().search_runs([experiment_id(connect())])
    assert sorted(run.info.run_name for run in runs) == [f"run {number}" for number in range(8)]
    assert {run.info.status for run in runs} == {"FINISHED"}
