"""Copy of an embedded store on a server: runs, logged models, registered versions and aliases, each compared at once.

MLflow's API gives runs and logged models ids of its own choice. The old id becomes a tag of the copy, and the new one
takes its place in tags, in the MLmodel files and in the versions.
"""

import contextlib
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Experiment, LoggedModel, LoggedModelOutput, Metric, Param, RunTag
from mlflow.entities import Run as MlflowRun
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from demsr.errors import TrackingError, mlflow_cure
from demsr.runtime.files import sha256_of_file
from demsr.tracking.runs import PARENT_TAG
from demsr.tracking.store import connect, pages, tracking_uri

COPIED_FROM_TAG = "copied_from"
_PLACEHOLDER_TAG = "demsr.placeholder"
_VERSIONS_TAG = "mlflow.modelVersions"  # of logged models; the server writes its own
_ID = re.compile(r"\b(?:m-)?[0-9a-f]{32}\b")
_MODEL_SOURCE = re.compile(r"models:/(m-[0-9a-f]{32})")

Content = dict[str, Any]


@dataclass
class Upload:
    """Summary of an upload.

    Attributes
    ----------
    runs, models, versions : copied now
    present : runs, models and versions that had been copied before
    metric_values, files, size : of all runs and models, equal on both sides; size in bytes
    renumbered : URI of a version whose number was taken -> its number on the server
    kept_aliases : URI of an alias that another version has on the server -> number of that version
    unfinished : names of the runs that were left out because they, or the sweeps that they belong to, have not ended
    """

    runs: int = 0
    models: int = 0
    versions: int = 0
    present: int = 0
    metric_values: int = 0
    files: int = 0
    size: int = 0
    renumbered: dict[str, int] = field(default_factory=dict)
    kept_aliases: dict[str, int] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)


def upload_store(database: Path) -> Upload:
    """Copy an embedded store to the server that MLFLOW_TRACKING_URI names, and compare every copy with its original.

    The store stays as it is. A second upload adds what is new and completes what an interrupted one has begun.

    Parameters
    ----------
    database : mlflow.db of the store

    Raises
    ------
    TrackingError : there is no store or server, the server refuses a request, or a copy differs from its original
    """
    uri = tracking_uri()
    if not uri.startswith("http"):
        message = (
            f"MLFLOW_TRACKING_URI: is {uri}, an upload needs a server; set it to its address, such as http://HOST:5000"
        )
        raise TrackingError(message)
    if not database.is_file():
        message = f"{database}: no MLflow store; name its mlflow.db with --store"
        raise TrackingError(message)
    transfer = _Transfer(MlflowClient(f"sqlite:///{database.resolve()}"), connect())
    try:
        for experiment in pages(transfer.source.search_experiments):
            transfer.copy_experiment(experiment)
        for model in pages(transfer.source.search_registered_models):
            transfer.copy_registered_model(model)
    except MlflowException as error:
        message = f"{uri}: the upload stopped ({error}); {mlflow_cure(error)}, then upload again to continue"
        raise TrackingError(message) from error
    return transfer.done


class _Transfer:
    """An upload in progress; `_ids` leads from the ids of runs and logged models to those of their copies."""

    def __init__(self, source: MlflowClient, server: MlflowClient) -> None:
        self.source, self.server, self.done = source, server, Upload()
        self._ids: dict[str, str] = {}

    def copy_experiment(self, experiment: Experiment) -> None:
        """Copy the ended runs of an experiment and their logged models."""
        found = {run.info.run_id: run for run in pages(self.source.search_runs, [experiment.experiment_id])}
        running = {run_id for run_id, run in found.items() if run.info.status in ("RUNNING", "SCHEDULED")}
        runs = {
            run_id: run for run_id, run in found.items() if running.isdisjoint({run_id, run.data.tags.get(PARENT_TAG)})
        }
        self.done.unfinished += [run.info.run_name for run_id, run in found.items() if run_id not in runs]
        if not runs:
            return
        models = {
            model.model_id: model
            for model in pages(self.source.search_logged_models, [experiment.experiment_id])
            if model.source_run_id in runs
        }
        there = self._experiment(experiment)
        copies = _by_original((run.data.tags, run.info.run_id) for run in pages(self.server.search_runs, [there]))
        for run_id, run in runs.items():  # all ids first, because runs and models name each other
            self._ids[run_id] = copies.get(run_id) or self._add_run(run, there)
        copies = _by_original((one.tags, one.model_id) for one in pages(self.server.search_logged_models, [there]))
        for model_id, model in models.items():
            self._ids[model_id] = copies.get(model_id) or self._add_model(model, there)
        for model in models.values():
            self._copy_model(model)
        for run in runs.values():
            self._copy_run(run)

    def copy_registered_model(self, model: RegisteredModel) -> None:
        """Copy the versions and aliases of a registered model; the versions keep numbers that are free."""
        name = model.name
        if not self.server.search_registered_models(f"name = '{name}'"):
            self.server.create_registered_model(name, model.tags, model.description)
        there = {int(copy.version): copy for copy in pages(self.server.search_model_versions, f"name = '{name}'")}
        copies, numbers = _by_original((copy.tags, number) for number, copy in there.items()), {}
        versions = pages(self.source.search_model_versions, f"name = '{name}'")
        originals = {f"models:/{name}/{version.version} {version.source}": version for version in versions}
        alone = all(
            _PLACEHOLDER_TAG in copy.tags or copy.tags.get(COPIED_FROM_TAG) in originals for copy in there.values()
        )
        for identity, version in sorted(originals.items(), key=lambda item: int(item[1].version)):
            where, number = f"models:/{name}/{version.version}", int(version.version)
            if identity in copies:
                self.done.present += 1
            else:
                while alone and max(there, default=0) + 1 < number:  # the server leaves no number out, a deletion does
                    self._add_version(version, {_PLACEHOLDER_TAG: str(number)}, there)
                tags = self._mapped(version.tags) | {COPIED_FROM_TAG: identity}
                copies[identity] = self._add_version(version, tags, there)
                self.done.versions += 1
            numbers[number] = copies[identity]
            _compare(where, self._mapped(_version_content(version)), _version_content(there[numbers[number]]))
        for number, copy in there.items():
            if _PLACEHOLDER_TAG in copy.tags:
                self.server.delete_model_version(name, str(number))
        self.done.renumbered |= {f"models:/{name}/{old}": new for old, new in numbers.items() if old != new}
        self._copy_aliases(name, numbers)

    def _copy_aliases(self, name: str, numbers: Mapping[int, int]) -> None:
        """Give the aliases to the copies, except those that other versions have on the server."""
        taken = self.server.get_registered_model(name).aliases
        for alias, number in self.source.get_registered_model(name).aliases.items():
            copy = numbers[int(number)]
            if alias not in taken:
                self.server.set_registered_model_alias(name, alias, str(copy))
            elif int(taken[alias]) != copy:
                self.done.kept_aliases[f"models:/{name}@{alias}"] = int(taken[alias])

    def _copy_run(self, run: MlflowRun) -> None:
        """Bring the copy of a run to the content of the run."""
        copy = self.server.get_run(self._ids[run.info.run_id])
        with _downloaded(run.info.artifact_uri) as folder:
            content = self._mapped(_run_content(self.source, run)) | _file_content(folder)
            content["models"].sort()
            self._count(content, folder)
            if content == _run_content(self.server, copy) | _stored_file_content(copy.info.artifact_uri):
                self.done.present += 1
                return
            self._log_run(run, copy, content["models"])
            _upload(folder, copy.info.artifact_uri)
            self.server.set_terminated(copy.info.run_id, run.info.status, run.info.end_time)
        copy = self.server.get_run(copy.info.run_id)
        tags = self._mapped(run.data.tags)
        content |= {"name": run.info.run_name, "tags": tags}
        copied = {"name": copy.info.run_name, "tags": _only(tags, copy.data.tags)}
        copied |= _run_content(self.server, copy) | _stored_file_content(copy.info.artifact_uri)
        _compare(f"run {run.info.run_id}", content, copied)
        self.done.runs += 1

    def _log_run(self, run: MlflowRun, copy: MlflowRun, models: Iterable[tuple[str, int]]) -> None:
        """Log what a run has to its copy; MLflow drops values that the copy has already."""
        run_id = copy.info.run_id
        params = [Param(*pair) for pair in run.data.params.items()]
        tags = [RunTag(*pair) for pair in self._mapped(run.data.tags).items()]
        self.server.log_batch(run_id, _history(self.source, run), params, tags)
        if _datasets(run) and not _datasets(copy):
            self.server.log_inputs(run_id, _datasets(run))
        known = _run_content(self.server, copy)["models"]
        if new := [LoggedModelOutput(*model) for model in models if model not in known]:
            self.server.log_outputs(run_id, new)

    def _copy_model(self, model: LoggedModel) -> None:
        """Bring the copy of a logged model to the content of the model."""
        model = self.source.get_logged_model(model.model_id)
        copy = self.server.get_logged_model(self._ids[model.model_id])
        with _downloaded(model.artifact_location) as folder:
            if (description := folder / "MLmodel").is_file():
                text = description.read_text().replace(model.artifact_location, copy.artifact_location)
                description.write_text(self._mapped(text))
            content = self._mapped(_model_content(model)) | _file_content(folder)
            self._count(content, folder)
            if content == _model_content(copy) | _stored_file_content(copy.artifact_location):
                self.done.present += 1
                return
            tags = {name: value for name, value in self._mapped(model.tags).items() if name != _VERSIONS_TAG}
            if tags:
                self.server.set_logged_model_tags(copy.model_id, tags)
            for metric in model.metrics or []:
                values = (metric.key, metric.value, metric.timestamp, metric.step, copy.model_id)
                of_copy = Metric(*values, metric.dataset_name, metric.dataset_digest)
                self.server.log_batch(self._ids[str(metric.run_id)], [of_copy])
            _upload(folder, copy.artifact_location)
            self.server.finalize_logged_model(copy.model_id, model.status)
        copy = self.server.get_logged_model(copy.model_id)
        copied = {"tags": _only(tags, copy.tags), **_model_content(copy)}
        _compare(model.model_id, content | {"tags": tags}, copied | _stored_file_content(copy.artifact_location))
        self.done.models += 1

    def _experiment(self, experiment: Experiment) -> str:
        """Return the id of the server's experiment of the same name, which is made if there is none."""
        name, found = experiment.name, self.server.get_experiment_by_name(experiment.name)
        return str(found.experiment_id if found else self.server.create_experiment(name, tags=experiment.tags))

    def _add_run(self, run: MlflowRun, experiment: str) -> str:
        tags = {COPIED_FROM_TAG: run.info.run_id}
        return str(self.server.create_run(experiment, run.info.start_time, tags, run.info.run_name).info.run_id)

    def _add_model(self, model: LoggedModel, experiment: str) -> str:
        run, tags = self._ids[str(model.source_run_id)], {COPIED_FROM_TAG: model.model_id}
        copy = self.server.create_logged_model(experiment, model.name, run, tags, model.params, model.model_type)
        return str(copy.model_id)

    def _add_version(self, version: ModelVersion, tags: Mapping[str, str], there: dict[int, ModelVersion]) -> int:
        """Register the copy of the model of a version; return its number, under which it joins the others."""
        source, run = self._mapped([version.source, version.run_id])
        model = _MODEL_SOURCE.fullmatch(source)  # the server wants the id as well
        copy = self.server.create_model_version(
            version.name,
            source,
            run,
            dict(tags),
            description=version.description,
            model_id=model[1] if model else None,
        )
        there[int(copy.version)] = copy
        return int(copy.version)

    def _count(self, content: Content, folder: Path) -> None:
        self.done.metric_values += len(content["metrics"])
        self.done.files += len(content["files"])
        self.done.size += sum((folder / file).stat().st_size for file in content["files"])

    def _mapped(self, value: Any) -> Any:
        """Replace the ids of originals in nested values by those of their copies."""
        if isinstance(value, str):
            return _ID.sub(lambda found: self._ids.get(found[0], found[0]), value)
        if isinstance(value, Mapping):
            return {name: self._mapped(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._mapped(inner) for inner in value)
        return value


def _by_original(copies: Iterable[tuple[Mapping[str, str], Any]]) -> dict[str, Any]:
    """Return identities by the ids of the originals that the tags name."""
    return {tags[COPIED_FROM_TAG]: identity for tags, identity in copies if COPIED_FROM_TAG in tags}


def _only(names: Collection[str], tags: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name in names}


def _run_content(client: MlflowClient, run: MlflowRun) -> Content:
    """Return what must be equal in a run and its copy, but for the files; users may change names and tags."""
    inputs = [(one.dataset.to_dictionary(), [(tag.key, tag.value) for tag in one.tags]) for one in _datasets(run)]
    return {
        "status": (run.info.status, run.info.start_time, run.info.end_time),
        "params": run.data.params,
        "metrics": _sorted_values(_history(client, run)),
        "inputs": sorted(inputs, key=repr),
        "models": sorted((model.model_id, model.step) for model in run.outputs.model_outputs) if run.outputs else [],
    }


def _model_content(model: LoggedModel) -> Content:
    """Return what must be equal in a logged model and its copy at any time, but for the files."""
    return {
        "name": (model.name, model.model_type or "", str(model.status)),  # the server answers "" for no type
        "run": model.source_run_id,
        "params": model.params,
        "metrics": _sorted_values(model.metrics or []),
    }


def _version_content(version: ModelVersion) -> Content:
    return {"run": version.run_id, "source": version.source}


def _datasets(run: MlflowRun) -> list[DatasetInput]:
    return list(run.inputs.dataset_inputs) if run.inputs else []


def _history(client: MlflowClient, run: MlflowRun) -> list[Metric]:
    """Return all values of all metrics of a run."""
    return [value for name in run.data.metrics for value in client.get_metric_history(run.info.run_id, name)]


def _sorted_values(metrics: Iterable[Metric]) -> list[tuple[Any, ...]]:
    """Return values that can be compared, NaN included."""
    return sorted((metric.key, metric.step, metric.timestamp, repr(metric.value)) for metric in metrics)


@contextlib.contextmanager
def _downloaded(location: str) -> Iterator[Path]:
    """Yield a temporary folder with a copy of the artifacts."""
    repository = get_artifact_repository(location)
    with tempfile.TemporaryDirectory() as folder:
        if repository.list_artifacts():
            repository.download_artifacts("", folder)  # type: ignore[no-untyped-call]
        yield Path(folder)


def _upload(folder: Path, location: str) -> None:
    if any(folder.iterdir()):
        get_artifact_repository(location).log_artifacts(str(folder))  # type: ignore[no-untyped-call]


def _file_content(folder: Path) -> Content:
    """Return the SHA-256 of the files below a folder."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {"files": {name: sha256_of_file(path) for name, path in files.items()}}


def _stored_file_content(location: str) -> Content:
    with _downloaded(location) as folder:
        return _file_content(folder)


def _compare(where: str, content: Content, copied: Content) -> None:
    """Raise an error that names the parts in which a copy differs from its original."""
    if different := [part for part in content if content[part] != copied.get(part)]:
        message = (
            f"{where}: its copy on {tracking_uri()} differs in {', '.join(different)}; "
            "delete the copy there and upload again"
        )
        raise TrackingError(message)
