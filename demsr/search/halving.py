"""Early stopping: asynchronous successive halving that is fair to deep nets."""

from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from demsr.search.space import Halving
from demsr.search.trial_log import TrialLog


class DepthHalving(FIFOScheduler):
    """ASHA that compares a trial only with trials of the same or a greater depth.

    Deep nets learn more slowly per epoch. A net that is worse than deeper ones at the same epoch stays worse, but a
    shallow net that is ahead says nothing about a deep one. Trials carry the ids of the trial log, so that trials of a
    killed sweep count.

    Parameters
    ----------
    halving : grace period and reduction factor
    log : trial log with the space and the earlier trials
    """

    def __init__(self, halving: Halving, log: TrialLog) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        options: dict[str, Any] = {"grace_period": halving.grace_epochs, "reduction_factor": halving.keep_one_of}
        options |= {"time_attr": "epoch", "metric": log.metric, "mode": "min", "max_t": log.space.epochs}
        depths = log.space.num_blocks.values if log.space.num_blocks else [0]
        self._schedulers = {depth: ASHAScheduler(stop_last_trials=False, **options) for depth in depths}
        self._stopped: set[str] = set()
        for record in log.records():
            trial = SimpleNamespace(config={"trial": record.id, "candidate": record.candidate})
            self.on_trial_add(None, trial)
            for row in record.rows:
                if self.on_trial_result(None, trial, row) == TrialScheduler.STOP:
                    self._stopped.add(record.id)  # the sweep was killed before the trial stopped

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        for scheduler in self._schedulers_up_to(trial):
            scheduler.on_trial_add(tune_controller, _with_log_id(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if trial.config["trial"] in self._stopped:
            return TrialScheduler.STOP
        decision = TrialScheduler.CONTINUE
        for scheduler in self._schedulers_up_to(trial):
            decision = scheduler.on_trial_result(tune_controller, _with_log_id(trial), result)
        return str(decision)  # of the scheduler of its own depth

    def _schedulers_up_to(self, trial: Any) -> list[ASHAScheduler]:
        """Return the schedulers of the trial's depth and all lesser depths, its own last."""
        own_depth = trial.config["candidate"].get("num_blocks", 0)
        return [scheduler for depth, scheduler in self._schedulers.items() if depth <= own_depth]


def _with_log_id(trial: Any) -> Any:
    return SimpleNamespace(trial_id=trial.config["trial"])
