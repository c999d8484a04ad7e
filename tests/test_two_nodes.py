"""Training and search on two Ray nodes in different folders, which share the S3 store and the MLflow server only."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
import rasterio
import sqlalchemy as sa
from mlflow import MlflowClient
from mortal_pairs import net_and_data
from pair_files import make_pairs
from ray_nodes import two_nodes
from sweep_project import make_project
from synthetic import rough, write_raw
from tracking_server import PASSWORDS, tracking_server

pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[sweep]'` installs it")

import torch
from ray._raylet import Config

from demsr.cli.sweep_config import read_plan
from demsr.inference.files import super_resolve_file
from demsr.search.nodes import TrialResources
from demsr.search.storage import open_storage
from demsr.search.sweep import run_sweep
from demsr.search.trial_log import TrialLog
from demsr.tracking.store import EXPERIMENT
from demsr.training.fit import fit
from demsr.training.ray_train import fit_on_ray
from demsr.training.stage import TrainingStage, run_training

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of Ray, about files and sockets of its own
whole = pytest.mark.skipif(
    "DEMSR_TEST_TWO_NODES" not in os.environ, reason="takes three minutes; `make test-nodes` runs it, with its servers"
)
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "demsr",
    "AWS_SECRET_ACCESS_KEY": PASSWORDS["AWS_SECRET_ACCESS_KEY"],
    "AWS_DEFAULT_REGION": "us-east-1",
}
OPTIONS = {"max_epochs": 4, "patience": 6, "learning_rate": 3e-3, "learning_rate_decay": 0.9}


@pytest.fixture(scope="module")
def project(root, empty_store, tmp_path_factory) -> Path:
    """A project that the second node cannot see."""
    return make_project(tmp_path_factory.mktemp("driver") / "project", root, empty_store)


@pytest.fixture(scope="module")
def s3() -> dict[str, str]:
    """Variables by which programs reach the S3 store."""
    address = {"AWS_ENDPOINT_URL": os.environ["DEMSR_TEST_S3"]} if "DEMSR_TEST_S3" in os.environ else {}
    return CREDENTIALS | address


@pytest.fixture(scope="module")
def nodes(root, project, s3, tmp_path_factory) -> Iterator[Path]:
    """Folder with the caches of two nodes, to which this process has access as the recipe says."""
    folder = tmp_path_factory.mktemp("nodes")
    with two_nodes(root, folder, project, s3) as exported, pytest.MonkeyPatch.context() as patch:
        for name, value in (exported | s3).items():
            patch.setenv(name, value)
        patch.setenv("DVC_ROOT", str(project))
        patch.setenv("DEMSR_CACHE", str(folder / "cache-1"))
        patch.chdir(project)
        Config.initialize("")  # Ray reads RAY_AUTH_MODE when it is imported, and here again
        yield folder
    Config.initialize("")


CONNECT = "import os; from demsr.runtime.ray_cluster import *; ray_connection(os.environ['RAY_ADDRESS']).__enter__()"


def test_a_client_without_the_token_learns_what_is_missing(nodes):
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    command = [sys.executable, "-c", CONNECT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert "its head requires a token, RAY_AUTH_MODE is not set" in done.stderr


@whole
def test_two_workers_of_which_one_is_killed_train_as_one_process_does(nodes, tmp_path):
    make_pairs(tmp_path / "train.h5", count=6)
    make_pairs(tmp_path / "valid.h5", count=2, seed=2)
    one, data = net_and_data(tmp_path)
    expected = fit(one, data, work_dir=tmp_path / "one", devices=1, **OPTIONS)
    two, _ = net_and_data(tmp_path)
    seen: list[float] = []
    result = fit_on_ray(
        two,
        partial(net_and_data, tmp_path, mortal=True),
        name="two",
        storage=str(tmp_path / "storage"),
        devices=2,
        on_epoch=lambda row: seen.append(row["epoch"]),
        **OPTIONS,
    )
    assert (tmp_path / "killed").exists()
    assert sorted(set(seen)) == [1, 2, 3, 4]
    assert result.resumed_from_epoch in (
        1,
        2,
    )  # Ray may not have known of the second epoch yet, which ended just before
    for name in ("train_loss", "valid_rmse_m"):
        curves = [[row[name] for row in curve] for curve in (result.curves, expected.curves)]
        assert curves[0] == pytest.approx(curves[1], rel=1e-4)
    for found, wanted in zip(two.state_dict().values(), one.state_dict().values(), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-3)


def push(project: Path, endpoint: str) -> None:
    """Put pairs and pretrained model of the project under DVC, and push them to the S3 store."""
    from dvc.repo import Repo

    (project / "dvc.yaml").unlink()  # whose stages have never run here
    Repo.init(str(project), no_scm=True).close()
    remote = f"['remote \"team\"']\n    url = s3://dvc\n    endpointurl = {endpoint}\n"
    (project / ".dvc/config").write_text(f"[core]\n    no_scm = true\n    remote = team\n{remote}")
    repo = Repo(str(project))
    repo.add([str(project / name) for name in ("data/pairs/land", "data/pairs/marine", "models/pretrained")])
    assert repo.push()
    repo.close()


@pytest.fixture(scope="module")
def server(services, root, tmp_path_factory) -> Iterator[str]:
    with tracking_server(root, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def database(services) -> Iterator[str]:
    """URL of a new database for the record of a sweep."""
    engine, name = sa.create_engine(os.environ["DEMSR_TEST_POSTGRES"], isolation_level="AUTOCOMMIT"), uuid.uuid4().hex
    with engine.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
        yield engine.url.set(database=name).render_as_string(hide_password=False)
        connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    engine.dispose()


def objects(prefix: str) -> int:
    """Return the number of objects in the bucket of DVC whose names begin so, without marks of empty folders."""
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    found = client.list_objects_v2(Bucket="dvc", Prefix=prefix).get("Contents", [])
    return sum(not entry["Key"].endswith("/") for entry in found)


@whole
def test_nodes_without_the_project_train_and_search_through_s3_and_servers_alone(
    nodes, project, server, database, s3, monkeypatch
):
    push(project, s3["AWS_ENDPOINT_URL"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORDS["MLFLOW_ADMIN_PASSWORD"])
    (project / "products.json").write_text("[]")
    stage = TrainingStage(
        "pretrain",
        "test",
        1,
        OPTIONS | {"batch_size": 2, "workers": 0, "max_epochs": 2, "devices": 2},
        pairs=project / "data/pairs/land",
        products=project / "products.json",
        model=project / "models/net",
        results=project / "results/net",
        work=project / "work/net",
        net_options={"num_blocks": 1, "features": 4},
        backend="ray",
        checkpoints="s3://dvc/checkpoints",
    )
    unused: dict[str, Any] = {"calibrate": lambda *_: None, "examples": lambda *_, **__: []}
    run_training(stage, **unused, draw=lambda path, _: path.write_text("picture"))
    client = MlflowClient(server)
    (run,) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    assert (run.info.status, run.data.tags["train.backend"]) == ("FINISHED", "ray")
    assert [point.step for point in client.get_metric_history(run.info.run_id, "train_loss")] == [1, 2]
    assert objects("checkpoints/") == 0  # removed once the model is there

    overrides = {"storage": database, "trials": 2, "epochs": 1, "halving": None}
    plan = read_plan(Path("sweeps/finetune.yaml"), overrides=overrides)
    run_sweep(plan, TrialResources(max_concurrent=2), address=os.environ["RAY_ADDRESS"])
    with open_storage(plan.storage, plan.name) as storage:
        trials = TrialLog(storage, "trial", plan.space, plan.metric).records()
    assert [trial.state for trial in trials] == ["finished", "finished"]
    assert len({trial.node for trial in trials}) == 2
    fetched = sorted(path.name for path in (nodes / "cache-2/dvc").glob("*/*") if path.name != "lock")
    assert fetched == ["config.json", "train.h5", "train.h5", "valid.h5", "valid.h5", "weights.safetensors"]
    assert not (nodes / "cache-1/dvc").exists()  # the first node sees the project

    scene = write_raw(project / "gebco_scene.tif", np.round(rough(24, 16, level=-3000)).astype(np.int16))
    alone = super_resolve_file(scene, project / "alone.tif", tile_px=8, device="cpu")
    product = super_resolve_file(
        scene,
        project / "product.tif",
        tile_px=8,
        device="cpu",
        ray=os.environ["RAY_ADDRESS"],
        work="s3://dvc/tiles",
    )
    with rasterio.open(alone.target) as one, rasterio.open(product.target) as two:
        assert np.array_equal(one.read(), two.read(), equal_nan=True)
    assert [path.name for path in (nodes / "cache-2/rasters").glob("*/*.tif")] == ["gebco_scene.tif"]
    assert objects("tiles/") == 0
