from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from demsr.model.checkpoint import save_model
from demsr.model.srnet import DemSrNet
from demsr.tracking.prune import delete_runs, old_runs
from demsr.tracking.registry import add_version, download
from demsr.tracking.runs import tracked_run
from demsr.tracking.store import connect, experiment_id

OPTIONS = {"profile": "test", "seed": 1, "params": {}, "inputs": []}


def run_with_file(store: Path, stage: str, **options: object) -> str:
    """Add a finished run with an artifact of five bytes."""
    (store / "a.txt").write_text("12345")
    with tracked_run(stage, stage=stage, **OPTIONS, **options) as run:
        run.log_file(store / "a.txt", "folder")
    return run.id


def test_ended_runs_are_found_with_stage_and_size_and_deleted_with_their_artifacts(store):
    kept = experiment_id(connect(), "someone else")
    other = connect().create_run(kept).info.run_id
    connect().set_terminated(other)
    ids = {run_with_file(store, "evaluate"), run_with_file(store, "sweep", experiment="dem-srnet-resblocks")}
    found = old_runs(connect(), days=0)
    assert {run.id for run in found} == ids
    assert [(run.experiment, run.stage, run.files, run.size) for run in found] == [
        ("dem-srnet", "evaluate", 1, 5),
        ("dem-srnet-resblocks", "sweep", 1, 5),
    ]
    assert len(list((store / "mlartifacts").rglob("a.txt"))) == 2
    delete_runs(connect(), found)
    assert old_runs(connect(), days=0) == []
    assert list((store / "mlartifacts").rglob("a.txt")) == []
    assert connect().get_run(other).info.lifecycle_stage == "active"


def test_young_and_running_runs_stay(store):
    run_with_file(store, "evaluate")
    assert old_runs(connect(), days=1) == []
    with tracked_run("train", stage="pretrain", **OPTIONS) as run:
        assert run.id not in {one.id for one in old_runs(connect(), days=0)}


def test_trials_stay_as_long_as_one_of_their_sweep_runs(store):
    client = connect()
    where = experiment_id(client, "dem-srnet-resblocks")
    parent = client.create_run(where).info.run_id
    trials = [client.create_run(where, tags={"mlflow.parentRunId": parent}).info.run_id for _ in range(2)]
    for run in (parent, trials[0]):
        client.set_terminated(run)
    assert old_runs(client, days=0) == []
    client.set_terminated(trials[1])
    assert {run.id for run in old_runs(client, days=0)} == {parent, *trials}


def test_all_pages_of_a_long_list_are_read(store, monkeypatch):
    ids = {run_with_file(store, "evaluate") for _ in range(3)}
    search = MlflowClient.search_runs

    def two_at_most(client, *arguments, **more):
        return search(client, *arguments, **more | {"max_results": 2})

    monkeypatch.setattr(MlflowClient, "search_runs", two_at_most)
    assert {run.id for run in old_runs(connect(), days=0)} == ids


@pytest.fixture
def versions(store) -> list[str]:
    """Runs of two registered versions."""
    runs = []
    for seed in range(2):
        torch.manual_seed(seed)
        save_model(DemSrNet(1, 4), store / "net", training={})
        runs.append(run_with_file(store, "pretrain"))
        add_version(connect(), "dem-srnet-test", store / "net", run_id=runs[-1], description="", tags={})
    return runs


def test_runs_and_files_of_registered_versions_stay_and_those_of_deleted_versions_go(store, versions):
    assert old_runs(connect(), days=0) == []
    connect().delete_model_version("dem-srnet-test", "1")
    (found,) = old_runs(connect(), days=0)
    assert (found.id, len(found.models)) == (versions[0], 1)
    assert found.files > 3  # weights, config and code of the model beside the file of the run
    delete_runs(connect(), [found])
    assert (download("models:/dem-srnet-test/2") / "weights.safetensors").is_file()
    assert len(list((store / "mlartifacts").rglob("net/weights.safetensors"))) == 1
    left = connect().search_runs([experiment_id(connect())])  # without deleted ones
    assert [run.info.run_id for run in left] == versions[1:]
