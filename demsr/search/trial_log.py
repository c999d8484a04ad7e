"""What was tried and what came of it, in an Optuna study on disk: the truth that a killed sweep goes on from.

Tune keeps its own state in several pickles, written every few seconds; a kill between two of them loses trials. Here
each event is written down at once, in SQLite, and a suggestion follows from the seed, its number and the trials before
it alone.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from demsr.runtime.seeding import sub_seed
from demsr.search.space import Choice, Space
from demsr.training.progress import EpochRow

Distribution = FloatDistribution | IntDistribution
State = Literal["running", "finished", "stopped early", "failed"]
_STATES: dict[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "stopped early",
    TrialState.FAIL: "failed",
}
_OF_STATE = {state: of_optuna for of_optuna, state in _STATES.items()}


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes
    ----------
    id : "trial-007" or "finalist-007"; folder, tag and name of the trial
    choice : num_blocks and learning_rate, as far as they are searched
    rows : of its epochs, see `demsr.training.progress.EpochReport`
    error : why it failed
    node : of the Ray cluster, where its last epoch was trained
    """

    id: str
    choice: Choice
    seed: int
    state: State
    rows: list[EpochRow] = field(default_factory=list)
    error: str | None = None
    node: str | None = None

    def best(self, metric: str) -> float:
        """Return the least validation RMSE so far, infinity where there is none."""
        return min((row[metric] for row in self.rows if metric in row), default=float("inf"))

    def median(self, name: str) -> float:
        """Return the median of a value over the epochs."""
        return statistics.median(row[name] for row in self.rows)


class TrialLog:
    """Trials of one kind.

    Parameters
    ----------
    path : SQLite file
    kind : "trial" or "finalist"
    distributions : what is suggested; a seed may be among it
    total : how many there will be; None for those that are enqueued
    seed : of the suggestions, and of the trainings unless it is suggested
    metric : the validation RMSE among a row's values
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        *,
        distributions: Mapping[str, Distribution],
        total: int | None,
        seed: int,
        metric: str,
    ) -> None:
        self.path, self.kind, self.distributions, self.seed, self.metric = path, kind, distributions, seed, metric
        self._total = total
        self._open: dict[str, optuna.Trial] = {}
        self._taken: set[str] = set()

    @cached_property
    def _study(self) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return optuna.create_study(
            storage=f"sqlite:///{self.path.resolve()}", study_name=self.kind, load_if_exists=True
        )

    @property
    def total(self) -> int:
        """How many trials there will be."""
        return len(self._study.get_trials(deepcopy=False)) if self._total is None else self._total

    @property
    def depths(self) -> list[int]:
        """Numbers of ResBlocks that may be suggested, rising; 0 where depth is not searched."""
        match self.distributions.get("num_blocks"):
            case IntDistribution(low=low, high=high, step=step):
                return list(range(low, high + 1, step))
        return [0]

    def enqueue(self, choices: Sequence[Mapping[str, float]]) -> None:
        """Try these first, each once however often it is enqueued."""
        trials = self._study.get_trials(deepcopy=False)
        known = [trial.system_attrs.get("fixed_params") or trial.params for trial in trials]
        for choice in choices:
            if choice not in known:
                self._study.enqueue_trial(dict(choice))

    def entries(self) -> list[TrialRecord]:
        """Return all trials that were begun, in order."""
        trials = self._study.get_trials(deepcopy=False)
        return [self._entry(trial) for trial in trials if trial.state in _STATES and self._complete(trial)]

    @property
    def left(self) -> int:
        """How many trials are still to be run: those that were left unfinished, and new ones."""
        states = [trial.state for trial in self._study.get_trials(deepcopy=False)]
        begun = sum(state is not TrialState.WAITING for state in states)
        return states.count(TrialState.RUNNING) + max(0, self.total - begun)

    def entry(self, trial_id: str) -> TrialRecord:
        """Return one trial."""
        return self._entry(self._study.get_trials(deepcopy=False)[_number(trial_id)])

    def next(self) -> TrialRecord | None:
        """Return a trial to run, one that was left unfinished before any new one; None if there is no more."""
        trials = self._study.get_trials(deepcopy=False)
        left = [trial for trial in trials if trial.state is TrialState.RUNNING]
        untaken = (trial for trial in left if self._id(trial.number) not in self._taken)
        begun = sum(trial.state is not TrialState.WAITING for trial in trials)
        waiting = [trial.number for trial in trials if trial.state is TrialState.WAITING]
        if (frozen := next(untaken, None)) is not None:
            self._study.sampler = self._sampler(frozen.number)
            trial = optuna.Trial(self._study, frozen._trial_id)
        elif begun < self.total:
            self._study.sampler = self._sampler(waiting[0] if waiting else len(trials))
            trial = self._study.ask()
        else:
            return None
        for name, distribution in self.distributions.items():
            _suggest(trial, name, distribution)
        self._open[self._id(trial.number)] = trial
        self._taken.add(self._id(trial.number))
        return self.entry(self._id(trial.number))

    def add_row(self, trial_id: str, row: EpochRow, *, node: str | None = None) -> None:
        """Write down an epoch, unless a killed process has already done so."""
        rows = self.entry(trial_id).rows
        if rows and row["epoch"] <= rows[-1]["epoch"]:
            return
        trial = self._open[trial_id]
        if self.metric in row:
            trial.report(row[self.metric], int(row["epoch"]))
        trial.set_user_attr("node", node)
        trial.set_user_attr("rows", [*rows, row])

    def finish(self, trial_id: str, state: State, *, error: str | None = None) -> None:
        """Write down how a trial ended."""
        if self.entry(trial_id).state != "running":
            return  # Tune tells an end again if what followed it went wrong
        if error is not None:
            self._open[trial_id].set_user_attr("error", error)
        value = self.entry(trial_id).best(self.metric) if state == "finished" else None
        self._study.tell(self._open[trial_id], value, state=_OF_STATE[state])

    def _entry(self, trial: FrozenTrial) -> TrialRecord:
        choice = {name: value for name, value in trial.params.items() if name != "seed"}
        return TrialRecord(
            id=self._id(trial.number),
            choice=choice,
            seed=int(trial.params.get("seed", self.seed)),
            state=_STATES[trial.state],
            rows=list(trial.user_attrs.get("rows", [])),
            error=trial.user_attrs.get("error") if trial.state is TrialState.FAIL else None,
            node=trial.user_attrs.get("node"),
        )

    def _complete(self, trial: FrozenTrial) -> bool:
        """Whether all was suggested before a process was killed."""
        return self.distributions.keys() <= trial.params.keys()

    def _id(self, number: int) -> str:
        return f"{self.kind}-{number:03d}"

    def _sampler(self, number: int) -> BaseSampler:
        """Return a sampler for one trial alone, so that a resumed sweep suggests what an unbroken one would."""
        seed = sub_seed(self.seed, "suggestion", number)
        if self._total is None:
            return RandomSampler(seed)  # all is enqueued
        return TPESampler(seed=seed, n_startup_trials=min(10, self._total // 3))


def distributions_of(space: Space) -> dict[str, Distribution]:
    """Return what Optuna suggests from."""
    rates = space.learning_rate
    found: dict[str, Distribution] = {"learning_rate": FloatDistribution(rates.low, rates.high, log=True)}
    if depths := space.num_blocks:
        found["num_blocks"] = IntDistribution(depths.low, depths.high, step=depths.step)
    return found


def _suggest(trial: optuna.Trial, name: str, distribution: Distribution) -> None:
    """Suggest a value, or find the one that was suggested before."""
    if isinstance(distribution, FloatDistribution):
        trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    else:
        trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step)


def _number(trial_id: str) -> int:
    return int(trial_id.rpartition("-")[2])
