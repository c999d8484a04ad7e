"""Trials of a running sweep, shown in the terminal and copied to MLflow."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from demsr.errors import TrackingError
from demsr.reporting.sweeps import SweepProgress
from demsr.search.sweep_plan import SweepPlan
from demsr.search.trial_log import TrialLog, TrialRecord
from demsr.tracking.child_runs import ChildRuns
from demsr.tracking.runs import Run, flattened

_RUN_STATUS = {"finished": "FINISHED", "stopped early": "FINISHED", "failed": "FAILED"}


class TrialMonitor:
    """Copy of the trial logs in MLflow, one child run for each trial, and in the terminal.

    Parameters
    ----------
    plan : plan of the sweep
    run : MLflow run of the sweep
    """

    def __init__(self, plan: SweepPlan, run: Run) -> None:
        self.plan, self.progress = plan, SweepProgress(unit=plan.setup.unit, metric=plan.metric)
        tags = {"stage": f"sweep {plan.name}", "profile": plan.profile, "pairs.md5": plan.inputs[0].md5}
        self.children = ChildRuns(run, experiment=plan.experiment, inputs=plan.inputs, tags=tags)
        self._is_behind = False

    def __call__(self, record: TrialRecord) -> None:
        """Show a record and copy it; if MLflow does not answer, all copying is left to the end.

        Parameters
        ----------
        record : state and results of a trial
        """
        self.progress.show(record, self.plan.label(record.candidate))
        if self._is_behind:
            return
        try:
            self._copy(record)
        except TrackingError as error:
            self._is_behind = True
            Console(stderr=True).print(f"{error}; runs are written at the end", markup=False)

    @contextlib.contextmanager
    def synchronised(self, *logs: TrialLog) -> Iterator[None]:
        """Bring all runs to their final state at the end of the block, and those of a killed process before it.

        Parameters
        ----------
        logs : trial logs to be copied
        """
        self._copy_all(logs)
        try:
            yield
        except BaseException:
            with contextlib.suppress(TrackingError):
                self._copy_all(logs, unfinished="KILLED")
            raise
        self._copy_all(logs)

    def _copy_all(self, logs: Sequence[TrialLog], *, unfinished: str | None = None) -> None:
        """Copy all records; those of unfinished trials only if a status for their runs is given."""
        for record in (record for log in logs for record in log.records()):
            if record.state != "running":
                self._copy(record)
            elif unfinished is not None:
                self._copy(record, status=unfinished)

    def _copy(self, record: TrialRecord, *, status: str | None = None) -> None:
        plan, setup = self.plan, self.plan.setup.of(record.candidate)
        params = {"model": setup.net, setup.stage: setup.training}
        tags = {"role": record.role, "seed": str(record.seed)}
        tags |= {"tune.stopped_early": "true"} if record.state == "stopped early" else {}
        tags |= {"error": record.error[:500]} if record.error else {}
        tags |= {"ray.node": record.node} if record.node else {}
        self.children.update(
            record.id,
            name=f"{record.id}, {plan.label(record.candidate)}",
            params={**flattened(params), "seed": record.seed},
            tags=tags,
            rows=record.rows,
            ended=status or _RUN_STATUS.get(record.state),
            metrics=self._metrics(record) if record.state != "running" and record.rows else {},
        )

    def _metrics(self, record: TrialRecord) -> dict[str, Any]:
        return {
            f"best_{self.plan.metric}": record.best(self.plan.metric),
            **self.plan.net_cost(record.candidate),
            "seconds_per_epoch": record.median("seconds"),
            "median_samples_per_second": record.median("samples_per_second"),
        }
