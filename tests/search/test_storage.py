import os
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from demsr.errors import ParamsError, WorkerError
from demsr.search.space import Space
from demsr.search.storage import open_storage
from demsr.search.trial_log import TrialLog

SPACE = Space.model_validate(
    {
        "stage": "pretrain",
        "subject": "model.num_blocks",
        "search": {"model.num_blocks": {"int": [2, 12]}, "pretrain.loss": {"choice": ["mse", "balanced", None]}},
        "trials": 5,
        "epochs": 1,
        "seed": 5,
        "finalists": {"best": 1, "seeds": [1, 2]},
    }
)
STATE = {"began": {"identity": "abc"}, "finished": False}


@pytest.fixture
def server() -> Iterator[str]:
    """URL of a new database on the server that DEMSR_TEST_POSTGRES names."""
    if not (url := os.environ.get("DEMSR_TEST_POSTGRES")):
        pytest.skip("no server; set DEMSR_TEST_POSTGRES to the URL of a PostgreSQL database, in which tests may write")
    pytest.importorskip("psycopg", reason="psycopg is not installed; `pip install 'demsr[postgres]'` installs it")
    engine, name = sa.create_engine(url, isolation_level="AUTOCOMMIT"), f"demsr_{uuid.uuid4().hex[:12]}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
        yield engine.url.set(database=name).render_as_string(hide_password=False)
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def candidates(url: str, *, reopen: bool) -> list[dict]:
    """Run five trials and return their values; with `reopen`, as a process that is killed after each event."""
    found = []
    for step in range(5):
        with open_storage(url, "depth") as storage:
            log = TrialLog(storage, "trial", SPACE, "rmse")
            for _ in range(1 if reopen else 5 - step):
                record = log.next_trial()
                if reopen:
                    with open_storage(url, "other") as again:
                        assert TrialLog(again, "trial", SPACE, "rmse").records() == []  # of another sweep
                if record is None:
                    break
                log.add_row(record.id, {"epoch": 1, "rmse": abs(record.candidate["model.num_blocks"] - 6) + 1.0})
                log.finish(record.id, "finished")
                found.append(record.candidate)
    return found


def test_a_sweep_has_one_state_which_can_be_cleared(tmp_path):
    with open_storage(f"sqlite:///{tmp_path / 'optuna.db'}", "depth") as storage:
        assert storage.state is None
        storage.store(STATE)
        assert TrialLog(storage, "trial", SPACE, "rmse").next_trial().id == "trial-000"
    with open_storage(f"sqlite:///{tmp_path / 'optuna.db'}", "depth") as storage:
        assert storage.state == STATE
        storage.clear()
        assert storage.state is None
        assert TrialLog(storage, "trial", SPACE, "rmse").records() == []


@pytest.mark.parametrize("damage", [b"no database" * 100, None])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, damage):
    path = tmp_path / "optuna.db"
    with open_storage(f"sqlite:///{path}", "depth") as storage:
        storage.store(STATE)
    content = path.read_bytes()
    path.write_bytes(damage or content[:4096] + b"x" * (len(content) - 4096))  # the first page is whole
    with (
        pytest.raises(WorkerError, match=rf"{path}: trials cannot .*; restore the file from a copy and use"),
        open_storage(f"sqlite:///{path}", "depth") as storage,
    ):
        assert storage.state


def test_a_server_that_does_not_answer_is_named_without_its_password():
    pytest.importorskip("psycopg", reason="psycopg is not installed; `pip install 'demsr[postgres]'` installs it")
    with (
        pytest.raises(WorkerError, match=r"storage postgresql://me:\*\*\*@127.0.0.1:9/x: .*refused.*; start the"),
        open_storage("postgresql://me:secret@127.0.0.1:9/x", "depth"),
    ):
        pass


def test_a_driver_that_is_not_installed_is_named():
    with (
        pytest.raises(ParamsError, match=r"the driver of the database is not installed; run `pip install"),
        open_storage("postgresql+pg8000://me@127.0.0.1:9/x", "depth"),
    ):
        pass


def test_on_postgresql_a_sweep_resumes_after_each_event_as_on_a_file_and_one_process_runs_it(server, tmp_path):
    on_file = candidates(f"sqlite:///{tmp_path / 'optuna.db'}", reopen=False)
    assert len(on_file) == 5
    assert candidates(server, reopen=True) == on_file
    with (
        open_storage(server, "depth"),
        pytest.raises(ParamsError, match="another process runs the sweep depth; wait for its end"),
        open_storage(server, "depth"),
    ):
        pass
    with open_storage(server, "depth") as storage:  # the lock is free again
        storage.store(STATE)
        storage.clear()
        assert storage.state is None
