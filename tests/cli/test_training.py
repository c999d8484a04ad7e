import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import refused
from typer.testing import CliRunner

from demsr.cli import app
from demsr.errors import CheckpointError, ParamsError
from demsr.inference.load import load_model
from demsr.params import Params


def test_an_empty_folder_of_rasters_is_named(demsr, params_yaml):
    (params_yaml.parent / "tiles").mkdir()
    before = params_yaml.read_bytes()
    done = demsr("profile", "local", "--land", "tiles")
    assert refused(done, start="tiles: no file matches ['*.tif', '*.tiff', '*.hgt'", way_out="")
    assert params_yaml.read_bytes() == before


def test_profile_mindearth_points_both_domains_at_the_same_pairs(root, tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs").mkdir()
    done = CliRunner().invoke(app, ["profile", "mindearth", "--pairs", "theirs"])
    assert (done.exit_code, done.exception) == (0, None)
    assert "params.yaml now holds the profile mindearth" in done.output
    params = Params.read(tmp_path / "params.yaml")
    assert (params.base.profile, params.fetch.source) == ("mindearth", "pairs")
    assert params.fetch.land.folder == params.fetch.marine.folder == Path("theirs")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "profile mindearth needs --pairs, a folder or .zip with train.h5, valid.h5 and test.h5"),
        (["--pairs", "no.zip"], "no.zip: there is no such folder or .zip; give one with train.h5"),
    ],
)
def test_profile_mindearth_needs_pairs_that_are_there(root, tmp_path, monkeypatch, options, message):
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["profile", "mindearth", *options])
    assert isinstance(done.exception, ParamsError)
    assert str(done.exception).startswith(message)
    assert (tmp_path / "params.yaml").read_text() == (root / "params.yaml").read_text()


def test_imported_net_gives_the_output_of_the_reference_implementation(shared, tmp_path):
    source, folder = shared / "parity" / "demnet_1block.ckpt", tmp_path / "imported"
    done = CliRunner().invoke(app, ["import-mindspore", str(source), str(folder), "--blocks", "1"])
    assert (done.exit_code, done.exception) == (0, None)
    assert done.output.startswith(
        f"{folder}: 1 blocks x 256 features, 2,363,904 parameters; input and output are scaled values"
    )
    with np.load(shared / "parity" / "demnet_1block.npz") as known, torch.inference_mode():
        found = load_model(folder, device="cpu")(torch.from_numpy(known["x"])).numpy()
        np.testing.assert_allclose(found, known["y"], atol=1e-4)


def test_net_of_another_depth_than_wanted_is_not_imported(shared, tmp_path):
    source, folder = shared / "parity" / "demnet_1block.ckpt", tmp_path / "imported"
    done = CliRunner().invoke(app, ["import-mindspore", str(source), str(folder)])
    assert isinstance(done.exception, CheckpointError)
    assert "the net has 1 blocks, required are 42; give a complete" in str(done.exception)
    assert not folder.exists()


@pytest.fixture
def params(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A params.yaml in the current folder, and an empty cache."""
    shutil.copy(root / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEMSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "params.yaml"


def test_sources_are_listed_in_80_columns_each_with_datum_and_licence(params):
    said = CliRunner().invoke(app, ["sources"]).output
    assert max(map(len, said.splitlines())) <= 80
    lines = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    assert {"nasadem*", "glo-30", "gebco-2026", "nonna-10", "boem", "ibcso", "crm", "gmrt", "bag"} <= set(lines)
    assert all(word in lines["nasadem*"] for word in ("land", "point", "EGM96"))
    assert "! DLR" in lines["tandem-x-90*"]
    assert "MSL?" in lines["gmrt"]


def test_the_data_sheet_of_a_product_has_all_that_is_known_of_it(params):
    said = CliRunner().invoke(app, ["sources", "glo-30"]).output
    for word in ("EPSG:4326", "EGM2008", "-32767", "10.5270/ESA-c5d3d65", "copernicus-dem-30m.s3", "allowed"):
        assert word in said
    done = CliRunner().invoke(app, ["sources", "srtm"])
    assert isinstance(done.exception, ParamsError)


def test_the_plan_of_the_paper_tells_files_and_gigabytes_region_by_region(params):
    said = CliRunner().invoke(app, ["plan", "--profile", "paper"]).output
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line.strip()}
    assert rows["alps"] == ["alps", "nasadem", "land", "train", "32", "0.23", "1,568"]
    assert rows["deccan"][3] == "valid"
    assert rows["appalachians"][3] == "test"
    assert rows["all"][1:3] == ["gebco-2021-tid", "input"]
    assert "608,400 pairs are requested: 65 GB before compression" in said
    assert "nasadem requires a login: create an account" in said
    assert "nonna-10: commercial use not stated" in said
    assert not (params.parent / "cache" / "files").exists()


def test_the_plan_counts_the_regions_of_params_yaml_once_they_are_its_own(params):
    CliRunner().invoke(app, ["profile", "paper"])
    text = params.read_text()
    params.write_text(text.replace("box: [6, 44, 14, 48]", "box: [6, 44, 8, 48]"))
    said = CliRunner().invoke(app, ["plan", "--profile", "paper"]).output
    assert ["alps", "nasadem", "land", "train", "8", "0.06", "392"] in [line.split() for line in said.splitlines()]


def test_a_profile_that_fetches_nothing_has_no_such_plan(params):
    done = CliRunner().invoke(app, ["plan", "--profile", "sample"])
    assert "fetches nothing, its source is 'sample'; paper is one that does" in str(done.exception)


def test_profiles_come_and_go_with_their_regions(params):
    for name in ("paper", "sample", "paper"):
        assert CliRunner().invoke(app, ["profile", name]).exit_code == 0
        found = Params.read(params)
        assert (found.fetch.source == "remote") == (name == "paper")
        assert len(found.fetch.remote.regions) == (43 if name == "paper" else 0)
    held_out = [*found.pairs.land.valid, *found.pairs.land.test, *found.pairs.marine.valid, *found.pairs.marine.test]
    assert {pattern.removesuffix("__*") for pattern in held_out} <= set(found.fetch.remote.regions)
    assert (found.pairs.land.count, found.pairs.marine.count) == (579_900, 28_500)


def test_the_documentation_has_the_data_sheets_as_they_are(root):
    said = CliRunner().invoke(app, ["sources", "--markdown"]).output
    documented = (root / "docs" / "sources.md").read_text(encoding="utf-8").partition("<!-- data sheets -->\n")[2]
    assert documented == said  # else: demsr sources --markdown
    assert documented.count("| `nasadem` |") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["profile", "paper", "--lr", "gebco"], "--lr means nothing to paper; it is for rasters of your own"),
        (["profile", "sample", "--valid", "a"], "--valid means nothing to sample; it is for rasters of your own"),
        (["profile", "sample", "--land", "a"], "--land means nothing to sample"),
        (["profile", "paper", "--pairs", "a"], "--pairs means nothing to paper; it is for pairs of others"),
        (["plan", "--profile", "paper", "--globe"], "--profile estimates downloads; give it alone"),
    ],
)
def test_options_that_would_be_ignored_are_refused(params, words, message):
    before = params.read_text()
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, ParamsError)
    assert str(done.exception).startswith(message)
    assert params.read_text() == before
