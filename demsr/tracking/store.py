"""MLflow store: an embedded SQLite database in the project, or the server that MLFLOW_TRACKING_URI names."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from demsr.errors import TrackingError, mlflow_cure
from demsr.runtime.files import atomic_write
from demsr.runtime.project import project_root

EXPERIMENT = "dem-srnet"
_SQLITE = "sqlite:///"
_EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",  # or the UI shows pages for language models
    "mlflow.note.content": "DEM-SRNet: 15 arc-second elevation to 3 arc-second.",
}


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or else the absolute URI of the embedded store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{project_root() / 'mlflow.db'}"


def connect(*, create: bool = True) -> MlflowClient:
    """Return a client of the store.

    Parameters
    ----------
    create : create an embedded store that does not exist; False for readers

    Raises
    ------
    TrackingError : the server does not answer or refuses the user, or the store does not exist
    """
    uri = tracking_uri()
    if uri.startswith(_SQLITE):
        path = Path(uri.removeprefix(_SQLITE)).resolve()
        if not create and not path.exists():
            message = (
                f"{path}: no MLflow store; run `dvc repro` in the project, or `demsr models --restore` if it is up to "
                "date, or set MLFLOW_TRACKING_URI to a server"
            )
            raise TrackingError(message)
        _make_embedded_store(path)
    elif uri.startswith("http"):
        _check_server(uri)
    mlflow.set_tracking_uri(uri)
    return MlflowClient(uri)


def experiment_id(client: MlflowClient, name: str = EXPERIMENT) -> str:
    """Return the id of an experiment, which is created if it does not exist.

    Parameters
    ----------
    client : client of the store
    name : name of the experiment
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    uri, location = tracking_uri(), None  # a server has its own artifact store
    if uri.startswith(_SQLITE):
        location = (Path(uri.removeprefix(_SQLITE)).resolve().parent / "mlartifacts" / name).as_uri()
    try:
        return str(client.create_experiment(name, artifact_location=location, tags=_EXPERIMENT_TAGS))
    except MlflowException:
        found = client.get_experiment_by_name(name)  # another process may have created it since the first look
        if found is None:
            raise
        return str(found.experiment_id)


def experiments(client: MlflowClient) -> Sequence[Experiment]:
    """Return the experiments of the pipeline and its sweeps, by name.

    Parameters
    ----------
    client : client of the store
    """
    return client.search_experiments(filter_string=f"name LIKE '{EXPERIMENT}%'", order_by=["name"])


def pages(search: Callable[..., PagedList[Any]], *arguments: Any) -> Iterator[Any]:
    """Yield all results of a search, of which MLflow returns one page at a time.

    Parameters
    ----------
    search : method of a client
    arguments : its arguments but the page token
    """
    token = None
    while True:
        page = search(*arguments, page_token=token)
        yield from page
        if not (token := page.token):
            return


def beside_store(name: str) -> Path:
    """Return a path beside the embedded store, or in the project if the store is a server.

    Parameters
    ----------
    name : suffix of the path, such as "register.lock"
    """
    uri = tracking_uri()
    embedded = uri.startswith(_SQLITE)
    path = Path(uri.removeprefix(_SQLITE)).resolve() if embedded else project_root() / "mlflow.db"
    return path.with_name(f"{path.name}.{name}")


def store_lock(name: str) -> FileLock:
    """Return a lock that serialises one kind of work on the store among the processes of this project.

    Processes on other machines that use the same server do not share it: they need a second look.

    Parameters
    ----------
    name : of the work
    """
    return FileLock(beside_store(f"{name}.lock"))


def ui_links(address: str) -> dict[str, str]:
    """Return the pages of the MLflow UI that are worth opening.

    Parameters
    ----------
    address : of the server, such as http://127.0.0.1:5000

    Returns
    -------
    addresses by title: the experiment of the pipeline, those of the sweeps, the registered models
    """
    client, page = connect(), f"{address.rstrip('/')}/#"
    experiment_id(client)
    links = {
        f"experiment {one.name}": f"{page}/experiments/{one.experiment_id}?workflowType=machine_learning"
        for one in experiments(client)
    }
    return links | {"registered models": f"{page}/models"}


def _make_embedded_store(path: Path) -> None:
    """Create the database once, under a lock, and in a mode that lets processes read while one writes."""
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
    """Ask the server once whether it is up, because MLflow's client asks for minutes, then whether it accepts the user.

    The credentials are sent by MLflow's client.
    """
    _check_health(uri)
    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except MlflowException as error:
        message = f"MLFLOW_TRACKING_URI={uri}: the server refuses the request ({error}); {mlflow_cure(error)}"
        raise TrackingError(message) from error


def _check_health(uri: str) -> None:
    scheme, _, rest = uri.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    without_user = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"  # urllib takes a user for a part of the host
    try:
        with urlopen(f"{without_user}/health", timeout=5):
            return
    except (URLError, OSError) as error:
        if isinstance(error, HTTPError) and error.code in (401, 403):
            return  # it is up and requires credentials
        message = (
            f"MLFLOW_TRACKING_URI={uri}: no MLflow server answers ({error}); "
            "start it, correct the address, or unset the variable to use the store in the project"
        )
        raise TrackingError(message) from error
