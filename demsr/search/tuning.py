"""Run trials with Ray Tune, which places them on nodes; the trial log suggests them and keeps their state."""

import logging
import os
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import ray
from ray import tune
from ray._private import serialization
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.error import TuneError
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from sqlalchemy.exc import SQLAlchemyError

from demsr.errors import DemsrError, WorkerError
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
    scratch = plan.setup.work / _SCRATCH
    os.environ |= _TUNE_ENVIRONMENT
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    serialization.OutOfMemoryError = _MemoryMonitorError  # type: ignore[attr-defined]
    shutil.rmtree(scratch, ignore_errors=True)  # of a killed sweep
    tuner = _make_tuner(log, plan, resources, on_change, scratch)
    check_nodes(plan.setup)
    try:
        tuner.fit()
    except (RuntimeError, TuneError) as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, DemsrError | SQLAlchemyError):
                raise cause from None  # raised by a hook below
            cause = cause.__cause__ or cause.__context__
        message = f"Ray failed ({first_line(error)}); use --resume with more memory or fewer concurrent trials"
        raise WorkerError(message) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if log.remaining:
        message = f"{log.remaining} trials did not run to the end; continue with --resume"
        raise WorkerError(message)


def _make_tuner(
    log: TrialLog, plan: SweepPlan, resources: TrialResources, on_change: OnChange, scratch: Path
) -> tune.Tuner:
    gpus, capacity = trial_capacity(resources)
    space = plan.space if log.kind == "trial" else plan.space.model_copy(update={"halving": None})
    if space.halving is not None and resources.max_concurrent is None:
        capacity = min(capacity, max(2, space.trials // 3))  # trials that start together cannot learn from each other
    options = {"threads": max(1, int(resources.cpus_per_trial)), "accelerator": "auto" if gpus else "cpu"}
    trainable = tune.with_parameters(_trainable, setup=plan.setup, **options)
    halving = CostHalving(space, log.metric, plan.step_cost, log.records())
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": resources.cpus_per_trial, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=_LogSearcher(log),
            num_samples=log.remaining,
            max_concurrent_trials=min(capacity, resources.max_concurrent or capacity),
            scheduler=_LogScheduler(log, halving, plan.setup.work, on_change),
            reuse_actors=not gpus,  # an error may leave a broken GPU context in its process
            trial_dirname_creator=lambda trial: str(trial.config["trial"]),
        ),
        run_config=tune.RunConfig(
            name=log.kind,
            storage_path=str(scratch),
            failure_config=tune.FailureConfig(max_failures=_RETRIES),
            verbose=0,
        ),
    )


def _trainable(config: dict[str, Any], setup: TrialSetup, threads: int, accelerator: Literal["auto", "cpu"]) -> None:
    """Train in a worker process; report exceptions as results, so that Tune repeats lost processes only."""
    os.environ["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = "600"  # a stopped trial may take long to finish its epoch
    node = ray.get_runtime_context().get_node_id()
    try:
        setup = check_node(setup, hash_pairs=False)
    except WorkerError as error:
        tune.report({_MISMATCH: str(error)})
        return
    for ended in config["ended"]:  # a node with a disk of its own still has their checkpoints
        shutil.rmtree(setup.work / ended, ignore_errors=True)

    def report_epoch(row: EpochRow) -> None:
        tune.report({**row, _NODE: node})

    options: dict[str, Any] = {"seed": config["seed"], "threads": threads, "accelerator": accelerator}
    try:
        train_trial(setup, config["trial"], config["candidate"], on_epoch=report_epoch, **options)
    except Exception as error:
        traceback.print_exc()  # into the log of this process, which Ray keeps
        tune.report({_ERROR: f"{type(error).__name__}: {first_line(error)}"})


class _MemoryMonitorError(RayActorError, OutOfMemoryError):
    """Error of a worker that Ray's memory monitor has killed, as an error of a lost worker.

    Tune tries a trial again after a `RayActorError`; an `OutOfMemoryError` alone ends the whole search.
    """

    def __init__(self, message: str) -> None:
        RayActorError.__init__(self, error_msg=f"Ray's memory monitor has killed it: {message}")


class _LogSearcher(Searcher):
    """Tune searcher that takes its suggestions from the trial log."""

    def __init__(self, log: TrialLog) -> None:
        super().__init__()
        self.log = log

    def suggest(self, trial_id: str) -> Any:
        record = self.log.next_trial()  # Tune's own id changes when a sweep resumes, that of the log stays
        if record is None:
            return Searcher.FINISHED
        ended = [other.id for other in self.log.records() if other.state != "running"]
        return {"trial": record.id, "candidate": record.candidate, "seed": record.seed, "ended": ended}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: `_LogScheduler` stores the results."""

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file, since Tune requires one; a sweep resumes from the trial log."""
        Path(checkpoint_path).touch()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its components for its own restore


class _LogScheduler(FIFOScheduler):
    """Tune scheduler that stores results in the trial log, stops trials, and deletes checkpoints of ended ones."""

    def __init__(self, log: TrialLog, halving: CostHalving, checkpoints: Path, on_change: OnChange) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.log, self.halving, self.checkpoints, self.on_change = log, halving, checkpoints, on_change
        self._errors: dict[str, str] = {}
        self._row_keys = {"epoch", "train_loss", "learning_rate", "seconds", "samples_per_second", log.metric}

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self.on_change(self.log.record(trial.config["trial"]))

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        trial_id = trial.config["trial"]
        if _MISMATCH in result:
            raise WorkerError(result[_MISMATCH])  # ends the search; the trial continues with --resume
        if _ERROR in result:
            self._errors[trial_id] = result[_ERROR]
            return TrialScheduler.CONTINUE
        row = {name: float(value) for name, value in result.items() if name in self._row_keys}
        self.log.add_row(trial_id, row, node=result[_NODE])
        record = self.log.record(trial_id)
        self.on_change(record)
        return TrialScheduler.STOP if self.halving.stops(record, row) else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        trial_id = trial.config["trial"]
        if (error := self._errors.get(trial_id)) is not None:
            self._end(trial_id, "failed", error)
        else:
            complete = self.log.record(trial_id).rows[-1]["epoch"] >= self.log.space.epochs
            self._end(trial_id, "finished" if complete else "stopped early")

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        error = trial.get_pickled_error()
        reason = first_line(error) if isinstance(error, Exception) else "Ray gives no reason"
        self._end(trial.config["trial"], "failed", f"its process was lost {_RETRIES + 1} times: {reason}")

    def _end(self, trial_id: str, state: State, error: str | None = None) -> None:
        self.log.finish(trial_id, state, error=error)
        shutil.rmtree(self.checkpoints / trial_id, ignore_errors=True)
        self.on_change(self.log.record(trial_id))

    def __getstate__(self) -> dict[str, Any]:
        return {}
