import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from demsr import profiles
from demsr.errors import ParamsError
from demsr.params import Params
from demsr.profiles import declared_files, profile_names, write_changes, write_profile

LOCAL = {
    "fetch": {
        "land": {"folder": "my land", "include": ["*.tif", "*.hgt"], "exclude": ["utm*"]},
        "marine": {"folder": "/data/marine", "include": ["*.nc"], "exclude": ["a*", "b*"]},
    },
    "pairs": {
        "land": {"valid": ["plain"], "test": ["alps", "coast*"]},
        "marine": {"valid": ["shelf"], "test": ["Balanus: a seamount"]},
    },
}
READY = {"fetch": {domain: {"folder": "dem.zip"} for domain in ("land", "marine")}}
CHANGES = {"sample": {}, "local": LOCAL, "paper": LOCAL, "mindearth": READY}


@pytest.fixture
def params_yaml(root, tmp_path) -> Path:
    """The project's params.yaml with the sample's values."""
    shutil.copy(root / "params.yaml", tmp_path / "params.yaml")
    write_profile("sample", tmp_path / "params.yaml")
    return tmp_path / "params.yaml"


def values(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def profile(name: str) -> Any:
    return values(Path(profiles.__file__).parent / f"{name}.yaml")


def keys(content: Any, above: str = "") -> set[str]:
    found = set()
    for key, value in content.items():
        named_by_users = key in ("regions", "mirrors", "files")
        below = keys(value, f"{above}{key}.") if isinstance(value, Mapping) and not named_by_users else set()
        found |= {above + key} | below
    return found


def comments(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip().startswith("#")]


def test_profiles_are_those_of_the_documentation():
    assert profile_names() == ["local", "mindearth", "paper", "sample"]


def test_committed_file_has_the_values_of_the_sample(root):
    content = values(root / "params.yaml")
    assert content["base"]["profile"] == "sample"
    for section, expected in profile("sample").items():
        found = content[section]
        assert {key: found[key] for key in expected} == expected, section


def test_all_profiles_set_the_same_keys():
    assert len({frozenset(keys(profile(name))) for name in profile_names()}) == 1


def test_profiles_set_no_key_that_params_yaml_lacks(root):
    assert keys(profile("sample")) <= keys(values(root / "params.yaml"))


def test_writing_the_profile_that_is_there_changes_no_character(root, tmp_path):
    before = (root / "params.yaml").read_text(encoding="utf-8")
    shutil.copy(root / "params.yaml", tmp_path / "params.yaml")
    write_profile("sample", tmp_path / "params.yaml")
    assert (tmp_path / "params.yaml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize("way", [["local"], ["paper"], ["mindearth"], ["paper", "local", "local"]])
def test_way_there_and_back_gives_the_identical_text(params_yaml, way):
    before = params_yaml.read_text(encoding="utf-8")
    for name in way:
        write_profile(name, params_yaml, CHANGES[name])
        assert params_yaml.read_text(encoding="utf-8") != before
    write_profile("sample", params_yaml)
    assert params_yaml.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("name", ["sample", "local", "paper", "mindearth"])
def test_written_file_has_the_values_of_the_profile_and_the_changes(params_yaml, name):
    returned = write_profile(name, params_yaml, CHANGES[name])
    content = values(params_yaml)
    assert returned == Params.read(params_yaml)
    assert content["base"]["profile"] == name
    assert content["model"] == profile(name)["model"]
    for section, domains in CHANGES[name].items():
        for domain, some in domains.items():
            assert content[section][domain] == {**profile(name)[section][domain], **some}


@pytest.mark.parametrize("name", ["local", "paper", "mindearth"])
def test_comments_stay(params_yaml, name):
    before = comments(params_yaml)
    write_profile(name, params_yaml, CHANGES[name])
    assert comments(params_yaml) == before


def test_sections_that_no_profile_sets_stay(params_yaml):
    text = params_yaml.read_text(encoding="utf-8").replace("seed: 2022", "seed: 7").replace("raw: data/raw", "raw: r")
    params_yaml.write_text(text, encoding="utf-8")
    params = write_profile("paper", params_yaml, LOCAL)
    assert (params.base.seed, params.paths.raw) == (7, Path("r"))


def test_what_is_declared_of_single_files_does_not_outlive_a_profile(params_yaml):
    before = params_yaml.read_text(encoding="utf-8")
    params = write_profile("local", params_yaml, {**LOCAL, "harmonise": {"files": {"shelf": {"unit": "ft"}}}})
    assert params.harmonise.files["shelf"].unit == "ft"
    assert declared_files(params_yaml) == {"shelf": {"unit": "ft"}}
    write_profile("sample", params_yaml)
    assert params_yaml.read_text(encoding="utf-8") == before


def test_paper_profile_has_the_net_and_the_training_of_the_paper(params_yaml):
    params = write_profile("paper", params_yaml, LOCAL)
    assert (params.model.num_blocks, params.model.features, params.pairs.patch_lr) == (42, 256, 32)
    assert (params.pretrain.batch_size, params.pretrain.learning_rate, params.pretrain.patience) == (64, 1e-4, 6)
    assert params.finetune.learning_rate == 1e-5


def test_unknown_profile_is_refused(params_yaml):
    before = params_yaml.read_bytes()
    with pytest.raises(ParamsError, match="profile is 'papers'; it must be one of local, mindearth, paper, sample"):
        write_profile("papers", params_yaml)
    assert params_yaml.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"profile local: pairs\.land: .*name at least one held-out file"),
        ({**LOCAL, "model": {"features": -1}}, r"profile local: model\.features is -1"),
        ({**LOCAL, "modell": {"features": 1}}, r"profile local: modell.*: unknown key"),
    ],
)
def test_invalid_profile_writes_nothing(params_yaml, changes, message):
    before = params_yaml.read_bytes()
    with pytest.raises(ParamsError, match=message):
        write_profile("local", params_yaml, changes)
    assert params_yaml.read_bytes() == before
    assert [path.name for path in params_yaml.parent.iterdir()] == ["params.yaml"]


def test_profile_needs_a_file_to_change(tmp_path):
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read as YAML \(.*git checkout"):
        write_profile("sample", tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["base: [1,", "a: 1\na: 2\n"])
def test_broken_file_is_refused_and_kept(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read as YAML"):
        write_profile("sample", tmp_path / "params.yaml")
    assert (tmp_path / "params.yaml").read_text() == text


@pytest.mark.parametrize("text", ["", "- 1\n", "base: 3\n", "model: {}\n"])
def test_file_without_its_base_section_is_refused(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml: has no section `base`"):
        write_profile("sample", tmp_path / "params.yaml")


def test_some_values_are_written_without_a_profile(params_yaml):
    before = comments(params_yaml)
    model = {"blur_lr_px": 0.5, "sounding_share": 0.25, "rounding_m": 1.0}
    params = write_changes(params_yaml, {"pairs": {"fitted": model}})
    assert params.pairs.fitted.model_dump() == model
    assert (params.base.profile, comments(params_yaml)) == ("sample", before)
