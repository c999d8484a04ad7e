import shutil
from pathlib import Path

import pytest
from command_line import refused
from typer.testing import CliRunner

from demsr.cli import app
from demsr.errors import ParamsError
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
        (["--pairs", "no.zip"], "no.zip: no such folder or .zip; give a folder or .zip with train.h5"),
    ],
)
def test_profile_mindearth_needs_pairs_that_are_there(root, tmp_path, monkeypatch, options, message):
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["profile", "mindearth", *options])
    assert isinstance(done.exception, ParamsError)
    assert str(done.exception).startswith(message)
    assert (tmp_path / "params.yaml").read_text() == (root / "params.yaml").read_text()


@pytest.fixture
def params(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A params.yaml in the current folder, and an empty cache."""
    shutil.copy(root / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEMSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "params.yaml"


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["profile", "paper", "--lr", "gebco"], "--lr has no effect with paper; it is for your own rasters"),
        (["profile", "sample", "--valid", "a"], "--valid has no effect with sample; it is for your own rasters"),
        (["profile", "sample", "--land", "a"], "--land has no effect with sample"),
        (["profile", "paper", "--pairs", "a"], "--pairs has no effect with paper; it is for pairs made by others"),
        (["plan", "--profile", "paper", "--globe"], "--profile estimates downloads; give it alone"),
    ],
)
def test_options_that_would_be_ignored_are_refused(params, words, message):
    before = params.read_text()
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, ParamsError)
    assert str(done.exception).startswith(message)
    assert params.read_text() == before
