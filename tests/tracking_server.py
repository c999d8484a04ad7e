"""The tracking server of compose.yaml without containers, on the servers of tests/services.sh."""

import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml

PASSWORDS = {
    "POSTGRES_PASSWORD": "secret-of-postgres",
    "AWS_SECRET_ACCESS_KEY": "secret-of-s3",
    "MLFLOW_ADMIN_PASSWORD": "secret-of-the-admin",
    "MLFLOW_SECRET_KEY": "0123456789abcdef",
}
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def compose(root: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Read compose.yaml with the variables of an environment; KeyError with the message of one that is required."""

    def value(found: re.Match[str]) -> str:
        name, operator, text = found.groups()
        if name not in environment and operator != "-":
            raise KeyError(name, text)
        return environment.get(name, text)

    text = (root / "compose.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(_VARIABLE.sub(value, text))


@contextmanager
def tracking_server(root: Path, folder: Path) -> Iterator[str]:
    """Run the services `buckets` and `mlflow` as processes of this machine; yield the address of the server."""
    import sqlalchemy

    database, port = f"mlflow_{uuid.uuid4().hex}", _free_port()
    engine = sqlalchemy.create_engine(os.environ["DEMSR_TEST_POSTGRES"], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {database}"))
    engine.dispose()
    moved = {
        "http://s3:8333": os.environ["DEMSR_TEST_S3"],
        "mlflow:secret-of-postgres@postgres/mlflow": f"{engine.url.username}@127.0.0.1:{engine.url.port}/{database}",
        "/auth.ini": str(folder / "auth.ini"),
        "0.0.0.0": "127.0.0.1",
        "5000": str(port),
    }
    file = compose(root, PASSWORDS)
    (folder / "auth.ini").write_text(_replaced(file["configs"]["auth"]["content"], moved))
    subprocess.run(**_service(file, "buckets", moved), check=True, timeout=60)
    service = _service(file, "mlflow", moved)
    service["args"] += ["--workers", "1"]
    with (folder / "server.log").open("w") as log, subprocess.Popen(**service, stdout=log, stderr=log) as server:
        try:
            _wait(f"http://127.0.0.1:{port}", server, folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _service(file: dict[str, Any], name: str, moved: dict[str, str]) -> dict[str, Any]:
    """Return the arguments that make `subprocess` run the command of a service with its environment."""
    service = file["services"][name]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW_"))}
    own = {name: _replaced(str(value), moved) for name, value in service["environment"].items()}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"args": [_replaced(word, moved) for word in service["command"]], "env": inherited | own | {"PATH": path}}


def _replaced(text: str, moved: dict[str, str]) -> str:
    for old, new in moved.items():
        text = text.replace(old, new)
    return text


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 600
    while time.monotonic() < end:
        try:
            with urlopen(f"{address}/health", timeout=5):
                return
        except (URLError, OSError):
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
