"""The MLflow store: embedded SQLite in the project by default, a server where MLFLOW_TRACKING_URI names one."""

import os
import sqlite3
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import mlflow
from filelock import FileLock
from mlflow import MlflowClient

from demsr.errors import TrackingError
from demsr.runtime.files import atomic_write
from demsr.runtime.project import project_root

EXPERIMENT = "dem-srnet"
_SQLITE = "sqlite:///"
_EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",  # the UI then shows training, not language models
    "mlflow.note.content": "DEM-SRNet: 15 arc-second elevation to 3 arc-second.",
}


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, else the absolute URI of the embedded store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{project_root() / 'mlflow.db'}"


def connect(*, make: bool = True) -> MlflowClient:
    """Return a client of the store.

    Parameters
    ----------
    make : make the embedded store first where it is missing; who only reads has no use for an empty one

    Raises
    ------
    TrackingError : a server does not answer, or there is no store to read
    """
    uri = tracking_uri()
    if uri.startswith(_SQLITE):
        path = Path(uri.removeprefix(_SQLITE)).resolve()
        if not make and not path.exists():
            message = f"{path}: there is no MLflow store; run `dvc repro`, or name a server in MLFLOW_TRACKING_URI"
            raise TrackingError(message)
        _make_embedded_store(path)
    elif uri.startswith("http"):
        _check_server(uri)
    mlflow.set_tracking_uri(uri)
    return MlflowClient(uri)


def experiment_id(client: MlflowClient, name: str = EXPERIMENT) -> str:
    """Return the id of an experiment, made first where it is missing."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    uri, location = tracking_uri(), None  # a server knows where it keeps artifacts
    if uri.startswith(_SQLITE):
        location = (Path(uri.removeprefix(_SQLITE)).resolve().parent / "mlartifacts" / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location, tags=_EXPERIMENT_TAGS))


def _make_embedded_store(path: Path) -> None:
    """Run MLflow's migrations once, under a lock, on a file that appears whole; then many may write at a time."""
    if path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.exists():
            return
        with atomic_write(path) as temporary:
            store = SqlAlchemyStore(  # type: ignore[no-untyped-call]
                f"{_SQLITE}{temporary}", str(path.parent / "mlartifacts")
            )
            store.engine.dispose()
            with sqlite3.connect(temporary) as database:
                database.execute("PRAGMA journal_mode=wal")  # readers and one writer do not wait for each other
            database.close()


def _check_server(uri: str) -> None:
    try:
        with urlopen(f"{uri.rstrip('/')}/health", timeout=5):
            return
    except (URLError, OSError) as error:
        if isinstance(error, HTTPError) and error.code in (401, 403):
            return  # it wants credentials, which MLflow's client brings
        message = (
            f"MLFLOW_TRACKING_URI={uri}: no MLflow server answers ({error}); "
            "start it, correct the address, or unset the variable to use the store in the project"
        )
        raise TrackingError(message) from error
