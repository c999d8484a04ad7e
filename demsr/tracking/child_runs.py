"""Runs below another run, one for each trial of a search, each found again by its trial's id and never made twice."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from demsr.errors import TrackingError
from demsr.tracking.runs import InputData, Run
from demsr.tracking.store import experiment_id

_TRIAL_TAG, _PARENT_TAG = "tune.trial_id", "mlflow.parentRunId"


class ChildRuns:
    """The children of a run.

    Every call brings a run to where its trial is, whatever a killed process has left of it. Only one process may
    write: the driver of the search, never its trials.

    Parameters
    ----------
    experiment : that the parent belongs to
    tags : of all children
    inputs : of all children
    """

    def __init__(self, parent: Run, *, experiment: str, tags: Mapping[str, str], inputs: Sequence[InputData]) -> None:
        self.parent, self.tags, self.inputs = parent, dict(tags), list(inputs)
        self._where = experiment_id(parent.client, experiment)
        self._open: dict[str, Run] = {}
        self._ended = {trial_id for trial_id, run in self._found().items() if run.info.status in ("FINISHED", "FAILED")}

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
        """Bring the run of a trial up to date.

        Parameters
        ----------
        name : of the run, for people
        rows : of all its epochs so far
        ended : "FINISHED", "FAILED" or "KILLED" where it has come to an end
        metrics : of the whole trial

        Raises
        ------
        TrackingError : MLflow does not answer
        """
        if trial_id in self._ended:
            return
        try:
            self._update(trial_id, name, params, tags, rows, ended, metrics)
        except MlflowException as error:
            message = f"MLflow does not answer ({error}); check that its server or store is up"
            raise TrackingError(message) from error

    def _update(
        self,
        trial_id: str,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        rows: Sequence[Mapping[str, float]],
        ended: str | None,
        metrics: Mapping[str, float] | None,
    ) -> None:
        if (run := self._open.get(trial_id)) is None:
            run = self._open[trial_id] = self._begin(trial_id, name, params)
        for row in rows:
            run.log_epoch(row)
        run.log_tags(tags)
        if metrics:
            run.log_metrics(metrics)
        if ended is not None:
            run.client.set_terminated(run.id, ended)
            self._open.pop(trial_id)
            if ended != "KILLED":
                self._ended.add(trial_id)

    def _begin(self, trial_id: str, name: str, params: Mapping[str, Any]) -> Run:
        client = self.parent.client
        if (found := self._found().get(trial_id)) is not None:
            client.update_run(found.info.run_id, status="RUNNING")
            run_id = found.info.run_id
        else:
            tags = {_PARENT_TAG: self.parent.id, _TRIAL_TAG: trial_id, **self.tags}
            run_id = client.create_run(self._where, run_name=name, tags=tags).info.run_id
        run = Run(client, str(run_id), name)
        run.log_params(params)
        run.log_inputs(self.inputs)
        return run

    def _found(self) -> dict[str, Any]:
        """Return the runs that there are, by the ids of their trials."""
        return {
            run.data.tags[_TRIAL_TAG]: run
            for run in _all_runs(self.parent.client, self._where, f"tags.`{_PARENT_TAG}` = '{self.parent.id}'")
        }


def _all_runs(client: MlflowClient, where: str, wanted: str) -> list[Any]:
    runs: list[Any] = []
    token = None
    while True:
        page = client.search_runs([where], wanted, page_token=token)
        runs += page
        if not (token := page.token):
            return runs
