"""Trials of a sweep in its storage, from which a killed sweep resumes.

Every event is stored at once. A suggestion depends on the seed, its number and the earlier trials alone.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from demsr.runtime.seeding import sub_seed
from demsr.search.space import Candidate, Distribution, Space
from demsr.search.storage import SweepStorage
from demsr.training.progress import EpochRow

State = Literal["running", "finished", "stopped early", "failed"]
_OPTUNA_STATES: dict[State, TrialState] = {
    "running": TrialState.RUNNING,
    "finished": TrialState.COMPLETE,
    "stopped early": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
_STATES = {optuna_state: state for state, optuna_state in _OPTUNA_STATES.items()}
_SEED, _LAST_SEED = "seed", 2**31 - 1
_AGAIN = "again"  # attribute of a trial that repeats a failed one: the number of that


@dataclass(frozen=True)
class TrialRecord:
    """State and results of one trial.

    Attributes
    ----------
    id : such as "trial-007" or "finalist-007"
    candidate : values by path in params.yaml
    seed : seed of the weights and of the order of samples
    state : state of the trial
    rows : one row for each epoch, see `demsr.training.progress.EpochReport`
    error : reason of a failure
    node : Ray node of the last epoch
    """

    id: str
    candidate: Candidate
    seed: int
    state: State
    rows: list[EpochRow] = field(default_factory=list)
    error: str | None = None
    node: str | None = None

    @property
    def role(self) -> str:
        """The first part of the id: "trial" or "finalist"."""
        return self.id.partition("-")[0]

    def best(self, metric: str) -> float:
        """Return the lowest value of a metric over the epochs, infinity if there is none.

        Parameters
        ----------
        metric : name of the metric in a row
        """
        return min((row[metric] for row in self.rows if metric in row), default=float("inf"))

    def median(self, name: str) -> float:
        """Return the median of a value over the epochs.

        Parameters
        ----------
        name : name of the value in a row
        """
        return statistics.median(row[name] for row in self.rows)


class TrialLog:
    """Log of the searched trials, or of the finalists, which are enqueued, each with a seed of its own.

    Parameters
    ----------
    storage : storage of the sweep
    kind : "trial" or "finalist"
    space : search space and budget
    metric : name of the validation RMSE in a row
    """

    def __init__(self, storage: SweepStorage, kind: Literal["trial", "finalist"], space: Space, metric: str) -> None:
        self.kind, self.space, self.metric = kind, space, metric
        self._study = storage.study(kind)
        self._active: dict[str, optuna.Trial] = {}

    @property
    def remaining(self) -> int:
        """Number of trials still to be run, unfinished ones included."""
        trials = self._trials()
        ended = sum(trial.state.is_finished() for trial in trials)
        return max(self._total(trials) - ended, sum(trial.state is TrialState.RUNNING for trial in trials))

    def enqueue(self, candidates: Sequence[Candidate]) -> None:
        """Put candidates before all suggestions, each of them once even if it is enqueued again.

        Parameters
        ----------
        candidates : values by path in params.yaml; those of finalists include the seed
        """
        known = [trial.system_attrs.get("fixed_params") or trial.params for trial in self._trials()]
        for values in ({_name(path): value for path, value in candidate.items()} for candidate in candidates):
            if values not in known:
                self._study.enqueue_trial(values)
                known.append(values)

    def retry_failed(self) -> None:
        """Put each failed trial before all suggestions once more, as a new trial with the same values and seed."""
        trials = self._trials()
        for trial in trials:
            if trial.state is TrialState.FAIL and trial.number not in _repeated(trials):
                self._study.enqueue_trial(trial.params, user_attrs={_AGAIN: trial.number})

    def records(self) -> list[TrialRecord]:
        """Return all trials that have started, in order; a kill between two suggestions leaves some values out."""
        complete = len(self.space.search) + (self.kind == "finalist")
        return [
            self._record(trial) for trial in self._trials() if trial.state in _STATES and len(trial.params) == complete
        ]

    def record(self, trial_id: str) -> TrialRecord:
        """Return one trial.

        Parameters
        ----------
        trial_id : id of the trial, such as "trial-007"
        """
        return self._record(self._trials()[int(trial_id.rpartition("-")[2])])

    def next_trial(self) -> TrialRecord | None:
        """Return the next trial to run, unfinished ones first; None if there is none."""
        trials = self._trials()
        waiting = [trial.number for trial in trials if trial.state is TrialState.WAITING]
        running = (trial for trial in trials if trial.state is TrialState.RUNNING)
        unfinished = next((trial for trial in running if self._id(trial.number) not in self._active), None)
        if unfinished is not None:
            self._study.sampler = self._sampler(unfinished.number)
            trial = optuna.Trial(self._study, unfinished._trial_id)
        elif len(trials) - len(waiting) < self._total(trials):
            self._study.sampler = self._sampler(waiting[0] if waiting else len(trials))
            trial = self._study.ask()
        else:
            return None
        for path in sorted(self.space.search, key=_name):  # whatever their order in the file
            _suggest(trial, _name(path), self.space.search[path])  # a trial that has a value already keeps it
        if self.kind == "finalist":
            trial.suggest_int(_SEED, 0, _LAST_SEED)
        self._active[self._id(trial.number)] = trial
        return self.record(self._id(trial.number))

    def add_row(self, trial_id: str, row: EpochRow, *, node: str | None = None) -> None:
        """Store the row of an epoch, unless a killed process has stored this epoch already.

        Parameters
        ----------
        trial_id : id of the trial
        row : values of the epoch
        node : Ray node of the epoch
        """
        rows = self.record(trial_id).rows
        if rows and row["epoch"] <= rows[-1]["epoch"]:
            return
        trial = self._active[trial_id]
        if self.metric in row:
            trial.report(row[self.metric], int(row["epoch"]))
        trial.set_user_attr("node", node)
        trial.set_user_attr("rows", [*rows, row])

    def finish(self, trial_id: str, state: State, *, error: str | None = None) -> None:
        """Store the final state of a trial.

        Parameters
        ----------
        trial_id : id of the trial
        state : "finished", "stopped early" or "failed"
        error : reason of a failure
        """
        record, trial = self.record(trial_id), self._active[trial_id]
        if record.state != "running":
            return  # Ray Tune repeats the call if a later hook failed
        if error is not None:
            trial.set_user_attr("error", error)
        value = record.best(self.metric) if state == "finished" else None
        self._study.tell(trial, value, state=_OPTUNA_STATES[state])

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _total(self, trials: Sequence[FrozenTrial]) -> int:
        """Return the number of trials when the sweep is complete, repeated ones included."""
        return len(trials) if self.kind == "finalist" else self.space.trials + len(_repeated(trials))

    def _record(self, trial: FrozenTrial) -> TrialRecord:
        return TrialRecord(
            id=self._id(trial.number),
            candidate={path: trial.params[_name(path)] for path in self.space.search},
            seed=int(trial.params.get(_SEED, self.space.seed)),
            state=_STATES[trial.state],
            rows=list(trial.user_attrs.get("rows", [])),
            error=trial.user_attrs.get("error") if trial.state is TrialState.FAIL else None,
            node=trial.user_attrs.get("node"),
        )

    def _id(self, number: int) -> str:
        return f"{self.kind}-{number:03d}"

    def _sampler(self, number: int) -> BaseSampler:
        """Return a sampler with a seed for one trial, so that a resumed sweep suggests the same values."""
        seed = sub_seed(self.space.seed, "suggestion", number)
        if self.kind == "finalist":
            return RandomSampler(seed)  # samples nothing
        return TPESampler(seed=seed, n_startup_trials=min(10, self.space.trials // 3))


def _name(path: str) -> str:
    """Return the name of a parameter in the study; those of the net and of a stage have no name in common."""
    return path.rpartition(".")[2]


def _suggest(trial: optuna.Trial, name: str, distribution: Distribution) -> None:
    if distribution.choice is not None:
        trial.suggest_categorical(name, distribution.choice)
    elif distribution.int is not None:
        trial.suggest_int(name, *distribution.int, step=distribution.step)
    else:
        low, high = distribution.values
        trial.suggest_float(name, low, high, log=distribution.log is not None)


def _repeated(trials: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of the failed trials that were put back."""
    return {trial.user_attrs[_AGAIN] for trial in trials if _AGAIN in trial.user_attrs}
