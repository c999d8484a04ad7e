import pytest
from typer.testing import CliRunner

from demsr.cli import app
from demsr.errors import TrackingError


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A current folder outside any project."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_listing_models_outside_a_project_names_the_folder_and_makes_no_store(elsewhere):
    done = CliRunner().invoke(app, ["models"])
    assert done.exit_code == 1
    assert isinstance(done.exception, TrackingError)  # which the command line prints on one line
    assert str(done.exception).startswith(f"{elsewhere / 'mlflow.db'}: no MLflow store; run `dvc repro`")
    assert list(elsewhere.iterdir()) == []


def test_links_come_with_the_models(store):
    done = CliRunner().invoke(app, ["models", "--links", "http://127.0.0.1:5000"])
    assert done.exit_code == 0
    assert "No model is registered yet" in done.stdout
    assert "experiment dem-srnet: http://127.0.0.1:5000/#/experiments/1?workflowType=machine_learning" in done.stdout
