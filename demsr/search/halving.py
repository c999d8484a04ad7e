"""Which trials stop early: asynchronous successive halving that does not take deep nets for bad ones."""

from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from demsr.search.space import Halving
from demsr.search.trial_log import TrialLog


class DepthHalving(FIFOScheduler):
    """ASHA in which a trial is compared with nets as deep as its own or deeper.

    Deep nets learn slower per epoch: who is worse than they are at the same epoch will stay so, but a shallow net that
    is ahead says nothing about a deep one. Trials are known by the book's ids, so that those of a killed sweep count.
    """

    def __init__(self, halving: Halving, epochs: int, book: TrialLog) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._of_depth = {
            depth: ASHAScheduler(
                time_attr="epoch",
                metric=book.metric,
                mode="min",
                max_t=epochs,
                grace_period=halving.grace_epochs,
                reduction_factor=halving.keep_one_of,
                stop_last_trials=False,
            )
            for depth in book.depths
        }
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
