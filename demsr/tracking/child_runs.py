"""Child runs of a search: one for each trial, identified by the trial's id."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow.exceptions import MlflowException

from demsr.errors import TrackingError, mlflow_cure
from demsr.tracking.runs import PARENT_TAG, InputData, Run, child_runs
from demsr.tracking.store import experiment_id

_TRIAL_TAG = "tune.trial_id"


class ChildRuns:
    """Child runs of a run.

    Every update brings a run to the state of its trial, whatever a killed process has left in the store. Only one
    process may write: the driver of the search, not its trials.

    Parameters
    ----------
    parent : run of the search
    experiment : name of the experiment that the parent belongs to
    tags : tags of all children
    inputs : input files of all children
    """

    def __init__(self, parent: Run, *, experiment: str, tags: Mapping[str, str], inputs: Sequence[InputData]) -> None:
        self.parent, self.tags, self.inputs = parent, dict(tags), list(inputs)
        self._experiment = experiment_id(parent.client, experiment)
        self._open: dict[str, Run] = {}
        self._ended = {trial_id for trial_id, (_, status) in self._stored().items() if status in ("FINISHED", "FAILED")}

    def update(
        self,
        trial_id: str,
        *,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        rows: Sequence[Mapping[str, float]],
        ended: str | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Bring the run of a trial up to date; a run that has ended stays unchanged.

        Parameters
        ----------
        trial_id : identity of the trial
        name : name in the list of runs
        params, tags : parameters and tags of the trial
        rows : metrics of all its epochs so far
        ended : "FINISHED", "FAILED" or "KILLED" if the trial has ended
        metrics : metrics of the whole trial

        Raises
        ------
        TrackingError : MLflow does not answer
        """
        if trial_id in self._ended:
            return
        try:
            run = self._open.get(trial_id) or self._begin(trial_id, name, params)
            for row in rows:
                run.log_epoch(row)
            run.log_tags(tags)
            run.log_metrics(metrics or {})
            if ended is not None:
                self._end(trial_id, run, ended)
        except MlflowException as error:
            message = f"MLflow has not recorded the run ({error}); {mlflow_cure(error)}"
            raise TrackingError(message) from error

    def _begin(self, trial_id: str, name: str, params: Mapping[str, Any]) -> Run:
        client = self.parent.client
        if trial_id in (stored := self._stored()):
            run_id, _ = stored[trial_id]
            client.update_run(run_id, status="RUNNING")
        else:
            tags = {PARENT_TAG: self.parent.id, _TRIAL_TAG: trial_id, **self.tags}
            run_id = client.create_run(self._experiment, run_name=name, tags=tags).info.run_id
        run = self._open[trial_id] = Run(client, run_id, name)
        run.log_params(params)
        run.log_inputs(self.inputs)
        return run

    def _end(self, trial_id: str, run: Run, status: str) -> None:
        run.client.set_terminated(run.id, status)
        del self._open[trial_id]
        if status != "KILLED":
            self._ended.add(trial_id)

    def _stored(self) -> dict[str, tuple[str, str]]:
        """Return id and status of the runs in the store by trial."""
        runs = child_runs(self.parent.client, self._experiment, self.parent.id)
        return {run.data.tags[_TRIAL_TAG]: (run.info.run_id, run.info.status) for run in runs}
