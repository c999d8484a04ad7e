"""Run trials with Ray Tune, which places them on nodes and stops the worst; the trial log keeps their state."""

import logging
import os
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import ray
from ray import tune
from ray.tune.error import TuneError
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from demsr.errors import WorkerError
from demsr.runtime.ray_cluster import first_line
from demsr.search.halving import CostHalving
from demsr.search.nodes import TrialResources, check_nodes, trial_capacity
from demsr.search.sweep_plan import SweepPlan
from demsr.search.trial import TrialSetup, check_node, train_trial
from demsr.search.trial_log import State, TrialLog, TrialRecord
from demsr.training.progress import EpochRow

OnChange = Callable[[TrialRecord], None]
_NODE, _ERROR, _MISMATCH = "node", "error", "mismatch"  # keys of a result besides the row of an epoch
_SCRATCH = "tune"  # folder of Tune's own files
_RETRIES = 2  # of a trial whose process or node was lost; an exception of the training is final
_TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


def run_trials(log: TrialLog, plan: SweepPlan, resources: TrialResources, *, on_change: OnChange) -> None:
    """Run the remaining trials of a log.

    Parameters
    ----------
    log : trial log; suggests the trials and receives their results
    plan : plan of the sweep
    resources : resources of each trial
    on_change : called with the record of each trial that starts, reports an epoch or ends

    Raises
    ------
    WorkerError : resources are insufficient, a node differs from the driver, or Ray fails
    """
    if not log.remaining:
        return
    setup = plan.setup
    os.environ |= _TUNE_ENVIRONMENT
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    shutil.rmtree(setup.work / _SCRATCH, ignore_errors=True)  # of a killed sweep
    callback = _TrialLogCallback(log, setup, on_change)
    tuner = _make_tuner(log, plan, resources, callback)
    check_nodes(setup)
    try:
        tuner.fit()
    except (RuntimeError, TuneError) as error:
        message = f"Ray failed ({first_line(error)}); use --resume with more memory or fewer concurrent trials"
        raise WorkerError(message) from error
    finally:
        shutil.rmtree(setup.work / _SCRATCH, ignore_errors=True)
    if callback.mismatch.reason is not None:
        raise WorkerError(callback.mismatch.reason)
    if log.remaining:
        message = f"{log.remaining} trials did not run to the end; continue with --resume"
        raise WorkerError(message)


def _make_tuner(log: TrialLog, plan: SweepPlan, resources: TrialResources, callback: "_TrialLogCallback") -> tune.Tuner:
    """Configure Tune for the remaining trials; only searched trials stop early, finalists never."""
    halving = log.space.halving if log.kind == "trial" else None
    gpus, capacity = trial_capacity(resources)
    if resources.max_concurrent is None and halving is not None:
        capacity = min(capacity, max(2, log.total // 3))  # more would all be suggested without any result
    options = {"threads": max(1, int(resources.cpus_per_trial)), "accelerator": "auto" if gpus else "cpu"}
    trainable = tune.with_parameters(_trainable, setup=plan.setup, **options)
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": resources.cpus_per_trial, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=_TrialLogSearcher(log),
            num_samples=log.remaining,
            max_concurrent_trials=min(capacity, resources.max_concurrent or capacity),
            scheduler=CostHalving(halving, log, plan.step_cost) if halving else FIFOScheduler(),
            reuse_actors=not gpus,  # an error may leave a broken GPU context in its process
            trial_dirname_creator=lambda trial: str(trial.config["trial"]),
        ),
        run_config=tune.RunConfig(
            name=log.kind,
            storage_path=str(plan.setup.work / _SCRATCH),
            callbacks=[callback],
            stop=callback.mismatch,
            failure_config=tune.FailureConfig(max_failures=_RETRIES),
            verbose=0,
        ),
    )


def _trainable(config: dict[str, Any], setup: TrialSetup, threads: int, accelerator: Literal["auto", "cpu"]) -> None:
    """Train in a worker process; report exceptions as results, so that Tune repeats lost processes only."""
    os.environ["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = "600"  # a stopped trial may take long to finish its epoch
    node = ray.get_runtime_context().get_node_id()
    for ended in config["ended"]:  # a node with a disk of its own still has their checkpoints
        shutil.rmtree(setup.work / ended, ignore_errors=True)
    try:
        check_node(setup, hash_pairs=False)
    except WorkerError as error:
        tune.report({_MISMATCH: str(error)})
        return

    def report_epoch(row: EpochRow) -> None:
        tune.report({**row, _NODE: node})

    options: dict[str, Any] = {"seed": config["seed"], "threads": threads, "accelerator": accelerator}
    try:
        train_trial(setup, config["trial"], config["candidate"], on_epoch=report_epoch, **options)
    except Exception as error:
        traceback.print_exc()  # into the log of this process, which Ray keeps
        tune.report({_ERROR: f"{type(error).__name__}: {first_line(error)}"})


class _TrialLogSearcher(Searcher):
    """Tune searcher that takes its suggestions from the trial log."""

    def __init__(self, log: TrialLog) -> None:
        super().__init__()
        self.log = log

    def suggest(self, trial_id: str) -> Any:
        del trial_id  # Tune's own id changes when a sweep resumes, the id of the log stays
        record = self.log.next_trial()
        if record is None:
            return Searcher.FINISHED
        ended = [other.id for other in self.log.records() if other.state != "running"]
        return {"trial": record.id, "candidate": record.candidate, "seed": record.seed, "ended": ended}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: `_TrialLogCallback` stores the results."""

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file, since Tune requires one; a sweep resumes from the trial log."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its components for its own restore


class _NodeMismatch(tune.Stopper):
    """Tune stopper that ends the sweep once a node differs from the driver."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def __call__(self, trial_id: str, result: Any) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.reason is not None


class _TrialLogCallback(tune.Callback):
    """Tune callback that stores results in the trial log and deletes the checkpoints of ended trials."""

    def __init__(self, log: TrialLog, setup: TrialSetup, on_change: OnChange) -> None:
        self.log, self.checkpoints, self.on_change = log, setup.work, on_change
        self.mismatch = _NodeMismatch()
        self._errors: dict[str, str] = {}
        self._row_keys = {"epoch", "train_loss", "learning_rate", "seconds", "samples_per_second", log.metric}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.on_change(self.log.record(trial.config["trial"]))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        trial_id = trial.config["trial"]
        if _ERROR in result:
            self._errors[trial_id] = result[_ERROR]
            return
        self.mismatch.reason = result.get(_MISMATCH, self.mismatch.reason)
        if self.mismatch.reason is None:
            row = {name: float(value) for name, value in result.items() if name in self._row_keys}
            self.log.add_row(trial_id, row, node=result[_NODE])
            self.on_change(self.log.record(trial_id))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        trial_id = trial.config["trial"]
        if self.mismatch.reason is not None:
            return  # the trial continues with --resume
        if trial_id in self._errors:
            self._end(trial_id, "failed", self._errors[trial_id])
        else:
            complete = self.log.record(trial_id).rows[-1]["epoch"] >= self.log.space.epochs
            self._end(trial_id, "finished" if complete else "stopped early")

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        error = trial.get_pickled_error()
        reason = first_line(error) if isinstance(error, Exception) else "Ray gives no reason"
        self._end(trial.config["trial"], "failed", f"its process was lost {_RETRIES + 1} times: {reason}")

    def _end(self, trial_id: str, state: State, error: str | None = None) -> None:
        self.log.finish(trial_id, state, error=error)
        shutil.rmtree(self.checkpoints / trial_id, ignore_errors=True)
        self.on_change(self.log.record(trial_id))

    def __getstate__(self) -> dict[str, Any]:
        return {}
