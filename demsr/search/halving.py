"""Early stopping: asynchronous successive halving that is fair to trials of higher cost."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from demsr.search.space import Candidate, Halving
from demsr.search.trial_log import TrialLog


class CostHalving(FIFOScheduler):
    """ASHA that compares a trial only with trials that cost as much or more per step.

    Large nets learn more slowly per epoch. A net that is worse than larger ones at the same epoch stays worse, but a
    small net that is ahead says nothing about a large one. Among trials of one cost the decisions are those of Ray's
    `ASHAScheduler`. Trials carry the ids of the trial log, so that trials of a killed sweep count.

    Parameters
    ----------
    halving : grace period and reduction factor
    log : trial log with the space and the earlier trials
    cost : operations of a candidate in a step
    """

    def __init__(self, halving: Halving, log: TrialLog, cost: Callable[[Candidate], float]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._metric, self._factor, self._cost = log.metric, halving.keep_one_of, cost
        rungs = int(np.log(log.space.epochs / halving.grace_epochs) / np.log(self._factor)) + 1
        epochs = (halving.grace_epochs * self._factor**rung for rung in reversed(range(rungs)))
        self._reached: dict[int, dict[str, tuple[float, float]]] = {epoch: {} for epoch in epochs}  # cost, error by id
        self._stopped: set[str] = set()
        for record in log.records():
            trial = SimpleNamespace(config={"trial": record.id, "candidate": record.candidate})
            for row in record.rows:
                if self.on_trial_result(None, trial, row) == TrialScheduler.STOP:
                    self._stopped.add(record.id)  # the sweep was killed before the trial stopped

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        trial_id = trial.config["trial"]
        if trial_id in self._stopped:
            return TrialScheduler.STOP
        rung = next((reached for epoch, reached in self._reached.items() if epoch <= result["epoch"]), None)
        if rung is None or trial_id in rung or self._metric not in result:
            return TrialScheduler.CONTINUE
        cost, error = self._cost(trial.config["candidate"]), result[self._metric]
        compared = [-other_error for other_cost, other_error in rung.values() if other_cost >= cost]
        rung[trial_id] = cost, error
        is_worse = bool(compared) and -error < np.percentile(compared, (1 - 1 / self._factor) * 100)
        return TrialScheduler.STOP if is_worse else TrialScheduler.CONTINUE
