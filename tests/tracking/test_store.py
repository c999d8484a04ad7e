import socket
import sqlite3
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from demsr.errors import TrackingError
from demsr.tracking.store import connect, experiment_id, tracking_uri, ui_links

THREE = """
import os
from demsr.tracking.store import connect, experiment_id
from mlflow.store.tracking import sqlalchemy_store  # once for all

children = []
for _ in range(3):
    if child := os.fork():
        children.append(child)
        continue
    try:
        experiment_id(connect())
    except BaseException as error:
        print(type(error), error, flush=True)
        os._exit(1)
    os._exit(0)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_the_embedded_store_lies_in_the_project_whatever_the_current_folder(store, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert tracking_uri() == f"sqlite:///{store / 'mlflow.db'}"


def test_many_processes_make_one_whole_store(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    command = [sys.executable, "-c", THREE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=200)
    assert done.stdout == "[0, 0, 0]\n"
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        names = [row[0] for row in database.execute("SELECT name FROM experiments ORDER BY experiment_id")]
    assert names == ["Default", "dem-srnet"]


def test_who_only_reads_makes_no_store(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(
        TrackingError, match="mlflow.db: no MLflow store; run `dvc repro` .* or `demsr models --restore`"
    ):
        connect(create=False)
    assert not list(tmp_path.iterdir())


def test_links_open_the_training_view_of_each_experiment_and_the_registry(store):
    sweep = experiment_id(connect(), "dem-srnet-resblocks")
    experiment_id(connect(), "something else")
    links = ui_links("http://127.0.0.1:5000/")
    pipeline = experiment_id(connect())
    assert links == {
        "experiment dem-srnet": f"http://127.0.0.1:5000/#/experiments/{pipeline}?workflowType=machine_learning",
        "experiment dem-srnet-resblocks": f"http://127.0.0.1:5000/#/experiments/{sweep}?workflowType=machine_learning",
        "registered models": "http://127.0.0.1:5000/#/models",
    }


def test_artifacts_lie_beside_the_store(store):
    client = connect()
    experiment = client.get_experiment(experiment_id(client))
    assert experiment.artifact_location == (store / "mlartifacts" / "dem-srnet").as_uri()


class _Refusing(BaseHTTPRequestHandler):
    """Server that is healthy and knows nobody, as MLflow's with basic-auth."""

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def _answer(self):
        self.send_response(200 if self.path == "/health" else 401)
        self.end_headers()
        self.wfile.write(b"You are not authenticated.")

    def log_message(self, *_):
        pass


def test_a_server_that_refuses_the_user_asks_for_credentials(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        try:
            with pytest.raises(
                TrackingError, match="refuses the request .*You are not authenticated.*set MLFLOW_TRACKING_USERNAME"
            ) as raised:
                connect()
        finally:
            server.shutdown()
    assert "is up" not in str(raised.value)


def test_a_password_in_the_address_is_not_printed(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:secret@127.0.0.1:{server.server_port}")
        try:
            with pytest.raises(TrackingError, match="the server refuses the request") as raised:
                connect()
        finally:
            server.shutdown()
    assert f"MLFLOW_TRACKING_URI=http://ann:***@127.0.0.1:{server.server_port}: " in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_server_that_is_down_is_named_at_once(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with pytest.raises(TrackingError, match=f"127.0.0.1:{port}: no MLflow server answers"):
        connect()
