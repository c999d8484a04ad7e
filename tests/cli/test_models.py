from pathlib import Path

import pytest
import torch
from command_line import refused
from pair_files import make_pairs
from typer.testing import CliRunner

from demsr.cli import app
from demsr.errors import TrackingError
from demsr.model.checkpoint import save_model
from demsr.model.srnet import DemSrNet
from demsr.runtime.files import write_json
from demsr.tracking.registry import list_versions
from demsr.tracking.store import connect

TRAINING = {"stage": "pretrain", "profile": "sample", "seed": 0, "params": {}}


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


@pytest.fixture
def pulled(store, params_yaml) -> Path:
    """A project with models and results, as after `dvc pull`, and an empty store."""
    row = {"rmse_m": 3.5, "gain_percent": 12.0}
    write_json(store / "results/evaluate/scores.json", {"land_3arcsec": {"pretrained": row, "finetuned": row}})
    for seed, (kind, stage, domain) in enumerate(
        (("pretrained", "pretrain", "land"), ("finetuned", "finetune", "marine"))
    ):
        torch.manual_seed(seed)
        save_model(DemSrNet(1, 4), store / "models" / kind, training=TRAINING)
        (store / "results" / stage).mkdir()
        (store / "results" / stage / "curves.csv").write_text("epoch,train_loss,valid_rmse_m\n1,0.5,4.5\n")
        (store / "data/pairs" / domain).mkdir(parents=True)
        make_pairs(store / "data/pairs" / domain / "test.h5", count=2, domain=domain)
    return store


def test_models_of_an_up_to_date_project_reach_a_new_server_by_the_command_that_the_listing_names(
    pulled, demsr, monkeypatch
):
    assert "or if it is up to date, `demsr models --restore`" in demsr("models").out
    demsr("models", "--restore")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{pulled / 'server' / 'mlflow.db'}")
    restored = demsr("models", "--restore")
    assert restored.status == 0
    assert [(version.name, version.version) for version in list_versions(connect())] == [
        ("dem-srnet-finetuned", 1),
        ("dem-srnet-pretrained", 1),
    ]
    assert restored.out.count("dem-srnet-") == 2


def test_a_person_promotes_and_rolls_back_and_the_listing_tells_it(pulled, demsr, monkeypatch):
    monkeypatch.setenv("USER", "alice")
    name = "dem-srnet-pretrained"
    demsr("models", "--restore")
    torch.manual_seed(7)
    save_model(DemSrNet(1, 4), pulled / "models/pretrained", training=TRAINING)
    demsr("models", "--restore")
    promoted = demsr("models", "promote", name, 2, "--reason", "no seams").out
    assert promoted == f"models:/{name}@champion is version 2; it was version 1\n"
    listed = " ".join(demsr("models").out.split())
    assert "promoted by hand: no seams (20" in listed
    assert ", alice)" in listed
    assert demsr("models", "rollback", name).out == f"models:/{name}@champion is version 1; it was version 2\n"
    assert "rolled back to version 1: no reason given" in " ".join(demsr("models").out.split())
    again = demsr("models", "rollback", name)
    assert refused(again, start=f"{name}: no earlier champion", way_out=f"demsr models promote {name} VERSION")


def test_options_of_the_listing_are_refused_with_a_subcommand(demsr):
    done = demsr("models", "--restore", "rollback", "dem-srnet-pretrained")
    assert refused(done, start="models: --restore and --links go with the listing", way_out="without rollback")


def test_two_models_are_compared_on_the_test_pairs_of_the_project(pulled, demsr):
    done = demsr("models", "compare", "models/pretrained", "builtin", "--picture", "both.png")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[:3] == ["A: models/pretrained", "B: builtin", "land"]
    assert sum(line.startswith("area 0 ") for line in lines) == 2
    assert (pulled / "both.png").read_bytes().startswith(b"\x89PNG")
