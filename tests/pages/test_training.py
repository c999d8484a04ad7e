import base64
import re

import pytest
import torch
from browser import open_browser
from torch import nn

from demsr.errors import RasterError, TrackingError
from demsr.model.checkpoint import read_config, save_model
from demsr.model.srnet import DemSrNet
from demsr.pages.training import page_of, report_training
from demsr.runtime.files import write_json
from demsr.tracking.runs import tracked_run

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=")
DATA = [{"title": "SRTM <3>", "vertical_datum": "EGM96", "licence": "public domain", "files": 2, "sha256": "ab" * 32}]


def saved_model(folder):
    torch.manual_seed(1)
    net = DemSrNet(1, 4)
    nn.init.normal_(net.last.weight, std=0.1)
    training = {"stage": "pretrain", "profile": "test", "seed": 7, "degradations": ["gebco"], "data": DATA}
    return save_model(net, folder, training=training)


@pytest.fixture
def trained(store):
    """A model folder of the project with its run: three epochs and a picture."""
    config = saved_model(store / "models/pretrained")
    (store / "validation.png").write_bytes(PNG)
    given = {"stage": "pretrain", "profile": "test", "seed": 7, "inputs": []}
    with tracked_run("pretrain <test>", params={"model": {"features": 4}}, **given) as run:
        for epoch in (1, 2, 3):
            run.log_epoch({"epoch": epoch, "train_loss": 1 / epoch, "valid_rmse_m": 20.0 - epoch, "learning_rate": 0.1})
        run.log_file(store / "validation.png")
        run.log_weights_sha256(config.weights_sha256)
    return store, run.id


def test_the_page_has_curves_pictures_card_data_and_parameters(trained, tmp_path):
    store, run_id = trained
    folder = store / "models/pretrained"
    written = report_training(str(folder), tmp_path / "a.html")
    assert (written.path, written.summary) == (tmp_path / "a.html", "pretrain <test>")
    text = written.path.read_text()
    assert len(text.encode()) == written.size_bytes
    assert "Run pretrain &lt;test&gt; of 20" in text
    assert run_id in text
    lines = [points.split() for points in re.findall(r'points="([^"]*)"', text)]
    assert [len(points) for points in lines] == [3, 3, 3]
    heights = [float(point.split(",")[1]) for point in lines[1]]
    assert heights == sorted(heights)  # the validation RMSE falls, so it goes down the page
    assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in text
    assert "<dt>LR of its pairs</dt><dd>gebco</dd>" in text
    assert "<dt>stage, profile and seed</dt><dd>pretrain, test, 7</dd>" in text
    assert '<th scope="row">SRTM &lt;3&gt;</th><td>EGM96</td><td>public domain</td>' in text
    assert "<dt>model.features</dt><dd>4</dd>" in text
    by_id = report_training(run_id, tmp_path / "b.html").path.read_text()
    assert "Model card" not in by_id
    assert re.findall(r'points="([^"]*)"', by_id) == [" ".join(points) for points in lines]


def test_errors_stand_beside_the_baselines_if_the_project_has_scored_these_weights(trained, tmp_path):
    store, _ = trained
    folder = str(store / "models/pretrained")
    without = report_training(folder, tmp_path / "a.html").path.read_text()
    assert "Not known: `dvc repro` scores" in without
    methods = {
        name: {"rmse_m": rmse, "gain_percent": gain}
        for name, rmse, gain in [("bicubic", 20.0, 0.0), ("linear_7x7", 18.0, 10.0), ("pretrained", 16.0, 20.0)]
    }
    write_json(store / "results/evaluate/scores.json", {"land_3arcsec": methods})
    text = report_training(folder, tmp_path / "b.html").path.read_text()
    assert '<th scope="row">linear 7 x 7</th><td>18</td><td>10</td>' in text
    assert '<th scope="row">this model</th><td>16</td><td>20</td>' in text
    saved = saved_model(tmp_path / "other")
    assert saved.weights_sha256 == read_config(store / "models/pretrained").weights_sha256


def test_a_model_without_a_run_has_its_card_and_a_run_that_is_not_there_is_named(store, tmp_path):
    saved_model(tmp_path / "model")
    text = report_training(str(tmp_path / "model"), tmp_path / "a.html").path.read_text()
    assert "The store has no run with these weights" in text
    assert "Model card" in text
    with pytest.raises(TrackingError, match=rf"^{'0' * 32}: no such run in the store"):
        report_training("0" * 32, tmp_path / "b.html")
    with pytest.raises(RasterError, match="exists already"):
        report_training(str(tmp_path / "model"), tmp_path / "a.html")


def test_the_page_has_the_name_of_the_training():
    assert page_of("models:/dem-srnet@champion").name == "dem-srnet-champion.html"
    assert page_of("models/a", "0123456789abcdef" * 2).name == "models-a-and-01234567.html"


def test_a_small_screen_has_nothing_beyond_its_edge(trained, tmp_path):
    store, _ = trained
    written = report_training(str(store / "models/pretrained"), tmp_path / "a.html")
    with open_browser(tmp_path / "profile") as browser:
        browser.show(written.path, width=390, scheme="dark")
        assert browser.run("document.documentElement.scrollWidth") == 390
        assert browser.run("[...document.images].every((one) => one.alt && one.complete)")
        assert browser.log == []
