"""Find and delete old runs with their artifacts; what belongs to a registered version stays."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.entities import Run as MlflowRun
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from demsr.tracking.runs import PARENT_TAG
from demsr.tracking.store import experiments, pages


@dataclass(frozen=True)
class OldRun:
    """Run that may be deleted.

    Attributes
    ----------
    id : of the run
    experiment, stage : name of the experiment and tag of the run
    started : UTC time
    models : ids of the logged models of the run, none of which is registered
    locations : URIs of the artifacts of the run and of its models
    files, size : number and bytes of the artifacts
    """

    id: str
    experiment: str
    stage: str
    started: datetime
    models: tuple[str, ...]
    locations: tuple[str, ...]
    files: int
    size: int


def old_runs(client: MlflowClient, *, days: float) -> list[OldRun]:
    """Return the ended runs of the pipeline and its sweeps that started before some days and may be deleted.

    The run of a registered version stays, with its parent and the other trials of that parent. A trial goes with its
    sweep only.

    Parameters
    ----------
    client : client of the store
    days : smallest age of a run
    """
    newest = datetime.now(UTC) - timedelta(days=days)
    registered = _registered(client)
    found = []
    for experiment in experiments(client):
        models: dict[str | None, list[LoggedModel]] = defaultdict(list)
        for model in pages(client.search_logged_models, [experiment.experiment_id]):
            models[model.source_run_id].append(model)
        families: dict[str, list[MlflowRun]] = defaultdict(list)
        for run in pages(client.search_runs, [experiment.experiment_id]):
            families[run.data.tags.get(PARENT_TAG, run.info.run_id)].append(run)
        for family in families.values():
            runs = {run.info.run_id for run in family}
            named = runs | {model.model_id for run in runs for model in models[run]}
            if named.isdisjoint(registered) and all(_is_old(run, newest) for run in family):
                found += [_old_run(run, experiment.name, models[run.info.run_id]) for run in family]
    return found


def delete_runs(client: MlflowClient, runs: Sequence[OldRun]) -> None:
    """Delete runs, their logged models and their artifacts; if this is interrupted, `old_runs` finds the rest.

    MLflow hides a deleted run; its command `mlflow gc` removes it from the database.

    Parameters
    ----------
    client : client of the store
    runs : from `old_runs`
    """
    for run in runs:
        for location in run.locations:
            repository = get_artifact_repository(location)
            if next(_files(repository), None) is not None:
                repository.delete_artifacts()  # type: ignore[no-untyped-call]
        for model in run.models:
            client.delete_logged_model(model)
        client.delete_run(run.id)


def _registered(client: MlflowClient) -> set[str]:
    """Return the ids of the runs and logged models of all registered versions."""
    versions = list(pages(client.search_model_versions))
    models = {str(version.source).removeprefix("models:/") for version in versions}
    return models | {version.run_id for version in versions if version.run_id}


def _is_old(run: MlflowRun, newest: datetime) -> bool:
    return run.info.status not in ("RUNNING", "SCHEDULED") and _started(run) < newest


def _started(run: MlflowRun) -> datetime:
    return datetime.fromtimestamp(run.info.start_time / 1000, UTC)


def _old_run(run: MlflowRun, experiment: str, models: Sequence[LoggedModel]) -> OldRun:
    locations = (run.info.artifact_uri, *(model.artifact_location for model in models))
    sizes = [size for location in locations for size in _files(get_artifact_repository(location))]
    stage, ids = run.data.tags.get("stage", ""), tuple(model.model_id for model in models)
    return OldRun(run.info.run_id, experiment, stage, _started(run), ids, locations, len(sizes), sum(sizes))


def _files(repository: ArtifactRepository, folder: str | None = None) -> Iterator[int]:
    """Yield the bytes of each file below a folder of artifacts."""
    for file in repository.list_artifacts(folder):
        if file.is_dir:
            yield from _files(repository, file.path)
        else:
            yield file.file_size or 0
