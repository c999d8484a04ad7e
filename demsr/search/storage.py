"""Storage of a sweep: an SQLite file or a PostgreSQL database, the only owner of its state."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from demsr.errors import ParamsError, WorkerError
from demsr.runtime.ray_cluster import first_line

_STATE = "sweep"  # attribute of the study of the searched trials
_TIMEOUT_S = 10


@dataclass(frozen=True)
class SweepStorage:
    """Optuna storage of one sweep: a study for its searched trials and one for its finalists.

    Attributes
    ----------
    storage : database, which other sweeps may share
    name : name of the sweep
    """

    storage: RDBStorage
    name: str

    @property
    def state(self) -> dict[str, Any] | None:
        """What the sweep has started with, and whether it is finished; None before its start."""
        names = optuna.get_all_study_names(self.storage)
        return self.study("trial").user_attrs.get(_STATE) if self._study_name("trial") in names else None

    def store(self, state: dict[str, Any]) -> None:
        """Replace the state.

        Parameters
        ----------
        state : values that JSON can represent
        """
        self.study("trial").set_user_attr(_STATE, state)

    def study(self, kind: str) -> optuna.Study:
        """Return a study of the sweep.

        Parameters
        ----------
        kind : "trial" or "finalist"
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return optuna.create_study(storage=self.storage, study_name=self._study_name(kind), load_if_exists=True)

    def clear(self) -> None:
        """Delete both studies; that with the state is the last, so that a kill leaves a sweep that can be cleared."""
        for name in map(self._study_name, ("finalist", "trial")):
            if name in optuna.get_all_study_names(self.storage):
                optuna.delete_study(study_name=name, storage=self.storage)

    def _study_name(self, kind: str) -> str:
        return f"{self.name} {kind}"


@contextmanager
def open_storage(url: str, name: str) -> Iterator[SweepStorage]:
    """Open the storage of a sweep, which no other process may run meanwhile.

    Parameters
    ----------
    url : sqlite:///FILE or postgresql://USER@HOST/DATABASE, as SQLAlchemy reads it
    name : name of the sweep

    Raises
    ------
    ParamsError : another process runs the sweep, or the driver of the database is not installed
    WorkerError : the file is damaged, or the server does not answer
    """
    address = sa.make_url(url)
    is_server = address.get_backend_name() == "postgresql"
    place = f"storage {address.render_as_string(hide_password=True)}" if is_server else str(address.database)
    try:
        storage = _opened(url, place, is_server=is_server)
        try:
            with _alone(storage, name, place) if is_server else nullcontext():
                yield SweepStorage(storage, name)
        finally:
            storage.remove_session()
            storage.engine.dispose()  # a pooled connection would keep the lock
    except (sa.exc.SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = first_line(getattr(cause, "orig", None) or error)
        if is_server:
            cure = "start the server or correct `storage`, and use --resume if the sweep had started"
        else:
            cure = "restore the file from a copy and use --resume, or remove it and start again"
        message = f"{place}: trials cannot be read or written ({reason}); {cure}"
        raise WorkerError(message) from error


def _opened(url: str, place: str, *, is_server: bool) -> RDBStorage:
    options: dict[str, Any] = {"connect_timeout": _TIMEOUT_S} if is_server else {}
    try:
        return RDBStorage(url, engine_kwargs={"connect_args": options, "pool_pre_ping": is_server})
    except ImportError as error:
        message = f"{place}: the driver of the database is not installed; run `pip install 'demsr[postgres]'`"
        raise ParamsError(message) from error


@contextmanager
def _alone(storage: RDBStorage, name: str, place: str) -> Iterator[None]:
    """Hold a lock in the database, which it releases when this process ends or its machine is lost."""
    with storage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(sa.func.hashtext(name)))):
            message = f"{place}: another process runs the sweep {name}; wait for its end or stop it"
            raise ParamsError(message)
        yield
