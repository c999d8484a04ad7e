"""Whole sweeps with Ray, on nets of a few weights."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient

pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[sweep]'` installs it")

from demsr.errors import CheckpointError, ParamsError, TrackingError, WorkerError
from demsr.params import Params
from demsr.profiles import write_changes
from demsr.search import sweep
from demsr.search.nodes import TrialResources
from demsr.search.sweep import _books, choose_finalists, run_sweep
from demsr.search.sweep_plan import SweepPlan, read_plan
from demsr.search.trial import check_node, train_trial
from demsr.search.trial_log import TrialRecord

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray, about files and sockets of its own
ONE = TrialResources(max_concurrent=1)


def plan_of(name: str = "resblocks", **changes) -> SweepPlan:
    stage = "pretrain" if name == "resblocks" else "finetune"
    return read_plan(name, stage, Path("sweeps") / f"{name}.yaml", changes=changes)


def started(project: Path, *words: str) -> subprocess.Popen:
    command = [sys.executable, "-u", "sweeps/resblocks.py", "--max-concurrent", "1", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )


def stopped_after(process: subprocess.Popen, line: str, how: signal.Signals) -> int:
    """Send a signal as soon as a line was printed; processes that the command has begun may still live."""
    for printed in process.stdout:
        if line in printed:
            process.send_signal(how)
            break
    process.communicate()
    return process.returncode


def runs_of(project: Path) -> dict[str, object]:
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("dem-srnet-resblocks")
    runs = client.search_runs([experiment.experiment_id])
    return {run.data.tags.get("tune.trial_id", run.info.run_name): run for run in runs}


def outcome(project: Path) -> list[dict]:
    report = json.loads((project / "results/sweeps/resblocks/verdict.json").read_text())
    timed = ("seconds_per_epoch", "samples_per_second")
    return [{key: value for key, value in row.items() if key not in timed} for row in report["trials"]]


@pytest.mark.slow
def test_a_sweep_that_is_killed_and_interrupted_ends_as_an_unbroken_one(project, small_project):
    unbroken = project.parent / "unbroken"
    shutil.copytree(small_project, unbroken)
    os.environ["DVC_ROOT"] = str(unbroken)  # the fixture restores it
    assert started(unbroken).wait() == 0

    os.environ["DVC_ROOT"] = str(project)
    assert stopped_after(started(project), "2 of 4  trial-001", signal.SIGKILL) == -signal.SIGKILL
    first = {name: run.info.run_id for name, run in runs_of(project).items()}
    assert {"resblocks sample", "trial-000", "trial-001"} <= first.keys()
    with pytest.raises(ParamsError, match="an unfinished sweep is there; go on with --resume, or throw it away"):
        begin(plan_of())
    assert stopped_after(started(project, "--resume"), "1 of 4  finalist-000", signal.SIGINT) == 130
    interrupted = runs_of(project)
    assert interrupted["resblocks sample"].info.status == "KILLED"
    assert {run.info.status for run in interrupted.values()} <= {"KILLED", "FINISHED"}
    assert started(project, "--resume").wait() == 0

    assert outcome(project) == outcome(unbroken)
    runs = runs_of(project)
    assert sorted(runs) == sorted(runs_of(unbroken))
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    assert len(client.search_runs([runs["trial-000"].info.experiment_id])) == len(runs) == 9
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert all(runs[name].info.run_id == run_id for name, run_id in first.items())
    for name in set(runs) - {"resblocks sample"}:
        history = client.get_metric_history(runs[name].info.run_id, "valid_rmse_m")
        assert sorted(point.step for point in history) == [1, 2, 3]
        assert runs[name].info.run_name.startswith(f"{name}, ")
        assert runs[name].data.tags["mlflow.parentRunId"] == runs["resblocks sample"].info.run_id
    assert runs["finalist-000"].data.tags["role"] == "finalist"
    left = {path.name for path in (project / "work/sweeps/resblocks").iterdir()}
    assert left == {"optuna.db", "sweep.json"}  # no checkpoint


@pytest.mark.slow
def test_trials_run_on_all_nodes_of_a_cluster_and_a_failed_one_does_not_stop_the_others(project, monkeypatch):
    from ray.cluster_utils import Cluster

    plan = plan_of(trials=5, epochs=60, halving=None)  # long enough for the slower node to come in
    identity, trials = "a" * 16, _books(plan)[0]
    began = {"identity": identity, "reference": plan.reference, "trials": 5}
    monkeypatch.setattr(sweep, "_begin", lambda *_, **__: began)
    broken = plan.folder / identity / "trial-002"
    broken.mkdir(parents=True)
    (broken / "last-epoch=0.ckpt").write_text("no checkpoint")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        (plan.folder / "sweep.json").write_text("{}")
        report = run_sweep(plan, share=TrialResources(), address=cluster.address)
    finally:
        cluster.shutdown()
    entries = trials.entries()
    assert [entry.state == "failed" for entry in entries] == [False, False, True, False, False]
    assert len({entry.node for entry in entries if entry.node}) == 2
    assert f"1 of {len(report.trials)} trials failed; first: UnpicklingError" in report.sentences[-1]
    runs = runs_of(project)
    assert runs["trial-002"].info.status == "FAILED"
    assert runs["trial-002"].data.tags["error"]
    assert {runs[name].data.tags["ray.node"] for name in ("trial-000", "trial-001", "trial-003")} == {
        entry.node for entry in entries if entry.node
    }


@pytest.mark.slow
def test_fine_tuning_is_searched_the_same_way_and_mlflow_may_be_away_meanwhile(project, monkeypatch, capsys):
    from demsr.tracking.child_runs import ChildRuns

    plan, update, failures = plan_of("finetune"), ChildRuns.update, []

    def away(self, trial_id, **what):
        if not failures and what["rows"]:
            failures.append(trial_id)
            raise TrackingError("MLflow is away")
        update(self, trial_id, **what)

    monkeypatch.setattr(ChildRuns, "update", away)
    report = run_sweep(plan, share=ONE)
    assert failures
    assert "MLflow is away; runs are written at the end" in capsys.readouterr().err
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("dem-srnet-finetune").experiment_id
    runs = client.search_runs([experiment])
    assert len(runs) == 1 + len(report.trials)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {entry.choice["learning_rate"] for entry in _books(plan)[0].entries()} >= {0.001}
    assert report.reference == 0.001
    assert set(report.changes) == {"finetune"}

    more_seeds = {"best": 1, "seeds": [1, 2, 3]}
    more = run_sweep(plan_of("finetune", finalists=more_seeds), share=ONE, resume=True, trials=4)
    assert {len(row["rmse_by_seed"]) for row in more.finalists} == {3}
    assert [row["trial_id"] for row in more.trials if row["role"] == "trial"][:4] == [
        f"trial-{n:03d}" for n in range(4)
    ]
    again = client.search_runs([experiment])
    assert len(again) == 1 + len(more.trials)
    assert {run.info.run_id for run in runs} <= {run.info.run_id for run in again}


def begin(plan: SweepPlan, **how) -> dict:
    return sweep._begin(plan, **{"resume": False, "anew": False, "accept_changes": False, "trials": None, **how})


def test_what_a_sweep_goes_on_from_must_be_the_same(project):
    plan = plan_of()
    with pytest.raises(ParamsError, match="there is no sweep to go on with; leave --resume away"):
        begin(plan, resume=True)
    began = begin(plan, trials=7)
    assert (began["trials"], began["reference"]) == (7, {"num_blocks": 2, "learning_rate": 0.003})
    assert begin(plan, resume=True) == began  # and not the number of trials of the space
    assert begin(plan, resume=True, trials=9) == began | {"trials": 9}
    finalists = {"best": 2, "seeds": [1, 2, 3]}
    assert begin(plan_of(finalists=finalists), resume=True)["identity"] == began["identity"]
    write_changes(Path("params.yaml"), {"pretrain": {"learning_rate": 0.005}, "model": {"num_blocks": 3}})
    assert begin(plan_of(), resume=True)["reference"] == began["reference"]  # although the best was put there
    with pytest.raises(ParamsError, match="since this sweep began its space changed"):
        begin(plan_of(epochs=4), resume=True)
    assert begin(plan_of(epochs=4), resume=True, accept_changes=True)["identity"] == began["identity"]
    pairs = project / "data/pairs/land/valid.h5"
    pairs.write_bytes((project / "data/pairs/marine/valid.h5").read_bytes())
    with pytest.raises(ParamsError, match="its space and pairs changed"):
        begin(plan_of(), resume=True)
    with pytest.raises(ParamsError, match="give one of them"):
        begin(plan_of(), resume=True, anew=True)
    assert begin(plan_of(), anew=True)["identity"] != began["identity"]


def test_one_process_at_a_time_runs_a_sweep(project):
    plan = plan_of()
    plan.folder.parent.mkdir(parents=True)
    with FileLock(f"{plan.folder}.lock"), pytest.raises(ParamsError, match="another process runs this sweep"):
        run_sweep(plan, share=ONE)
    with pytest.raises(ParamsError, match="run this on a node of the cluster"):
        run_sweep(plan, share=ONE, address="ray://head:10001")


def test_finalists_are_the_reference_and_the_best_and_never_a_trial_that_failed(project):
    def entry(number: int, depth: int, rate: float, rmse: float, state: str = "finished") -> TrialRecord:
        choice = {"num_blocks": depth, "learning_rate": rate}
        return TrialRecord(f"trial-{number:03d}", choice, 1, state, [{"epoch": 1, "valid_rmse_m": rmse}])

    entries = [
        entry(0, 2, 0.003, 9.0),
        entry(1, 2, 0.001, 8.0),
        entry(2, 2, 0.01, 1.0, "failed"),
        entry(3, 3, 0.002, 7.0),
        entry(4, 3, 0.004, 7.5, "stopped early"),
        entry(5, 1, 0.003, 1.0, "failed"),
    ]
    plan = plan_of(finalists={"best": 1, "always": [1], "seeds": [1, 2]})
    assert choose_finalists(plan, entries) == [
        {"num_blocks": 2, "learning_rate": 0.001},  # the reference, at its best rate
        {"num_blocks": 1, "learning_rate": 0.003},  # always; its only trial failed, so the rate of the profile
        {"num_blocks": 3, "learning_rate": 0.002},
    ]
    with pytest.raises(WorkerError, match="all 1 trials failed: too high"):
        choose_finalists(plan, [replace(entries[2], error="too high")])


def test_another_profile_brings_its_net_and_training_to_the_pairs_that_are_there(project, root):
    plan = read_plan("resblocks", "pretrain", root / "sweeps/resblocks.yaml", profile="paper")
    assert plan.reference == {"num_blocks": 42, "learning_rate": 1e-4}
    assert (plan.training.net["features"], plan.training.batch_size) == (256, 64)
    assert plan.training.train == project / "data/pairs/land/train.h5"
    assert plan.changes({"num_blocks": 32, "learning_rate": 2e-4}) == {
        "model": {"num_blocks": 32, "features": 256},
        "pretrain": {"learning_rate": 2e-4},
    }


def test_nodes_with_other_code_pairs_or_models_are_refused(project):
    training = plan_of("finetune").training
    check_node(training, whole=True)
    with pytest.raises(WorkerError, match="has another version of demsr"):
        check_node(replace(training, code="other"), whole=False)
    with pytest.raises(WorkerError, match=r"valid.h5: the node .* lacks it or has another one"):
        check_node(replace(training, sizes=(training.sizes[0], 1)), whole=False)
    changed = replace(training, md5=(training.md5[0], "0"))
    check_node(changed, whole=False)  # the size is the same
    with pytest.raises(WorkerError, match=r"valid.h5: the node .* lacks it"):
        check_node(changed, whole=True)
    with pytest.raises(WorkerError, match="has another pretrained model"):
        check_node(replace(training, start_sha256="0"), whole=False)


def test_an_epoch_of_nan_ends_a_trial_with_its_reason(project):
    seen = []
    choice = {"num_blocks": 1, "learning_rate": 1e30}
    with pytest.raises(CheckpointError, match="came out as NaN or infinite; the learning rate is too high"):
        train_trial(plan_of().training, "trial-000", choice, seed=1, threads=1, on_epoch=seen.append)
    assert all(row["valid_rmse_m"] == row["valid_rmse_m"] for row in seen)


def test_the_best_goes_into_params_yaml_unless_it_was_found_for_another_profile(project):
    folder = project / "results/sweeps/resblocks"
    folder.mkdir(parents=True)
    report = {
        "name": "resblocks",
        "profile": "sample",
        "unit": "m",
        "axis": "num_blocks",
        "reference": 2,
        "trials": [],
        "finalists": [],
        "best": {},
        "baselines": {},
        "equal_seconds": 1.0,
        "budget": "",
        "sentences": ["Best: 3."],
        "changes": {"model": {"num_blocks": 3, "features": 4}, "pretrain": {"learning_rate": 0.0025}},
    }
    (folder / "verdict.json").write_text(json.dumps(report))

    def command(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "sweeps/resblocks.py", *words], cwd=project, capture_output=True, text=True, check=False
        )

    used = command("--verdict", "--use")
    assert used.returncode == 0
    assert "Best: 3." in used.stdout
    params = Params.read()
    assert (params.model.num_blocks, params.model.features, params.pretrain.learning_rate) == (3, 4, 0.0025)
    assert "# The net. The paper has 42 blocks of 256 features." in Path("params.yaml").read_text()
    (folder / "verdict.json").write_text(json.dumps(report | {"profile": "paper"}))
    refused = command("--use")
    assert refused.returncode == 1
    assert "holds the profile sample, the sweep was of paper; run `demsr profile paper` first" in refused.stderr
    (folder / "verdict.json").unlink()
    assert "no sweep has come to its end here" in command("--verdict").stderr
