"""Model registry: versions, the aliases champion and challenger, downloads."""

import importlib.metadata
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

import demsr
from demsr.errors import TrackingError
from demsr.model.checkpoint import CONFIG, read_config
from demsr.tracking.runs import WEIGHTS_TAG
from demsr.tracking.store import EXPERIMENT, connect, store_lock, tracking_uri

CHAMPION, CHALLENGER = "champion", "challenger"
PROMOTED, REFUSED, REPLACED, ROLLED_BACK = "promoted", "refused", "replaced by hand", "rolled back"
DECISION_TAG, REASON_TAG, CHAMPION_SINCE_TAG = "promotion", "promotion_reason", "champion_since"
_REQUIREMENTS = ("torch", "numpy", "scipy", "safetensors", "pydantic")


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model.

    Attributes
    ----------
    name, version : of the model, number of the version
    aliases : such as "champion"
    tags : values by name
    run_id : run that the version belongs to
    """

    name: str
    version: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    run_id: str | None

    @property
    def uri(self) -> str:
        """URI in the registry, such as models:/dem-srnet-finetuned/2."""
        return f"models:/{self.name}/{self.version}"

    @property
    def champion_since(self) -> str | None:
        """UTC time at which it last became champion, "" if that was not recorded, None if it never was."""
        return self.tags.get(CHAMPION_SINCE_TAG, "" if self.tags.get(DECISION_TAG) in (PROMOTED, REPLACED) else None)


def find_version(client: MlflowClient, name: str, weights_sha256: str) -> RegisteredVersion | None:
    """Return the version with these weights, None if there is none or the artifact store has lost its files.

    Parameters
    ----------
    client : client of the store
    name : registered model
    weights_sha256 : SHA-256 of weights.safetensors
    """
    return next(_with_weights(client, name, weights_sha256), None)


def holder(client: MlflowClient, name: str, alias: str) -> RegisteredVersion | None:
    """Return the version with an alias, None if there is none or the artifact store has lost its files.

    Parameters
    ----------
    client : client of the store
    name : registered model
    alias : such as `CHAMPION`
    """
    try:
        version = _registered(client, client.get_model_version_by_alias(name, alias))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return version if _has_files(version) else None


def past_champions(client: MlflowClient, name: str) -> list[RegisteredVersion]:
    """Return the versions that are or were champion and whose files exist, the latest champion first.

    Parameters
    ----------
    client : client of the store
    name : registered model
    """
    found = [one for one in _versions(client, name) if one.champion_since is not None and _has_files(one)]
    return sorted(found, key=lambda version: (version.champion_since or "", version.version), reverse=True)


def refused_versions(client: MlflowClient, name: str) -> list[RegisteredVersion]:
    """Return the versions that were refused and are not champion, and whose files exist.

    Parameters
    ----------
    client : client of the store
    name : registered model
    """
    refused = _versions(client, name, f" and tags.{DECISION_TAG} = '{REFUSED}'")
    return [version for version in refused if CHAMPION not in version.aliases and _has_files(version)]


def registered_version(client: MlflowClient, name: str, number: int) -> RegisteredVersion:
    """Return a version by its number.

    Parameters
    ----------
    client : client of the store
    name : registered model
    number : of the version

    Raises
    ------
    TrackingError : there is no such version, or the artifact store has lost its files
    """
    versions = list_versions(client)
    found = next((version for version in versions if (version.name, version.version) == (name, number)), None)
    if found is None:
        same_name = sorted(version.version for version in versions if version.name == name)
        known = ", ".join(map(str, same_name) if same_name else sorted({version.name for version in versions}))
        message = f"models:/{name}/{number}: no such version in {tracking_uri()}; registered are: {known or 'none'}"
        raise TrackingError(message)
    if not _has_files(found):
        message = f"{found.uri}: its files are lost; register them again with `demsr models --restore`"
        raise TrackingError(message)
    return found


def add_version(
    client: MlflowClient,
    name: str,
    folder: Path,
    *,
    run_id: str,
    description: str,
    tags: Mapping[str, str],
    model_description: str | None = None,
    metrics: Mapping[str, float] | None = None,
) -> RegisteredVersion:
    """Log a model folder to its run and register it; the same weights are registered once.

    MLflow gets a copy of the files, because it refuses links, such as those to DVC's cache. Call it under
    `registration`.

    Parameters
    ----------
    client : client of the store
    name : registered model, made if it does not exist
    folder : model folder with weights.safetensors and config.json
    run_id : run that the version belongs to
    description : Markdown description of the version
    tags : tags of the version
    model_description : Markdown description of a registered model that is made
    metrics : metrics of the version
    """
    config = read_config(folder)
    if known := find_version(client, name, config.weights_sha256):
        return known
    identity = {WEIGHTS_TAG: config.weights_sha256, "model_sha256": config.model_sha256}
    mlflow.set_experiment(EXPERIMENT)
    with tempfile.TemporaryDirectory() as copies:
        info = Model.log(
            artifact_path=None,
            name=name,
            flavor=mlflow.pyfunc,
            run_id=run_id,
            flavor_name="pyfunc.ModelFromCode",
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            code_paths=[str(Path(demsr.__file__).parent)],
            artifacts={"net": str(shutil.copytree(folder, Path(copies) / folder.name))},
            signature=_signature(),
            pip_requirements=_pinned(),
            input_example=np.linspace(0, 100, 160, dtype=np.float32).reshape(2, 1, 8, 10),
            metadata=identity,
        )
    for metric, value in (metrics or {}).items():
        client.log_metric(run_id, metric, value, model_id=info.model_id)
    _make_model(client, name, model_description)
    version = client.create_model_version(
        name,
        info.model_uri,
        run_id,
        tags={**identity, **tags},
        description=description,
        model_id=info.model_id,
    )
    return _first(client, _registered(client, version))


def registration() -> FileLock:
    """Return the lock under which a version is looked for, added and decided on, so that no two processes add it."""
    return store_lock("register")


def list_versions(client: MlflowClient) -> list[RegisteredVersion]:
    """Return all versions of all models, newest first within a name."""
    versions = [_registered(client, version) for version in client.search_model_versions()]
    return sorted(versions, key=lambda version: (version.name, -version.version))


def download(uri: str) -> Path:
    """Download a registered model and return its folder with weights.safetensors and config.json.

    Parameters
    ----------
    uri : such as models:/dem-srnet-finetuned@champion

    Raises
    ------
    TrackingError : the model does not exist, or the artifact store has lost its files
    """
    client = connect(create=False)
    try:
        local = Path(mlflow.artifacts.download_artifacts(uri))
        return next(path.parent for path in sorted((local / "artifacts").rglob(CONFIG)))
    except (MlflowException, OSError, StopIteration) as error:
        known = ", ".join(sorted({version.name for version in list_versions(client)})) or "none"
        message = (
            f"{uri}: no such model in {mlflow.get_tracking_uri()} ({_whole_text(error)}); registered are: {known}; "
            "train with `dvc repro`, or register lost models again with `demsr models --restore`"
        )
        raise TrackingError(message) from error


def _with_weights(client: MlflowClient, name: str, weights_sha256: str) -> Iterator[RegisteredVersion]:
    """Yield the versions with these weights whose files exist."""
    return filter(_has_files, _versions(client, name, f" and tags.`{WEIGHTS_TAG}` = '{weights_sha256}'"))


def _versions(client: MlflowClient, name: str, condition: str = "") -> Iterator[RegisteredVersion]:
    """Yield the versions of a model that meet a condition."""
    for version in client.search_model_versions(f"name = '{name}'{condition}"):
        yield _registered(client, version)


def _has_files(version: RegisteredVersion) -> bool:
    """Whether the artifact store has the files of a version; a store that does not answer raises an error."""
    return bool(mlflow.artifacts.list_artifacts(artifact_uri=version.uri))


def _make_model(client: MlflowClient, name: str, description: str | None) -> None:
    """Create a registered model unless there is one."""
    if client.search_registered_models(f"name = '{name}'"):
        return
    try:
        client.create_registered_model(name, description=description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # a process on another machine was faster
            raise


def _first(client: MlflowClient, added: RegisteredVersion) -> RegisteredVersion:
    """Return the first version with the weights of an added one, and delete the latter if it is another.

    The lock of the project does not hold processes on other machines that use the same server.
    """
    versions = _with_weights(client, added.name, added.tags[WEIGHTS_TAG])
    first = min(versions, key=lambda one: one.version, default=added)
    if first.version != added.version:
        client.delete_model_version(added.name, str(added.version))
    return first


def _registered(client: MlflowClient, version: ModelVersion) -> RegisteredVersion:
    aliases = client.get_registered_model(version.name).aliases
    mine = tuple(sorted(alias for alias, number in aliases.items() if int(number) == int(version.version)))
    return RegisteredVersion(version.name, int(version.version), mine, dict(version.tags), version.run_id)


def _signature() -> ModelSignature:
    lr, sr = (TensorSpec(np.dtype(np.float32), (-1, 1, -1, -1), name) for name in (None, None))
    return ModelSignature(inputs=Schema([lr]), outputs=Schema([sr]))


def _pinned() -> list[str]:
    """Return the installed versions without local labels such as +cpu."""
    return [f"{name}=={re.sub(r'[+].*', '', importlib.metadata.version(name))}" for name in _REQUIREMENTS]


def _whole_text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
