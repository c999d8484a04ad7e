"""Run trials with Ray Tune: it places them on machines and stops the hopeless ones; the book remembers."""

import logging
import os
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import ray
from ray import tune
from ray.tune.error import TuneError
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from demsr.errors import WorkerError
from demsr.ray_session import first_line
from demsr.search.book import Book, Entry, State
from demsr.search.space import Halving
from demsr.search.trial import Training, check_node, train_trial

OnChange = Callable[[Entry], None]
_ERROR, _NODE = "error", "node"  # what a trial reports in the place of an epoch, and beside it
_REFUSAL = "refusal"  # likewise, where a node has something else than the driver
_RETRIES = 2  # of a trial whose process or node was lost; an error of its own is final


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a trial gets of the machines.

    Attributes
    ----------
    max_concurrent : trials at a time; None for as many as there is room for
    gpus_per_trial : fractions share a GPU without dividing its memory; None for one where there are any
    """

    max_concurrent: int | None = None
    cpus_per_trial: float = 1
    gpus_per_trial: float | None = None


def run_trials(
    book: Book, training: Training, *, epochs: int, halving: Halving | None, share: Share, on_change: OnChange
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
    gpus, room = _room(share)
    if share.max_concurrent is None and halving is not None:
        room = min(room, max(2, book.total // 3))  # more at a time would all be drawn without knowing of the others
    _check_nodes(training)
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
            search_alg=_Suggestions(book), num_samples=book.left,
            max_concurrent_trials=min(room, share.max_concurrent or room),
            scheduler=_Halving(halving, epochs, book) if halving else FIFOScheduler(),
            reuse_actors=not gpus,  # an error may leave a GPU's context broken in its process
            trial_dirname_creator=lambda trial: str(trial.config["trial"]),
        ),
        run_config=tune.RunConfig(
            name=book.kind, storage_path=str(scratch), callbacks=[keeper], stop=keeper.refusal,
            failure_config=tune.FailureConfig(max_failures=_RETRIES), verbose=0,
        ),
    )  # fmt: skip
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


def _check_nodes(training: Training) -> None:
    """Compare code, pairs and pretrained model on each node, once.

    Raises
    ------
    WorkerError : one has something else than the driver
    """
    here = ray.get_runtime_context().get_node_id()
    others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    remote: Any = ray.remote
    check = remote(num_cpus=0)(check_node)
    check_node(training, whole=False)
    for node in others:
        there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        try:
            ray.get(check.options(scheduling_strategy=there).remote(training, whole=True))
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, WorkerError):
                raise error.cause from error
            message = (
                f"the Ray node {node} cannot train ({first_line(error.cause or error)}); install demsr[sweep] there"
            )
            raise WorkerError(message) from error


def _room(share: Share) -> tuple[float, int]:
    """Return GPUs for each trial, and how many trials fit on the nodes at a time."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    most_gpus = max(node.get("GPU", 0.0) for node in nodes)
    gpus = share.gpus_per_trial if share.gpus_per_trial is not None else min(1.0, most_gpus)
    room = sum(_room_on(node, share.cpus_per_trial, gpus) for node in nodes)
    if room < 1:
        found = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        message = (
            f"a trial needs {share.cpus_per_trial:g} CPUs and {gpus:g} GPUs on one node, the nodes have {found}; "
            "lower --cpus-per-trial or --gpus-per-trial"
        )
        raise WorkerError(message)
    return gpus, room


def _room_on(node: dict[str, float], cpus: float, gpus: float) -> int:
    by_cpu = int(node.get("CPU", 0.0) / cpus)
    return min(by_cpu, int(node.get("GPU", 0.0)) * int(1 / gpus + 1e-9)) if gpus else by_cpu


def _trainable(
    config: dict[str, Any], training: Training, threads: int, accelerator: Literal["auto", "cpu"]
) -> None:  # fmt: skip
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
            training, config["trial"], config["choice"], seed=config["seed"], threads=threads, accelerator=accelerator,
            on_epoch=lambda row: tune.report({**row, _NODE: node}),
        )  # fmt: skip
    except Exception as error:
        traceback.print_exc()  # into the log of this process, which Ray keeps
        tune.report({_ERROR: f"{type(error).__name__}: {first_line(error)}"})


class _Suggestions(Searcher):
    """Hand out what the book wants to be tried."""

    def __init__(self, book: Book) -> None:
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

    def __init__(self, book: Book, training: Training, epochs: int, on_change: OnChange) -> None:
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


class _Halving(FIFOScheduler):
    """ASHA in which a trial is compared with nets as deep as its own or deeper.

    Deep nets learn slower per epoch: who is worse than they are at the same epoch will stay so, but a shallow net that
    is ahead says nothing about a deep one. Trials are known by the book's ids, so that those of a killed sweep count.
    """

    def __init__(self, halving: Halving, epochs: int, book: Book) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._of_depth = {
            depth: ASHAScheduler(
                time_attr="epoch", metric=book.metric, mode="min", max_t=epochs, grace_period=halving.grace_epochs,
                reduction_factor=halving.keep_one_of, stop_last_trials=False,
            )
            for depth in book.depths
        }  # fmt: skip
        self._stopped: set[str] = set()
        for entry in book.entries():
            known = SimpleNamespace(trial_id=entry.id, config={"trial": entry.id, "choice": entry.choice})
            self.on_trial_add(None, known)
            for row in entry.rows:
                if self.on_trial_result(None, known, row) == TrialScheduler.STOP:
                    self._stopped.add(entry.id)  # killed before it was told so

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        for scheduler in self._concerned(trial):
            scheduler.on_trial_add(tune_controller, _known(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if trial.config["trial"] in self._stopped:
            return TrialScheduler.STOP
        decisions = [one.on_trial_result(tune_controller, _known(trial), result) for one in self._concerned(trial)]
        return str(decisions[-1]) if decisions else TrialScheduler.CONTINUE  # of its own depth

    def _concerned(self, trial: Any) -> list[ASHAScheduler]:
        """Return the schedulers of its depth and of all lesser ones, its own last."""
        own = trial.config["choice"].get("num_blocks", 0)
        return [scheduler for depth, scheduler in self._of_depth.items() if depth <= own]


def _known(trial: Any) -> Any:
    return SimpleNamespace(trial_id=trial.config["trial"])


def _quieten_tune() -> None:
    """Keep Tune's own loggers, signals, checks and texts out of the way."""
    os.environ |= {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1", "TUNE_PRINT_ALL_TRIAL_ERRORS": "0", "RAY_AIR_NEW_OUTPUT": "0",
    }  # fmt: skip
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
