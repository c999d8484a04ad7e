"""Early stopping: asynchronous successive halving that is fair to trials of higher cost."""

from collections.abc import Callable, Sequence

import numpy as np

from demsr.search.space import Candidate, Space
from demsr.search.trial_log import TrialRecord
from demsr.training.progress import EpochRow


class CostHalving:
    """ASHA that compares a trial only with trials that cost as much or more per step.

    Large nets learn more slowly per epoch. A net that is worse than larger ones at the same epoch stays worse, but a
    small net that is ahead says nothing about a large one. Among trials of one cost the decisions are those of Ray's
    `ASHAScheduler`, which knows nothing of the trials of a killed sweep.

    Parameters
    ----------
    space : search space; without `halving` no trial stops
    metric : name of the validation RMSE in a row
    cost : operations of a candidate in a step
    records : earlier trials, which count
    """

    def __init__(
        self, space: Space, metric: str, cost: Callable[[Candidate], float], records: Sequence[TrialRecord]
    ) -> None:
        self._metric, self._cost = metric, cost
        self._reached: dict[int, dict[str, tuple[float, float]]] = {}  # cost and error by id, by epoch
        if (halving := space.halving) is not None:
            self._factor = halving.keep_one_of
            rungs = int(np.log(space.epochs / halving.grace_epochs) / np.log(self._factor)) + 1
            self._reached = {halving.grace_epochs * self._factor**rung: {} for rung in reversed(range(rungs))}
        self._stopped: set[str] = set()  # before the sweep was killed
        self._stopped = {record.id for record in records for row in record.rows if self.stops(record, row)}

    def stops(self, trial: TrialRecord, row: EpochRow) -> bool:
        """Whether a trial stops after an epoch.

        Parameters
        ----------
        trial : the trial
        row : values of the epoch
        """
        if trial.id in self._stopped:
            return True
        rung = next((reached for epoch, reached in self._reached.items() if epoch <= row["epoch"]), None)
        if rung is None or trial.id in rung or self._metric not in row:
            return False
        cost, error = self._cost(trial.candidate), row[self._metric]
        compared = [other_error for other_cost, other_error in rung.values() if other_cost >= cost]
        rung[trial.id] = cost, error
        return bool(compared) and bool(error > np.percentile(compared, 100 / self._factor))
