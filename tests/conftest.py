import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("DVC_NO_ANALYTICS", "1")
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # read when ray is imported: its clusters listen on loopback
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # child processes compile the library once, not each time
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ  # one of several processes that run the tests
if IS_WORKER:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes share the cores; their child processes inherit it

SETTINGS = ("DEMSR_", "DVC_", "LOCAL_RANK", "MLFLOW_TRACKING_", "RAY_AUTH_MODE")
"""Beginnings of the variables that no test leaves to the next."""
ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("DEMSR_TEST_POSTGRES", "DEMSR_TEST_S3")
"""Variables that tests/services.sh sets."""
LONGEST = (
    "test_two_nodes.py",
    "pipelines/test_repro.py",
    "test_install.py",
    "pipelines/test_paper.py",
    "search/test_sweep.py",
    "pairs/test_fit_degradation.py",
    "sources/test_shared_files.py",
    "training/test_fit.py",
    "test_properties.py",
    "cli/test_rasters.py",
)
"""Test files that take more than twenty seconds of one core, the longest first."""


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with development data, which is not part of the project."""
    if os.environ.get("DEMSR_TEST_SHARED") == "0":
        pytest.skip("DEMSR_TEST_SHARED=0 leaves out the tests that read the development data")
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the development data in {folder}")
    return folder


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Fill a folder once for all processes that run the tests; tests copy what they change."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if IS_WORKER else base

    def folder_of(name: str, make: Callable[[Path], None]) -> Path:
        folder, unfinished = base / name, base / f"{name}.unfinished"
        with FileLock(base / f"{name}.lock"):
            if not folder.is_dir():
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return folder_of


@pytest.fixture(scope="session")
def empty_store(made_once) -> Path:
    """An embedded store that has been through MLflow's migrations, which take seconds."""
    from demsr.tracking import store

    return made_once("store", lambda folder: store._make_embedded_store(folder / "mlflow.db")) / "mlflow.db"


def project_settings() -> dict[str, str]:
    """Return the variables that tell the library and MLflow where and how to work."""
    return {name: value for name, value in os.environ.items() if name.startswith(SETTINGS)}


@pytest.fixture(autouse=True)
def undo_settings() -> Iterator[None]:
    """Let no test find settings that one before it has left, such as the store to which `connect` sets MLflow."""
    before, folder = project_settings(), Path.cwd()
    yield
    os.chdir(folder)
    if (mlflow := sys.modules.get("mlflow")) and mlflow.is_tracking_uri_set():
        mlflow.set_tracking_uri(None)
    for name in project_settings().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of one's own with an empty store, also the current folder."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def services() -> None:
    """The servers of tests/services.sh, which run already."""
    if missing := [name for name in SERVICES if name not in os.environ]:
        pytest.skip(f"needs {' and '.join(missing)}; tests/services.sh COMMAND starts the servers and sets both")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a skipped test of the services fail where they are required, as in .ci/run."""
    report = yield
    if report.skipped and item.get_closest_marker("services") and "DEMSR_TEST_SERVICES_REQUIRED" in os.environ:
        report.outcome, report.longrepr = (
            "failed",
            f"skipped, but DEMSR_TEST_SERVICES_REQUIRED is set: {report.longrepr}",
        )
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that the processes end together."""
    if gone := [name for name in LONGEST if not (ROOT / "tests" / name).is_file()]:
        message = f"tests/conftest.py: LONGEST names {', '.join(gone)}, which do not exist; correct the list"
        raise pytest.UsageError(message)
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(str(item.path.relative_to(ROOT / "tests")), len(order)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests have recorded."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
