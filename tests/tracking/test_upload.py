import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric
from tracking_server import PASSWORDS, tracking_server

from demsr.errors import TrackingError
from demsr.model.checkpoint import read_config, save_model
from demsr.model.srnet import DemSrNet
from demsr.tracking import upload
from demsr.tracking.registry import download
from demsr.tracking.runs import InputData, tracked_run
from demsr.tracking.store import connect, experiment_id
from demsr.tracking.upload import COPIED_FROM_TAG, upload_store

NAME = "dem-srnet-test"


@pytest.fixture(scope="module")
def server(services, root, tmp_path_factory) -> Iterator[str]:
    with tracking_server(root, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def user(server, monkeypatch) -> MlflowClient:
    """A client of the server, whose address and password are in the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORDS["MLFLOW_ADMIN_PASSWORD"])
    return MlflowClient(server)


@pytest.fixture
def laptop(store, monkeypatch) -> Path:
    """A store with a sweep of one trial, a training that still runs, and versions 1 and 3 of a model."""
    options = {"profile": "test", "seed": 1, "params": {"net": {"num_blocks": 2}}}
    (store / "pairs.h5").write_bytes(b"pairs")
    (store / "curve.png").write_bytes(b"picture")
    inputs = [InputData(Path("pairs.h5"), "training")]
    client = connect()
    with tracked_run("sweep", stage="sweep", **options, inputs=[], experiment="dem-srnet-depth") as sweep:
        where = experiment_id(client, "dem-srnet-depth")
        trial = client.create_run(where, tags={"mlflow.parentRunId": sweep.id}, run_name="trial").info.run_id
        client.set_terminated(trial, "FAILED")
    with tracked_run("pretrain", stage="pretrain", **options, inputs=inputs) as run:
        for epoch, loss in enumerate([0.5, math.nan, 1e-300], start=1):
            run.log_epoch({"epoch": epoch, "train_loss": loss, "learning_rate": 0.1})
        run.log_file(store / "curve.png", "figures")
    for seed in range(3):
        add_version(store, run.id, seed)
    client.delete_model_version(NAME, "2")
    client.set_registered_model_alias(NAME, "champion", "3")
    client.set_registered_model_alias(NAME, "challenger", "1")
    client.create_run(experiment_id(client), run_name="still training")
    return store


def add_version(store: Path, run: str, seed: int) -> None:
    """Log a model with its metric to a run and register it, without the copy of the library that a version has."""
    torch.manual_seed(seed)
    client, folder = connect(), store / f"version {seed}"
    save_model(DemSrNet(1, 4), folder / "artifacts" / "net", training={})
    model = client.create_logged_model(experiment_id(client), "net", run, params={"seed": str(seed)})
    (folder / "MLmodel").write_text(
        f"artifact_path: {model.artifact_location}\nrun_id: {run}\nmodel_id: {model.model_id}\n"
    )
    client.log_model_artifacts(model.model_id, str(folder))
    client.log_batch(run, [Metric("rmse_m", 2.5 + seed, 1000, 0, model.model_id)])
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(model.model_id, 0)])
    if seed == 0:
        client.create_registered_model(NAME, {"domain": "land"}, "Net for land")
    sha256 = read_config(folder / "artifacts" / "net").weights_sha256
    options = {"tags": {"weights_sha256": sha256}, "description": f"version of {run}", "model_id": model.model_id}
    client.create_model_version(NAME, f"models:/{model.model_id}", run, **options)


@pytest.mark.services
def test_a_store_is_on_the_server_after_one_upload_and_a_second_adds_what_is_new(laptop, server, user, monkeypatch):
    here = connect()
    runs = {
        run.info.run_name: run
        for run in here.search_runs([experiment_id(here), experiment_id(here, "dem-srnet-depth")])
    }
    old_models = {model.model_id: model for model in here.search_logged_models([experiment_id(here)])}
    old_champion = here.get_model_version_by_alias(NAME, "champion")
    shutil.copy(laptop / "mlflow.db", laptop / "copy.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)

    with monkeypatch.context() as broken, pytest.raises(TrackingError, match="upload again to continue"):
        broken.setattr(upload, "_upload", fails_at(5))  # three models and one run are complete, or begun
        upload_store(laptop / "mlflow.db")
    done = upload_store(laptop / "mlflow.db")
    assert (done.runs + done.models + done.versions, done.present) == (3 + 3 + 2 - 4, 4)
    assert done.metric_values == 6 + 3 + 3  # three epochs of two metrics, and the metric of each model in both places
    assert (done.files, done.unfinished) == (1 + 3 * 3, ["still training"])
    assert (done.renumbered, done.kept_aliases) == ({}, {})

    where = [experiment_id(user), experiment_id(user, "dem-srnet-depth")]
    copies = {run.info.run_name: run for run in user.search_runs(where)}
    assert copies.keys() == {"sweep", "trial", "pretrain"}
    old, new = runs["pretrain"], copies["pretrain"]
    assert new.data.tags[COPIED_FROM_TAG] == old.info.run_id != new.info.run_id
    assert copies["trial"].data.tags["mlflow.parentRunId"] == copies["sweep"].info.run_id
    assert [(run.info.status, run.info.start_time, run.info.end_time) for run in (new, copies["trial"])] == [
        (run.info.status, run.info.start_time, run.info.end_time) for run in (old, runs["trial"])
    ]
    assert new.data.params == old.data.params == {"seed": "1", "profile": "test", "net.num_blocks": "2"}
    assert old.data.tags.items() <= new.data.tags.items()
    history = user.get_metric_history(new.info.run_id, "train_loss")
    assert [(value.step, repr(value.value)) for value in history] == [(1, "0.5"), (2, "nan"), (3, "1e-300")]
    (data,) = new.inputs.dataset_inputs
    assert (data.dataset.digest, data.tags[0].value) == (old.inputs.dataset_inputs[0].dataset.digest, "training")
    assert [file.path for file in user.list_artifacts(new.info.run_id, "figures")] == ["figures/curve.png"]

    champion = user.get_model_version_by_alias(NAME, "champion")
    assert sorted(int(one.version) for one in user.search_model_versions(f"name = '{NAME}'")) == [1, 3]
    aliases = user.get_registered_model(NAME).aliases
    assert {alias: int(number) for alias, number in aliases.items()} == {"champion": 3, "challenger": 1}
    assert (user.get_registered_model(NAME).description, champion.run_id) == ("Net for land", new.info.run_id)
    assert old_champion.tags.items() <= champion.tags.items()
    model = user.get_logged_model(champion.source.removeprefix("models:/"))
    old_model = old_models[model.tags[COPIED_FROM_TAG]]
    assert old_champion.source == f"models:/{old_model.model_id}"
    assert (model.source_run_id, model.params) == (new.info.run_id, old_model.params)
    assert [(metric.key, metric.value) for metric in model.metrics] == [("rmse_m", 4.5)]
    assert model.model_id in {output.model_id for output in new.outputs.model_outputs}
    folder = download(f"models:/{NAME}@champion")
    assert read_config(folder).weights_sha256 == champion.tags["weights_sha256"]
    description = (folder.parent.parent / "MLmodel").read_text().splitlines()
    assert description == [
        f"artifact_path: {model.artifact_location}", f"run_id: {new.info.run_id}", f"model_id: {model.model_id}"
    ]  # fmt: skip

    assert upload_store(laptop / "mlflow.db").present == 3 + 3 + 2
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    add_version(laptop, old.info.run_id, 3)
    connect().set_registered_model_alias(NAME, "champion", "4")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    done = upload_store(laptop / "mlflow.db")
    assert (done.runs, done.models, done.versions, done.present) == (1, 1, 1, 2 + 3 + 2)  # the run has another model
    assert done.kept_aliases == {f"models:/{NAME}@champion": 3}
    assert len(user.search_model_versions(f"name = '{NAME}'")) == 3

    user.log_metric(new.info.run_id, "train_loss", 7.0, step=4)
    with pytest.raises(
        TrackingError, match=f"run {old.info.run_id}: its copy on .* differs in metrics; delete the copy"
    ):
        upload_store(laptop / "mlflow.db")


def fails_at(last: int):
    """Return `upload._upload`, which fails at a call."""
    calls = []

    def fails(folder, location):
        calls.append(location)
        if len(calls) == last:
            message = "the server is down"
            raise upload.MlflowException(message)
        UPLOAD(folder, location)

    return fails


UPLOAD = upload._upload


@pytest.mark.services
def test_the_versions_of_a_second_laptop_follow_those_of_the_first(store, server, user, monkeypatch):
    stores = []
    for laptop in ("first", "second"):
        (store / laptop).mkdir()
        shutil.copy(store / "mlflow.db", store / laptop)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store / laptop / 'mlflow.db'}")
        client = connect()
        client.create_registered_model("of two")
        run = client.create_run(experiment_id(client)).info.run_id
        model = client.create_logged_model(experiment_id(client), "net", run)
        client.finalize_logged_model(model.model_id, "READY")
        client.set_terminated(run)
        client.create_model_version("of two", f"models:/{model.model_id}", run, model_id=model.model_id)
        client.set_registered_model_alias("of two", "champion", "1")
        stores.append(store / laptop / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert upload_store(stores[0]).renumbered == {}
    second = upload_store(stores[1])
    assert (second.runs, second.models, second.versions) == (1, 1, 1)
    assert second.renumbered == {"models:/of two/1": 2}
    assert second.kept_aliases == {"models:/of two@champion": 1}


@pytest.mark.services
def test_a_user_without_password_is_told_which_variables_to_set(store, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    with pytest.raises(TrackingError, match="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"):
        upload_store(store / "mlflow.db")


def test_an_upload_without_server_or_store_says_what_to_set(store, monkeypatch):
    with pytest.raises(TrackingError, match=r"MLFLOW_TRACKING_URI: is sqlite:///.*an upload needs a server; set it"):
        upload_store(store / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match=r"nosuch.db: no MLflow store; name its mlflow.db with --store"):
        upload_store(store / "nosuch.db")
