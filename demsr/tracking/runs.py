"""MLflow runs with their provenance: code, input data, parameters and machine."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

from demsr.errors import TrackingError, printable
from demsr.runtime.project import project_root
from demsr.tracking.store import EXPERIMENT, beside_store, connect, experiment_id, store_lock, tracking_uri

_PACKAGES = ("demsr", "torch", "lightning", "mlflow", "dvc", "h5py", "numpy", "rasterio")
_DVC_VARIABLES = ("DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV")
WEIGHTS_TAG, PARENT_TAG = "weights_sha256", "mlflow.parentRunId"
_WORK_KEY_TAG, _LOCK_TAG = "demsr.work_key", "demsr.lock"
_SQLITE_FULL = "database or disk is full"
_MOST_RUNS = 50_000  # that MLflow returns at a time


@dataclass(frozen=True)
class InputData:
    """A file that a run reads.

    Attributes
    ----------
    path : file
    context : its use, such as "training", "validation" or "testing"
    """

    path: Path
    context: str

    @cached_property
    def md5(self) -> str:
        """MD5 of the content, as recorded in dvc.lock."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()

    def as_mlflow(self) -> DatasetInput:
        """Return the MLflow dataset of a file that DVC keeps."""
        source = json.dumps({"path": str(self.path), "md5": self.md5, "kept_by": "dvc"})
        size = json.dumps({"bytes": self.path.stat().st_size})
        dataset = Dataset(name=str(self.path), digest=self.md5, source_type="dvc", source=source, profile=size)
        return DatasetInput(dataset, [InputTag("mlflow.data.context", self.context)])


class Run:
    """An open MLflow run.

    Parameters
    ----------
    client : client of the store
    run_id : identity of the run in the store
    name : name in the list of runs
    """

    def __init__(self, client: MlflowClient, run_id: str, name: str) -> None:
        self.client, self.id, self.name = client, run_id, name
        self.logged_epochs = max((point.step for point in client.get_metric_history(run_id, "train_loss")), default=0)

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Log the metrics of one epoch, unless a killed process has already logged that epoch."""
        if row["epoch"] <= self.logged_epochs:
            return
        self.log_metrics({name: value for name, value in row.items() if name != "epoch"}, step=int(row["epoch"]))
        self.logged_epochs = int(row["epoch"])

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Log metrics in one request.

        Parameters
        ----------
        metrics : values by name
        step : epoch
        """
        now = int(time.time() * 1000)
        self.client.log_batch(self.id, metrics=[Metric(name, value, now, step) for name, value in metrics.items()])

    def log_numbers(self, values: Mapping[str, Any]) -> None:
        """Log the numeric leaves of nested values under their joined names, without characters that MLflow rejects."""
        flat = {re.sub(r"[^\w\-. :/]", "_", name): value for name, value in flattened(values, separator="/").items()}
        self.log_metrics({name: float(value) for name, value in flat.items() if isinstance(value, int | float)})

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one request."""
        self.client.log_batch(self.id, tags=[RunTag(name, value) for name, value in tags.items()])

    def log_weights_sha256(self, sha256: str) -> None:
        """Record the SHA-256 of the weights that the run has produced, by which `find_run` finds the run."""
        self.log_tags({WEIGHTS_TAG: sha256})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters that a resumed run does not have yet; MLflow never changes a parameter."""
        known = self.client.get_run(self.id).data.params
        new = [Param(name, str(value)) for name, value in params.items() if name not in known]
        self.client.log_batch(self.id, params=new)

    def log_inputs(self, inputs: Sequence[InputData]) -> None:
        """Log the input files, unless a killed process has already done so."""
        known = self.client.get_run(self.id).inputs
        if not inputs or (known and known.dataset_inputs):
            return
        datasets = [data.as_mlflow() for data in inputs]
        with store_lock("inputs"):  # MLflow looks for known data sets, then adds the others
            try:
                self.client.log_inputs(self.id, datasets=datasets)
            except MlflowException:  # a process on another machine may have added the same since the look
                self.client.log_inputs(self.id, datasets=datasets)

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Store a copy of a file with the run.

        Parameters
        ----------
        path : file to copy
        folder : folder among the artifacts of the run, by default the top one
        """
        self.client.log_artifact(self.id, str(path), folder)


class _NullRun(Run):
    """A run that logs nothing, for all processes of a distributed training but the first."""

    def __init__(self) -> None:
        self.id = self.name = ""
        self.logged_epochs = 0

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Log nothing."""

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Log nothing."""

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Log nothing."""


@contextlib.contextmanager
def tracked_run(
    name: str,
    *,
    stage: str,
    profile: str,
    seed: int,
    params: Mapping[str, Any],
    inputs: Sequence[InputData],
    work_key: str | None = None,
    experiment: str = EXPERIMENT,
    resume_finished: bool = False,
) -> Iterator[Run]:
    """Open a run for the block; its status becomes FINISHED, FAILED or KILLED, depending on how the block ends.

    Runs of this project whose process was killed become KILLED first, for a killed process cannot do it.

    Parameters
    ----------
    name : name in the list of runs
    stage, profile, seed : tags of the run
    params : nested parameters, logged under names joined with dots
    inputs : files that the run reads
    work_key : identity of resumable work; an unfinished run with the same key is resumed
    experiment : name of the experiment
    resume_finished : also resume a finished run with the same key

    Raises
    ------
    TrackingError : the disk of the embedded store is full
    """
    if int(os.environ.get("LOCAL_RANK", "0")) > 0:
        yield _NullRun()
        return
    client = connect()
    where = experiment_id(client, experiment)
    _end_abandoned_runs(client)
    with _locked(where) as lock:
        found = _find(client, where, work_key, lock, finished=resume_finished)
        run = Run(client, found or _create(client, where, name, work_key, lock), name)
        try:
            run.log_tags({"stage": stage, "profile": profile, "seed": str(seed), **_provenance()})
            run.log_params({"seed": seed, "profile": profile, **flattened(params)})
            run.log_inputs(inputs)
            yield run
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
            with contextlib.suppress(MlflowException):  # the store itself may be what failed
                client.set_terminated(run.id, "KILLED" if interrupted else "FAILED")
                run.log_tags({"error": printable(f"{type(error).__name__}: {error}")[:500]})
            if _SQLITE_FULL in str(error):
                message = f"{tracking_uri()}: its disk is full; free space there and run the same command again"
                raise TrackingError(message) from error
            raise
        client.set_terminated(run.id, "FINISHED")


def dvc_experiment() -> str | None:
    """Return the name of the DVC experiment that this process belongs to, queue jobs included; None outside of one."""
    return os.environ.get("DVC_EXP_NAME")


def find_run(client: MlflowClient, weights_sha256: str) -> str | None:
    """Return the id of the latest run that has produced these weights, None if the store has none.

    Parameters
    ----------
    client : client of the store
    weights_sha256 : SHA-256 of weights.safetensors
    """
    found = client.search_runs([experiment_id(client)], f"tags.{WEIGHTS_TAG} = '{weights_sha256}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def child_runs(client: MlflowClient, experiment: str, parent_id: str) -> Sequence[MlflowRun]:
    """Return the runs below a run.

    Parameters
    ----------
    client : client of the store
    experiment : id of the experiment
    parent_id : id of the parent run
    """
    return client.search_runs([experiment], f"tags.`{PARENT_TAG}` = '{parent_id}'", max_results=_MOST_RUNS)


def end_run(work_key: str, *, experiment: str) -> None:
    """Set the status of an abandoned run and its child runs to KILLED if it is RUNNING.

    Parameters
    ----------
    work_key : identity of the work
    experiment : name of the experiment
    """
    client = connect()
    where = experiment_id(client, experiment)
    _kill(client, where, f"tags.`{_WORK_KEY_TAG}` = '{work_key}'")


def flattened(params: Mapping[str, Any], prefix: str = "", *, separator: str = ".") -> dict[str, Any]:
    """Return nested parameters as a flat mapping.

    Parameters
    ----------
    params : nested mapping
    prefix : text before every name
    separator : text between the names of two levels
    """
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}{separator}", separator=separator)
        else:
            flat[f"{prefix}{name}"] = value
    return flat


@contextlib.contextmanager
def _locked(where: str) -> Iterator[str]:
    """Hold a lock file for a run of an experiment and yield its name; the system releases it whatever ends the process.

    A lock file that nobody holds so belongs to an abandoned run.
    """
    folder = beside_store("runs")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{where}-{uuid.uuid4().hex}.lock")
    with lock:
        try:
            yield Path(lock.lock_file).stem
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)


def _end_abandoned_runs(client: MlflowClient) -> None:
    """Set the status of the runs whose processes were killed to KILLED."""
    for path in beside_store("runs").glob("*.lock"):
        with contextlib.suppress(Timeout), FileLock(path, timeout=0):  # one in use belongs to an open run
            where, _, _ = path.stem.partition("-")
            _kill(client, where, f"tags.`{_LOCK_TAG}` = '{path.stem}'")
            path.unlink(missing_ok=True)


def _kill(client: MlflowClient, where: str, wanted: str) -> None:
    """Set the status of the wanted runs of an experiment and of their child runs to KILLED if it is RUNNING."""
    for parent in client.search_runs([where], wanted):
        for run in (parent, *child_runs(client, where, parent.info.run_id)):
            if run.info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "KILLED")


def _create(client: MlflowClient, where: str, name: str, work_key: str | None, lock: str) -> str:
    """Create a run together with its keys, so that a process killed at once leaves a run that can be found."""
    tags = {"mlflow.user": _user(), _LOCK_TAG: lock}
    tags |= {_WORK_KEY_TAG: work_key} if work_key else {}
    if (experiment := dvc_experiment()) is not None:
        name, tags[PARENT_TAG] = f"{name} [{experiment}]", _run_of(client, where, experiment)
    return str(client.create_run(where, run_name=name, tags=tags).info.run_id)


def _run_of(client: MlflowClient, where: str, experiment: str) -> str:
    """Return the id of the run above those of a DVC experiment, which is created by the first of them."""
    key = f"dvc exp {experiment} {os.environ.get('DVC_EXP_BASELINE_REV', '')}"
    if found := client.search_runs([where], f"tags.`{_WORK_KEY_TAG}` = '{key}'", max_results=1):
        return str(found[0].info.run_id)
    tags = {"mlflow.user": _user(), "stage": "experiment", "dvc.exp.name": experiment, _WORK_KEY_TAG: key}
    run_id = str(client.create_run(where, run_name=f"dvc exp {experiment}", tags=tags).info.run_id)
    client.set_terminated(run_id, "FINISHED")  # it has no process of its own
    return run_id


def _user() -> str:
    return os.environ.get("USER", "demsr")


def _find(client: MlflowClient, where: str, work_key: str | None, lock: str, *, finished: bool) -> str | None:
    """Return the run with this key and reopen it under a lock."""
    if work_key is None:
        return None
    wanted = f"tags.`{_WORK_KEY_TAG}` = '{work_key}'" + ("" if finished else " and attributes.status != 'FINISHED'")
    found = client.search_runs([where], wanted, max_results=1)
    if not found:
        return None
    client.set_tag(found[0].info.run_id, _LOCK_TAG, lock)
    client.update_run(found[0].info.run_id, status="RUNNING")
    if "error" in found[0].data.tags:
        client.delete_tag(found[0].info.run_id, "error")
    return str(found[0].info.run_id)


def _provenance() -> dict[str, str]:
    of_image = os.environ.get("DEMSR_COMMIT")  # whose project may have no commit, or only one of its own
    commit = _git("rev-parse", "HEAD") or of_image
    made_by_dvc = (":!results", ":!dvc.lock")
    dirty = bool(_git("status", "--porcelain", "--untracked-files=no", "--", ".", *made_by_dvc))
    versions = {package: importlib.metadata.version(package) for package in _PACKAGES if _installed(package)}
    experiment = {name.lower().replace("_", "."): os.environ[name] for name in _DVC_VARIABLES if name in os.environ}
    return {
        "mlflow.source.name": "dvc repro" if "DVC_STAGE" in os.environ else "python",
        "mlflow.source.git.commit": commit or "none",
        "git.dirty": str(dirty).lower(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {_accelerator()}",
        "python": platform.python_version(),
        "packages": json.dumps(versions),
        **({"image.commit": of_image} if of_image else {}),
        **experiment,
    }


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(project_root()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _accelerator() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
