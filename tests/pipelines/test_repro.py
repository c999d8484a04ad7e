"""The whole pipeline as a user runs it, in a copy of the project, with a net that trains in a second."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from clones import STAGES, Project, copy_of
from ruamel.yaml import YAML


@pytest.fixture(scope="module")
def reproduced(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A copy of the tracked files after its first `dvc repro`, and what that printed."""
    folder = tmp_path_factory.mktemp("clone") / "demsr"
    project = copy_of(root, folder)
    project.set_params(
        model__num_blocks=1,
        model__features=6,
        pretrain__max_epochs=2,
        finetune__max_epochs=2,
        pretrain__precision="32-true",
    )
    project.commit()
    printed = project.run("dvc", "repro")
    project.commit()
    return project, printed


def test_the_closing_table_shows_baselines_models_and_what_was_registered(reproduced):
    _, printed = reproduced
    closing = printed[printed.index("land 3arcsec") :]
    for row in ("bicubic", "back projected bicubic", "linear 7x7", "pretrained", "finetuned"):
        assert row in closing
    assert "marine 3arcsec synthetic" in closing
    assert "dem-srnet-finetuned version 1 is" in closing
    assert "make ui" in closing


def test_a_second_run_does_nothing(reproduced):
    project, _ = reproduced
    assert "Data and pipelines are up to date" in project.run_fork("dvc", "repro")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # A dry run cannot know what the outputs will be, so it lists the stages that the change itself touches.
        ({"register__max_loss_percent": 0.7}, ["register"]),
        ({"evaluate__batch_size": 8}, ["evaluate"]),
        ({"finetune__learning_rate": 0.002}, ["finetune"]),
        ({"model__residual_scale": 0.2}, ["pretrain"]),
        ({"pairs__gap_lr": 3}, ["pairs"]),
        ({"base__seed": 1}, ["fetch", "pairs", "pretrain", "finetune", "register"]),
    ],
)
def test_a_changed_parameter_reruns_only_what_depends_on_it(reproduced, change, expected):
    project, _ = reproduced
    before = (project.folder / "params.yaml").read_text()
    try:
        project.set_params(**change)
        assert project.stages_to_run() == expected
    finally:
        (project.folder / "params.yaml").write_text(before)


def test_runs_carry_the_md5_of_dvc_lock(reproduced):
    from mlflow import MlflowClient

    project, _ = reproduced
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("dem-srnet").experiment_id])
    stages = {run.data.tags["stage"]: run for run in runs}
    assert set(stages) == {"pairs", "pretrain", "finetune", "evaluate"}
    assert all(run.info.status == "FINISHED" for run in runs)
    lock = YAML(typ="safe").load((project.folder / "dvc.lock").read_text())
    recorded = {dep["path"]: dep["md5"] for dep in lock["stages"]["pretrain"]["deps"]}
    logged = {entry.dataset.name: entry.dataset.digest for entry in stages["pretrain"].inputs.dataset_inputs}
    assert logged == {path: md5 for path, md5 in recorded.items() if path.endswith(".h5")}
    assert stages["pretrain"].data.tags["dvc.stage"] == "pretrain"
    assert "valid_rmse_m" in stages["pretrain"].data.metrics


def test_an_experiment_of_dvc_does_not_register_its_models(reproduced):
    project, _ = reproduced
    outcomes = project.folder / "results" / "register" / "outcomes.json"
    registered = outcomes.read_bytes()
    try:
        project.env["DVC_EXP_NAME"] = "dusky-taka"
        said = project.run_fork("pipelines/register.py")
        assert json.loads(outcomes.read_text()) == []
    finally:
        del project.env["DVC_EXP_NAME"]
        outcomes.write_bytes(registered)
    assert "experiment dusky-taka are not registered" in " ".join(said.split())
    assert len(json.loads(registered)) == 2


def test_a_fresh_clone_runs_every_stage(reproduced, tmp_path):
    project, _ = reproduced
    project.run("git", "clone", "-q", str(project.folder), str(tmp_path / "fresh"))
    status = json.loads(Project(tmp_path / "fresh").run_fork("dvc", "status", "--json"))
    missing = {
        stage: change["changed outs"]
        for stage, changes in status.items()
        for change in changes
        if "changed outs" in change
    }
    assert set(missing) == set(STAGES)  # each lacks an output, so each runs


def test_pull_brings_everything_into_a_second_clone_where_repro_does_nothing(reproduced, tmp_path):
    project, _ = reproduced
    project.run_fork("dvc", "remote", "add", "-f", "-d", "local", str(tmp_path / "remote"))
    project.run_fork("dvc", "push")
    project.run("git", "clone", "-q", str(project.folder), str(tmp_path / "second"))
    second = Project(tmp_path / "second")
    second.run_fork("dvc", "remote", "add", "-f", "-d", "local", str(tmp_path / "remote"))
    second.run_fork("dvc", "pull")
    for name in ("data/pairs/land/train.h5", "models/finetuned/weights.safetensors"):
        assert (second.folder / name).read_bytes() == (project.folder / name).read_bytes()
    assert "Data and pipelines are up to date" in second.run_fork("dvc", "repro")
    restored = second.run("demsr", "models", "--restore")  # the store did not travel, the files did
    assert "dem-srnet-finetuned" in restored
    assert second.run("demsr", "models", "--restore") == restored


def test_the_pulled_model_super_resolves_a_raster_from_the_command_line(reproduced, tmp_path):
    import rasterio

    project, _ = reproduced
    source = project.folder / "data" / "harmonised" / "land" / "jacksboro.tif"
    said = project.run("demsr", "super-resolve", str(source), str(tmp_path / "fine.tif"))
    assert "1720 x 2015 pixels, datum EGM96" in said
    with rasterio.open(source) as lr, rasterio.open(tmp_path / "fine.tif") as sr:
        assert sr.bounds == pytest.approx(lr.bounds, abs=1e-9)
    again = project.run_fork("demsr", "super-resolve", str(source), str(tmp_path / "fine.tif"), expect=1)
    assert "exists already" in again


def test_a_served_model_answers_metres_with_metres(reproduced):
    project, _ = reproduced
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["mlflow", "models", "serve", "-m", "models:/dem-srnet-finetuned@champion", "--env-manager", "local"]
    env = project.env | {"MLFLOW_TRACKING_URI": f"sqlite:///{project.folder / 'mlflow.db'}"}
    with (project.folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)], cwd=project.folder, env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:
        plane = [[100.0 + 10 * row for _ in range(3)] for row in range(4)]
        answer = json.loads(_post(f"http://127.0.0.1:{port}/invocations", {"inputs": [[plane]]}))
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    ((image,),) = answer["predictions"]
    assert len(image) == 20
    assert [row[7] for row in image] == pytest.approx([100 + 2 * (row - 2) for row in range(20)], abs=2e-3)


def _post(url: str, body: object) -> bytes:
    """Post JSON as soon as the server is up."""
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    deadline = time.monotonic() + 120
    while True:
        try:
            with urlopen(request, timeout=60) as response:
                return response.read()
        except URLError:
            assert time.monotonic() < deadline
            time.sleep(0.3)


def test_a_killed_training_goes_on_in_the_same_run(reproduced, tmp_path):
    from mlflow import MlflowClient

    project, _ = reproduced
    before = (project.folder / "params.yaml").read_text()
    try:
        project.set_params(pretrain__max_epochs=6, pretrain__patience=6, pretrain__learning_rate=0.0007)
        training = project.start_fork("pipelines/pretrain.py")
        deadline = time.monotonic() + 120
        while not list((project.folder / "work" / "pretrain").glob("*/last-epoch=*")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        training.kill()
        training.join()
        assert training.exitcode == -signal.SIGKILL
        project.run_fork("pipelines/pretrain.py")
    finally:
        (project.folder / "params.yaml").write_text(before)
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    (run,) = client.search_runs(
        [client.get_experiment_by_name("dem-srnet").experiment_id], "params.`pretrain.learning_rate` = '0.0007'"
    )
    assert run.info.status == "FINISHED"
    assert run.data.metrics["resumed_from_epoch"] >= 1
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "train_loss")]
    assert sorted(steps) == list(range(1, 7))
    assert not list((project.folder / "work" / "pretrain").iterdir())
    assert json.loads((project.folder / "results" / "pretrain" / "metrics.json").read_text())["epochs"] == 6


def test_a_wrong_parameter_ends_with_one_line_and_no_traceback(reproduced):
    project, _ = reproduced
    before = (project.folder / "params.yaml").read_text()
    try:
        project.set_params(pretrain__learning_rate="fast")
        said = project.run_fork("pipelines/pretrain.py", expect=1)
    finally:
        (project.folder / "params.yaml").write_text(before)
    assert said.splitlines()[-1].startswith("error: pretrain: params.yaml: pretrain.learning_rate is 'fast'")
    assert "Traceback" not in said
