import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML
from synthetic import grid

from demsr.errors import ParamsError
from demsr.options import DOMAINS
from demsr.params import Params


@pytest.fixture
def content(root) -> dict[str, Any]:
    return YAML(typ="safe").load((root / "params.yaml").read_text(encoding="utf-8"))


def at(content: Any, key: str) -> Any:
    for part in key.split("."):
        content = content[part]
    return content


def changed(content: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    result = copy.deepcopy(content)
    *folder, name = key.split(".")
    (at(result, ".".join(folder)) if folder else result)[name] = value
    return result


def test_real_file_loads_with_its_values(root, content):
    params = Params.read(root / "params.yaml")
    assert params.base.seed == content["base"]["seed"]
    assert params.paths.pairs == Path(content["paths"]["pairs"])
    assert params.registration.min_gain_percent == content["register"]["min_gain_percent"]
    assert params.net_options() == content["model"]
    assert all(hasattr(getattr(params, name), domain) for name in ("fetch", "harmonise", "pairs") for domain in DOMAINS)


def test_section_of_the_net_holds_arguments_of_the_net(root):
    from demsr.model.srnet import DemSrNet

    options = Params.read(root / "params.yaml").net_options()
    net = DemSrNet(**options)
    given = {name: value for name, value in options.items() if value is not None}  # None is the formulation's value
    assert len(given) > 5
    assert {name: getattr(net, name) for name in given} == given


def test_params_cannot_be_changed(content):
    with pytest.raises(ValidationError, match="frozen"):
        Params.checked(content, where="p").base.seed = 3


@pytest.mark.parametrize("key", ["nonsense", "base.sed", "pairs.land.strid", "model.num_block", "register.gain"])
def test_unknown_key_is_refused_by_its_name(content, key):
    with pytest.raises(ParamsError, match=rf"^p\.yaml: {re.escape(key)} is 7: unknown key, remove it or correct"):
        Params.checked(changed(content, key, 7), where="p.yaml")


@pytest.mark.parametrize("key", ["base", "base.seed", "pairs.land.stride_hr", "register", "finetune.patience"])
def test_missing_key_is_refused_by_its_name(content, key):
    *folder, name = key.split(".")
    del (at(content, ".".join(folder)) if folder else content)[name]
    with pytest.raises(ParamsError, match=rf"^p\.yaml: {re.escape(key)}: Field required$"):
        Params.checked(content, where="p.yaml")


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("base.seed", "many", "a valid integer"),
        ("base.seed", None, "a valid integer"),
        ("base.profile", 5, "a valid string"),
        ("model.features", 0, "greater than or equal to 1"),
        ("model.features", 2.5, "a valid integer"),
        ("model.formulation", "magic", "'residual' or 'direct'"),
        ("model.long_skip", "tail", "'head' or 'input'"),
        ("pairs.max_void_share", 1.5, "less than or equal to 1"),
        ("pairs.gap_lr", 0, "greater than or equal to 1"),
        ("pairs.patch_lr", 7, "greater than or equal to 8"),
        ("pairs.land.quadrants", ["train", "valid", "test"], "at least 4 items"),
        ("pairs.land", [1], "a valid dictionary"),
        ("pairs.marine.split", "random", "'quadrants' or 'files'"),
        ("fetch.source", "web", "'sample', 'local', 'remote' or 'pairs'"),
        ("fetch.land.include", "*.tif", "a valid list"),
        ("pretrain.learning_rate", 0, "greater than 0"),
        ("pretrain.learning_rate", float("nan"), "a finite number"),
        ("pretrain.learning_rate", float("inf"), "a finite number"),
        ("pretrain.learning_rate_decay", 1.1, "less than or equal to 1"),
        ("pretrain.precision", "16", "'32-true', 'bf16-mixed' or 'auto'"),
        ("register.bootstrap_resamples", 99, "greater than or equal to 100"),
    ],
)
def test_wrong_value_is_refused_with_key_value_and_what_is_allowed(content, key, value, allowed):
    found = rf"^p\.yaml: {re.escape(key)} is {re.escape(repr(value))}: .*{re.escape(allowed)}"
    with pytest.raises(ParamsError, match=found):
        Params.checked(changed(content, key, value), where="p.yaml")


def test_every_mistake_is_named_at_once(content):
    wrong = changed(changed(content, "base.seed", "x"), "model.blocks", 3)
    with pytest.raises(ParamsError, match=r"base\.seed is 'x': .*; model\.blocks is 3: unknown key"):
        Params.checked(wrong, where="p.yaml")


@pytest.mark.parametrize("nothing", [None, [], "x"])
def test_file_without_sections_is_refused(nothing):
    with pytest.raises(ParamsError, match=r"p\.yaml: the whole file is .*: Input should be a valid dictionary"):
        Params.checked(nothing, where="p.yaml")


def test_quadrants_without_a_test_are_refused(content):
    wrong = changed(content, "pairs.land.quadrants", ["train", "train", "train", "valid"])
    wrong = changed(wrong, "pairs.land.split", "quadrants")
    with pytest.raises(ParamsError, match=r"pairs\.land: .*'valid'\]; name each of train, valid and test"):
        Params.checked(wrong, where="p.yaml")


@pytest.mark.parametrize("held_out", [{"valid": [], "test": ["a"]}, {"valid": ["a"], "test": []}])
def test_split_by_files_without_held_out_files_is_refused(content, held_out):
    content["pairs"]["marine"] |= {"split": "files", **held_out}
    with pytest.raises(ParamsError, match=r"pairs\.marine: .*valid is .* and test is .*; name at least one"):
        Params.checked(content, where="p.yaml")


@pytest.mark.parametrize("section", ["pretrain", "finetune"])
def test_training_that_would_never_validate_is_refused(content, section):
    content[section] |= {"max_epochs": 3, "validate_every_epochs": 4}
    with pytest.raises(ParamsError, match=rf"{section}: .*validate_every_epochs is 4; it must not exceed 3"):
        Params.checked(content, where="p.yaml")


def test_filter_without_a_centre_is_refused(content):
    with pytest.raises(ParamsError, match=r"evaluate: .*linear_filter_size is 4; it must be odd"):
        Params.checked(changed(content, "evaluate.linear_filter_size", 4), where="p.yaml")


@pytest.mark.parametrize("text", [b"base: [1,", b"a: 1\na: 2\n", b"base: \xff\xfe"])
def test_file_that_is_no_yaml_is_refused(tmp_path, text):
    (tmp_path / "params.yaml").write_bytes(text)
    with pytest.raises(ParamsError, match=r"(?s)params\.yaml: cannot be read as YAML \(.*git checkout"):
        Params.read(tmp_path / "params.yaml")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read as YAML \(.*No such file"):
        Params.read(tmp_path / "params.yaml")


def test_every_reference_of_dvc_yaml_is_a_key_of_params_yaml(root, content):
    references = re.findall(r"\$\{([^}]*)\}", (root / "dvc.yaml").read_text(encoding="utf-8"))
    assert "paths.pairs" in references
    for reference in references:
        assert isinstance(at(content, reference), (str, int, float)), reference


def test_every_params_key_of_dvc_yaml_is_a_key_of_params_yaml(root, content):
    stages = YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, stage in stages.items():
        assert name in content or name in ("fetch", "register"), name
        for key in stage["params"]:
            assert at(content, key) is not None, (name, key)


def test_every_section_is_used_by_a_stage_but_that_which_moves_no_result(root, content):
    stages = YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    used = {key.split(".")[0] for stage in stages.values() for key in stage["params"]}
    assert used | {"train"} == set(content)
    assert all(isinstance(section, Mapping) for section in content.values())


@pytest.mark.parametrize("domain", DOMAINS)
def test_options_of_the_pairs_are_arguments_of_the_library(root, domain):
    from demsr.pairs.cut import CutRule
    from demsr.pairs.split import split_raster

    pairs = Params.read(root / "params.yaml").pairs
    rule = CutRule(**pairs.cut_options(domain))
    assert (rule.patch_lr, rule.stride_hr) == (pairs.patch_lr, getattr(pairs, domain).stride_hr)
    regions = split_raster("a", "a", grid(200, 200), scale=5, **pairs.split_options(domain))
    assert [region.split for region in regions] == getattr(pairs, domain).quadrants
