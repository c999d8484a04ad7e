"""Whole sweeps with Ray, on nets of a few weights."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from mlflow import MlflowClient
from sweep_project import enter

pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[sweep]'` installs it")

import ray
from ray.cluster_utils import Cluster

from demsr.cli.sweep_config import read_plan
from demsr.errors import ParamsError, TrackingError, WorkerError
from demsr.profiles import write_changes
from demsr.search import sweep
from demsr.search.monitor import TrialMonitor
from demsr.search.nodes import TrialResources
from demsr.search.storage import open_storage
from demsr.search.sweep import _choose_finalists, run_sweep
from demsr.search.sweep_plan import SweepPlan
from demsr.search.trial_log import TrialLog, TrialRecord

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray, about files and sockets of its own
ONE = TrialResources(max_concurrent=1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A Ray cluster of one node with one CPU; tests may add nodes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        yield started
        started.shutdown()


def read(name: str = "resblocks", **overrides) -> SweepPlan:
    return read_plan(Path("sweeps") / f"{name}.yaml", overrides=overrides)


def start_command(project: Path, *words: str) -> subprocess.Popen:
    command = [sys.executable, "-u", "sweeps/resblocks.py", "--max-concurrent", "1", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if "--address" not in words:
        environment.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)  # the command itself keeps Ray on loopback
    return subprocess.Popen(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )


def stop_after(process: subprocess.Popen, line: str, how: signal.Signals) -> int:
    """Send a signal once a line is printed; child processes may outlive the command."""
    for printed in process.stdout:
        if line in printed:
            process.send_signal(how)
            break
    process.communicate()
    return process.returncode


def all_runs(project: Path, name: str = "resblocks") -> list[Any]:
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name(f"dem-srnet-{name}")
    return list(client.search_runs([experiment.experiment_id]))


def runs_of(project: Path) -> dict[str, Any]:
    """Runs of trials by their ids, that of the sweep by the part of its name before data and date."""
    return {run.data.tags.get("tune.trial_id", run.info.run_name.partition(",")[0]): run for run in all_runs(project)}


def outcome(project: Path) -> list[dict]:
    report = json.loads((project / "results/sweeps/resblocks/verdict.json").read_text())
    timed = ("seconds_per_epoch", "samples_per_second")
    return [{key: value for key, value in row.items() if key not in timed} for row in report["trials"]]


@pytest.mark.slow
def test_a_killed_and_interrupted_sweep_ends_as_an_unbroken_one(project, small_project, cluster, monkeypatch):
    unbroken = Path(shutil.copytree(small_project, project.parent / "unbroken"))
    enter(unbroken, monkeypatch)
    run_sweep(read(), ONE, address=cluster.address)

    enter(project, monkeypatch)
    assert stop_after(start_command(project), "2 of 4  trial-001", signal.SIGKILL) == -signal.SIGKILL
    first = {name: run.info.run_id for name, run in runs_of(project).items()}
    assert {"resblocks sample", "trial-000", "trial-001"} <= first.keys()
    with pytest.raises(ParamsError, match="an unfinished sweep exists; continue it with --resume, or discard it"):
        start(read())
    resumed = start_command(project, "--resume", "--address", cluster.address)
    assert stop_after(resumed, "1 of 4  finalist-000", signal.SIGINT) == 130
    interrupted = runs_of(project)
    assert interrupted["resblocks sample"].info.status == "KILLED"
    assert {run.info.status for run in interrupted.values()} <= {"KILLED", "FINISHED"}
    run_sweep(read(), ONE, address=cluster.address, resume=True)

    assert outcome(project) == outcome(unbroken)
    runs = runs_of(project)
    assert sorted(runs) == sorted(runs_of(unbroken))
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    assert len(client.search_runs([runs["trial-000"].info.experiment_id])) == len(runs) == 9
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert all(runs[name].info.run_id == run_id for name, run_id in first.items())
    assert re.fullmatch(r"resblocks sample, pairs [0-9a-f]{8}, \d{4}-\d\d-\d\d", runs["resblocks sample"].info.run_name)
    for name in set(runs) - {"resblocks sample"}:
        history = client.get_metric_history(runs[name].info.run_id, "valid_rmse_m")
        assert sorted(point.step for point in history) == [1, 2, 3]
        assert runs[name].info.run_name.startswith(f"{name}, ")
        assert runs[name].data.tags["mlflow.parentRunId"] == runs["resblocks sample"].info.run_id
    assert runs["finalist-000"].data.tags["role"] == "finalist"
    left = {path.name for path in (project / "work/sweeps/resblocks").iterdir()}
    assert left == {"optuna.db"}  # no checkpoint


def waiting_for_two_nodes(call):
    """Hold either of the first two trials after its first epoch until both nodes have a worker, which takes seconds."""

    def call_and_wait(self, record: TrialRecord) -> None:
        call(self, record)
        deadline = time.monotonic() + 120
        while record.id in ("trial-000", "trial-001") and len(record.rows) == 1 and time.monotonic() < deadline:
            actors = ray._private.state.actors().values()
            if len({actor["Address"]["NodeID"] for actor in actors if actor["State"] == "ALIVE"}) > 1:
                return
            time.sleep(0.2)

    return call_and_wait


@pytest.mark.slow
def test_trials_run_on_all_nodes_and_a_failed_one_does_not_stop_the_others(project, cluster, monkeypatch):
    plan = read(halving=None, finalists={"best": 1, "seeds": [1, 2]})
    started = {"identity": "a" * 16, "reference": plan.reference, "trials": 4}
    monkeypatch.setattr(sweep, "_start", lambda *_, **__: started)
    monkeypatch.setattr(TrialMonitor, "__call__", waiting_for_two_nodes(TrialMonitor.__call__))
    broken = plan.folder / started["identity"] / "trial-002"
    broken.parent.mkdir(parents=True)
    broken.write_text("a file in the place of the folder")
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    try:
        report = run_sweep(plan, TrialResources(), address=cluster.address)
    finally:
        cluster.remove_node(node)
    entries = trials_of(plan)
    assert [entry.state == "failed" for entry in entries] == [False, False, True, False]
    assert len({entry.node for entry in entries if entry.node}) == 2
    assert f"1 of {len(report.trials)} trials failed; first: FileExistsError" in report.sentences[-1]
    runs = runs_of(project)
    assert runs["trial-002"].info.status == "FAILED"
    assert runs["trial-002"].data.tags["error"]
    assert {runs[name].data.tags["ray.node"] for name in ("trial-000", "trial-001", "trial-003")} == {
        entry.node for entry in entries if entry.node
    }


@pytest.mark.slow
def test_fine_tuning_is_searched_the_same_way_and_mlflow_may_be_down_meanwhile(project, cluster, monkeypatch, capsys):
    from demsr.tracking.child_runs import ChildRuns

    plan, update, failures = read("finetune"), ChildRuns.update, []

    def failing_once(self, trial_id, **what):
        if not failures and what["rows"]:
            failures.append(trial_id)
            raise TrackingError("MLflow is down")
        update(self, trial_id, **what)

    monkeypatch.setattr(ChildRuns, "update", failing_once)
    report = run_sweep(plan, ONE, address=cluster.address)
    assert failures
    assert "MLflow is down; runs are written at the end" in capsys.readouterr().err
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("dem-srnet-finetune").experiment_id
    runs = client.search_runs([experiment])
    assert len(runs) == 1 + len(report.trials)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {entry.candidate["finetune.learning_rate"] for entry in trials_of(plan)} >= {0.001}
    assert report.reference == {"finetune.learning_rate": 0.001}
    assert set(report.changes) == {"finetune"}

    more_seeds = {"best": 1, "seeds": [1, 2, 3]}
    extended = read("finetune", finalists=more_seeds)
    more = run_sweep(extended, ONE, address=cluster.address, resume=True, trials=4)
    assert {len(row["rmse_by_seed"]) for row in more.finalists} == {3}
    assert [row["trial_id"] for row in more.trials if row["role"] == "trial"][:4] == [
        f"trial-{n:03d}" for n in range(4)
    ]
    again = client.search_runs([experiment])
    assert len(again) == 1 + len(more.trials)
    assert {run.info.run_id for run in runs} <= {run.info.run_id for run in again}


def trials_of(plan: SweepPlan) -> list[TrialRecord]:
    with open_storage(plan.storage, plan.name) as storage:
        return TrialLog(storage, "trial", plan.space, plan.metric).records()


def start(plan: SweepPlan, **how) -> dict:
    plan.folder.mkdir(parents=True, exist_ok=True)
    with open_storage(plan.storage, plan.name) as storage:
        usual = {"resume": False, "anew": False, "accept_changes": False, "trials": None}
        return sweep._start(plan, storage, **usual | how)


def test_a_sweep_resumes_with_the_same_space_pairs_and_reference_only(project):
    plan = read()
    with pytest.raises(ParamsError, match="sweep resblocks: nothing to resume; start it without --resume"):
        start(plan, resume=True)
    started = start(plan, trials=7)
    assert (started["trials"], started["reference"]) == (7, {"model.num_blocks": 2, "pretrain.learning_rate": 0.003})
    assert start(plan, resume=True) == started  # and not the number of trials of the space
    assert start(plan, resume=True, trials=9) == started | {"trials": 9}
    finalists = {"best": 2, "seeds": [1, 2, 3]}
    assert start(read(finalists=finalists), resume=True)["identity"] == started["identity"]
    write_changes(Path("params.yaml"), {"pretrain": {"learning_rate": 0.005}, "model": {"num_blocks": 3}})
    assert start(read(), resume=True)["reference"] == started["reference"]  # although the best was put there
    with pytest.raises(ParamsError, match="the space changed since it started"):
        start(read(epochs=4), resume=True)
    assert start(read(epochs=4), resume=True, accept_changes=True)["identity"] == started["identity"]
    more = {**plan.space.model_dump(exclude_none=True)["search"], "pretrain.loss": {"choice": ["mse", "balanced"]}}
    with pytest.raises(ParamsError, match="started with other parameters or choices in `search`"):
        start(read(search=more), resume=True, accept_changes=True)
    pairs = project / "data/pairs/land/valid.h5"
    pairs.write_bytes((project / "data/pairs/marine/valid.h5").read_bytes())
    with pytest.raises(ParamsError, match="the space and pairs changed"):
        start(read(), resume=True)
    with pytest.raises(ParamsError, match="give one of them"):
        start(read(), resume=True, anew=True)
    assert start(read(), anew=True)["identity"] != started["identity"]


def test_one_process_at_a_time_runs_a_sweep(project):
    plan = read()
    plan.folder.parent.mkdir(parents=True)
    with FileLock(f"{plan.folder}.lock"), pytest.raises(ParamsError, match="another process runs this sweep"):
        run_sweep(plan, ONE)
    with pytest.raises(ParamsError, match="run the sweep on a node of the cluster"):
        run_sweep(plan, ONE, address="ray://head:10001")


def test_finalists_are_the_reference_and_the_best_and_never_a_trial_that_failed(project):
    def record(number: int, depth: int, rate: float, rmse: float, state: str = "finished") -> TrialRecord:
        candidate = {"model.num_blocks": depth, "pretrain.learning_rate": rate}
        return TrialRecord(f"trial-{number:03d}", candidate, 1, state, [{"epoch": 1, "valid_rmse_m": rmse}])

    records = [
        record(0, 2, 0.003, 9.0),
        record(1, 2, 0.001, 8.0),
        record(2, 2, 0.01, 1.0, "failed"),
        record(3, 3, 0.002, 7.0),
        record(4, 3, 0.004, 7.5, "stopped early"),
        record(5, 1, 0.003, 1.0, "failed"),
    ]
    plan = read(finalists={"best": 1, "always": [{"model.num_blocks": 1}], "seeds": [1, 2]})
    assert _choose_finalists(plan, records) == [
        {"model.num_blocks": 2, "pretrain.learning_rate": 0.001},  # the reference, at its best rate
        {
            "model.num_blocks": 1,
            "pretrain.learning_rate": 0.003,
        },  # always; its only trial failed, so the rate of the profile
        {"model.num_blocks": 3, "pretrain.learning_rate": 0.002},
    ]
    with pytest.raises(WorkerError, match="all 1 trials failed: too high"):
        _choose_finalists(plan, [replace(records[2], error="too high")])


def test_the_best_are_chosen_for_each_value_that_splits_the_verdict(project):
    def record(number: int, features: int, loss: str, rmse: float) -> TrialRecord:
        candidate = {"model.features": features, "pretrain.loss": loss, "pretrain.learning_rate": 0.001 * (number + 1)}
        candidate["pretrain.batch_size"] = 2
        return TrialRecord(f"trial-{number:03d}", candidate, 1, "finished", [{"epoch": 1, "valid_rmse_m": rmse}])

    plan = read("width")
    records = [record(0, 4, "mse", 9.0), record(1, 6, "mse", 3.0), record(2, 2, "mse", 4.0), record(3, 4, "mse", 8.0)]
    records += [record(4, 6, "balanced", 7.0), record(5, 2, "balanced", 6.0)]
    chosen = [(found["model.features"], found["pretrain.loss"]) for found in _choose_finalists(plan, records)]
    assert chosen == [(4, "mse"), (6, "mse"), (2, "balanced")]  # the reference, and the best of each loss
    assert _choose_finalists(plan, records)[0]["pretrain.learning_rate"] == 0.004  # its best rate


@pytest.mark.slow
def test_a_file_alone_searches_loss_width_rate_and_batch_and_failed_trials_are_tried_again(
    project, cluster, monkeypatch
):
    plan = read("width")
    started = {"identity": "a" * 16, "reference": plan.reference, "trials": 5}
    monkeypatch.setattr(sweep, "_start", lambda *_, **__: started)
    broken = plan.folder / started["identity"] / "trial-002"
    broken.parent.mkdir(parents=True)
    broken.write_text("a file in the place of the folder")
    report = run_sweep(plan, ONE, address=cluster.address)
    trials = [row for row in report.trials if row["role"] == "trial"]
    assert [row["state"] for row in trials] == ["finished", "finished", "failed", "finished", "finished"]
    assert {row["pretrain.loss"] for row in trials} == {"mse", "balanced"}
    assert report.changes["model"].keys() == {"num_blocks", "features"}
    assert report.changes["pretrain"].keys() == {"learning_rate", "loss", "batch_size"}
    assert "features" in (plan.results / "verdict.md").read_text()

    again = run_sweep(plan, ONE, address=cluster.address, retry_failed=True)
    *before, repeated = [row for row in again.trials if row["role"] == "trial"]
    assert before == trials
    assert (repeated["trial_id"], repeated["state"]) == ("trial-005", "finished")
    assert all(repeated[path] == trials[2][path] for path in again.paths)
    assert "failed" not in again.sentences[-1]
    runs = {run.data.tags.get("tune.trial_id"): run.info.status for run in all_runs(project, "width")}
    assert (runs["trial-002"], runs["trial-005"]) == ("FAILED", "FINISHED")
    assert len(runs) == 1 + len(again.trials)
