import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from demsr.cli import app
from demsr.errors import CheckpointError, ParamsError
from demsr.inference.load import load_model


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


def test_the_documentation_has_the_data_sheets_as_they_are(root):
    said = CliRunner().invoke(app, ["sources", "--markdown"]).output
    documented = (root / "docs" / "sources.md").read_text(encoding="utf-8").partition("<!-- data sheets -->\n")[2]
    assert documented == said  # else: demsr sources --markdown
    assert documented.count("| `nasadem` |") == 2
