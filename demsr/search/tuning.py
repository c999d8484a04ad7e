"""Run trials with Ray Tune: it places them on machines and stops the hopeless ones; the book remembers."""

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
from demsr.search.halving import DepthHalving
from demsr.search.nodes import TrialResources, check_nodes, room_for
from demsr.search.space import Halving
from demsr.search.trial import Training, check_node, train_trial
from demsr.search.trial_log import State, TrialLog, TrialRecord

OnChange = Callable[[TrialRecord], None]
_ERROR, _NODE = "error", "node"  # what a trial reports in the place of an epoch, and beside it
_REFUSAL = "refusal"  # likewise, where a node has something else than the driver
_RETRIES = 2  # of a trial whose process or node was lost; an error of its own is final


def run_trials(
    book: TrialLog,
    training: Training,
    *,
    epochs: int,
    halving: Halving | None,
    share: TrialResources,
    on_change: OnChange,
) -> None:
    """Run all trials of a book that have not ended yet.

    Parameters
    ----------
    on_change : called with each trial that has begun, moved on or ended

    Raises
    ------
    WorkerError : the machines have less than one trial needs, or something else than the driver, or Ray gave up
    """
    if not book.left:
        return
    gpus, room = room_for(share)
    if share.max_concurrent is None and halving is not None:
        room = min(room, max(2, book.total // 3))  # more at a time would all be drawn without knowing of the others
    check_nodes(training)
    scratch = training.work / "tune"
    shutil.rmtree(scratch, ignore_errors=True)
    _quieten_tune()
    keeper = _Keeper(book, training, epochs, on_change)
    trainable = tune.with_parameters(
        _trainable, training=training, threads=max(1, int(share.cpus_per_trial)), accelerator="auto" if gpus else "cpu"
    )
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": share.cpus_per_trial, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=_Suggestions(book),
            num_samples=book.left,
            max_concurrent_trials=min(room, share.max_concurrent or room),
            scheduler=DepthHalving(halving, epochs, book) if halving else FIFOScheduler(),
            reuse_actors=not gpus,  # an error may leave a GPU's context broken in its process
            trial_dirname_creator=lambda trial: str(trial.config["trial"]),
        ),
        run_config=tune.RunConfig(
            name=book.kind,
            storage_path=str(scratch),
            callbacks=[keeper],
            stop=keeper.refusal,
            failure_config=tune.FailureConfig(max_failures=_RETRIES),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except (RuntimeError, TuneError) as error:
        message = f"Ray gave up ({first_line(error)}); go on with --resume, with more memory or fewer trials at a time"
        raise WorkerError(message) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if keeper.refusal.text is not None:
        raise WorkerError(keeper.refusal.text)
    if book.left:
        message = f"{book.left} trials did not run to their end; go on with --resume"
        raise WorkerError(message)


def _trainable(config: dict[str, Any], training: Training, threads: int, accelerator: Literal["auto", "cpu"]) -> None:
    """Train in a worker process; an error is an answer, so that Tune repeats only what was lost."""
    os.environ["TUNE_FUNCTION_THREAD_TIMEOUT_S"] = "600"  # a trial that was stopped may take long to tidy up
    node = ray.get_runtime_context().get_node_id()
    for ended in config["ended"]:  # a node with a disk of its own has kept them
        shutil.rmtree(training.work / ended, ignore_errors=True)
    try:
        check_node(training, whole=False)
    except WorkerError as error:
        tune.report({_REFUSAL: str(error)})
        return
    try:
        train_trial(
            training,
            config["trial"],
            config["choice"],
            seed=config["seed"],
            threads=threads,
            accelerator=accelerator,
            on_epoch=lambda row: tune.report({**row, _NODE: node}),
        )
    except Exception as error:
        traceback.print_exc()  # into the log of this process, which Ray keeps
        tune.report({_ERROR: f"{type(error).__name__}: {first_line(error)}"})


class _Suggestions(Searcher):
    """Hand out what the book wants to be tried."""

    def __init__(self, book: TrialLog) -> None:
        super().__init__()
        self.book = book

    def suggest(self, trial_id: str) -> Any:
        del trial_id  # Tune's own changes when a sweep goes on; the book's stays
        entry = self.book.next()
        if entry is None:
            return Searcher.FINISHED
        ended = [one.id for one in self.book.entries() if one.state != "running"]
        return {"trial": entry.id, "choice": entry.choice, "seed": entry.seed, "ended": ended}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: `_Keeper` writes down what came of it."""

    def save(self, checkpoint_path: str) -> None:
        """Write something, as Tune asks for; a sweep goes on from the book."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its parts for a restoration of its own


class _Keeper(tune.Callback):
    """Write into the book what Tune's trials do, and throw away the checkpoints of those that have ended."""

    def __init__(self, book: TrialLog, training: Training, epochs: int, on_change: OnChange) -> None:
        self.book, self.training, self.epochs, self.on_change = book, training, epochs, on_change
        self._errors: dict[str, str] = {}
        self.refusal = _Refusal()

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.on_change(self.book.entry(trial.config["trial"]))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        trial_id = trial.config["trial"]
        if _ERROR in result:
            self._errors[trial_id] = result[_ERROR]
            return
        if _REFUSAL in result:
            self.refusal.text = result[_REFUSAL]
        if self.refusal.text is not None:
            return
        own = {"epoch", "train_loss", "learning_rate", "seconds", "samples_per_second", self.book.metric}
        row = {name: float(value) for name, value in result.items() if name in own}
        self.book.add_row(trial_id, row, node=result[_NODE])
        self.on_change(self.book.entry(trial_id))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        trial_id = trial.config["trial"]
        if self.refusal.text is not None:
            return  # it goes on with --resume
        if trial_id in self._errors:
            self._end(trial_id, "failed", self._errors[trial_id])
        elif self.book.entry(trial_id).rows[-1]["epoch"] >= self.epochs:
            self._end(trial_id, "finished")
        else:
            self._end(trial_id, "stopped early")

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        reason = trial.get_pickled_error()
        text = first_line(reason) if isinstance(reason, Exception) else "no reason was given"
        self._end(trial.config["trial"], "failed", f"its process was lost {_RETRIES + 1} times: {text}")

    def _end(self, trial_id: str, state: State, error: str | None = None) -> None:
        self.book.finish(trial_id, state, error=error)
        shutil.rmtree(self.training.work / trial_id, ignore_errors=True)
        self.on_change(self.book.entry(trial_id))

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Refusal(tune.Stopper):
    """Stop the sweep once a node has said why it must not train."""

    def __init__(self) -> None:
        self.text: str | None = None

    def __call__(self, trial_id: str, result: Any) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.text is not None


def _quieten_tune() -> None:
    """Keep Tune's own loggers, signals, checks and texts out of the way."""
    os.environ |= {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
        "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
    }
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
