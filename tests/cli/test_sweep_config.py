import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sweep_project import enter, make_project

from demsr.cli.sweep_config import _with_fixed_values, _with_training_of, read_plan
from demsr.errors import ParamsError
from demsr.params import Params
from demsr.search.space import Space, read_space


@pytest.fixture
def project(root, empty_store, tmp_path, monkeypatch) -> Path:
    return enter(make_project(tmp_path / "project", root, empty_store), monkeypatch)


@pytest.fixture(scope="module")
def params(root: Path) -> Params:
    return Params.read(root / "params.yaml")


def make_space(search: dict[str, Any], stage: str = "pretrain", **more: Any) -> Space:
    budget = {"trials": 3, "epochs": 2, "finalists": {"best": 1, "seeds": [1, 2]}}
    return Space.model_validate({"stage": stage, "subject": next(iter(search)), "search": search, **budget, **more})


def test_budget_comes_from_the_space_and_the_recipe_from_params_yaml(project):
    plan = read_plan(Path("sweeps/resblocks.yaml"), workers=1)
    training = plan.setup.training
    assert (training["max_epochs"], training["steps_per_epoch"], training["patience"]) == (3, 2, 3)
    assert training["validate_every_epochs"] == 1
    assert (training["learning_rate"], training["optimiser"]) == (0.003, Params.read().pretrain.optimiser)
    assert (training["batch_size"], plan.setup.net["features"], plan.setup.workers <= 1) == (2, 4, True)
    assert plan.reference == {"model.num_blocks": 2, "pretrain.learning_rate": 0.003}
    assert (plan.name, plan.results) == ("resblocks", Path("results/sweeps/resblocks"))
    assert read_plan(Path("sweeps/resblocks.yaml"), name="other").results == Path("results/sweeps/other")


def test_another_profile_brings_its_net_and_training_to_the_pairs_that_are_there(project, root):
    plan = read_plan(root / "sweeps/resblocks.yaml", profile="paper")
    assert plan.reference == {"model.num_blocks": 42, "pretrain.learning_rate": 1e-4}
    assert (plan.setup.net["features"], plan.setup.training["batch_size"]) == (256, 64)
    assert plan.setup.train == project / "data/pairs/land/train.h5"


@pytest.mark.parametrize(
    ("path", "distribution"),
    [
        ("model.num_blocks", {"int": [8, 64], "step": 2}),
        ("model.features", {"choice": [16, 32, 64]}),
        ("model.formulation", {"choice": ["residual", "direct"]}),
        ("model.upsampling", {"choice": ["interpolate", "subpixel"]}),
        ("model.symmetric", {"choice": [True, False]}),
        ("model.elevation_scale_m", {"choice": [None, 50, 200.0]}),
        ("model.residual_scale", {"float": [0.05, 0.5]}),
        ("pretrain.learning_rate", {"log": [1e-5, 1e-3]}),
        ("pretrain.loss", {"choice": ["mse", "balanced"]}),
        ("pretrain.batch_size", {"choice": [8, 16]}),
        ("pretrain.gradient_clip", {"int": [1, 4]}),
        ("pretrain.precision", {"choice": ["32-true", "auto"]}),
    ],
)
def test_any_parameter_of_net_and_training_can_be_searched(params, path, distribution):
    assert _with_fixed_values(params, make_space({path: distribution}), "a.yaml, sample") == params


@pytest.mark.parametrize(
    ("path", "distribution", "message"),
    [
        ("model.num_blocks", {"int": [0, 8]}, "model.num_blocks is 0: Input should be greater than or equal to 1"),
        ("model.num_blocks", {"float": [8, 64]}, "model.num_blocks is 8.0: Input should be a valid integer"),
        ("model.features", {"choice": [16, "32"]}, "model.features is '32': Input should be a valid integer"),
        ("model.features", {"choice": [16, [32]]}, "model.features is [32]: Input should be a valid integer"),
        ("model.symmetric", {"choice": [False, 1]}, "model.symmetric is 1: Input should be a valid boolean"),
        ("model.depth", {"int": [8, 64]}, "model.depth is 8: unknown key, remove it or correct its name"),
        (
            "pretrain.loss",
            {"choice": ["mse", "huber"]},
            "pretrain.loss is 'huber': Input should be 'mse' or 'balanced'",
        ),
        ("pretrain.learning_rate_decay", {"float": [0.9, 1.1]}, "pretrain.learning_rate_decay is 1.1: Input should be"),
    ],
)
def test_a_value_that_params_yaml_could_not_have_is_named_with_file_and_key(params, path, distribution, message):
    with pytest.raises(ParamsError) as raised:
        _with_fixed_values(params, make_space({path: distribution}), "a.yaml, sample")
    assert str(raised.value).startswith(f"a.yaml, sample: {message}")


@pytest.mark.parametrize(
    ("stage", "path", "reason"),
    [
        ("finetune", "model.num_blocks", "fine-tuning trains on features of a frozen pretrained net; search it with"),
        ("finetune", "pretrain.loss", "it is the same in all trials of finetune; name a parameter of finetune"),
        (
            "pretrain",
            "finetune.loss",
            "it is the same in all trials of pretrain; name a parameter of model or pretrain",
        ),
        ("pretrain", "pairs.patch_lr", "it is the same in all trials of pretrain"),
        ("pretrain", "paths.work", "it is the same in all trials of pretrain"),
        ("pretrain", "base.seed", "it is the same in all trials of pretrain"),
        ("pretrain", "model", "it is the same in all trials of pretrain"),
        ("pretrain", "pretrain.max_epochs", "the sweep has a number of epochs of its own; set `epochs`"),
        ("pretrain", "pretrain.patience", "trials train for all their epochs"),
        ("finetune", "finetune.validate_every_epochs", "trials are validated after every epoch"),
        ("finetune", "finetune.devices", "a trial has one device; see --gpus-per-trial"),
        ("pretrain", "pretrain.workers", "they are part of the resources of a trial; see --cpus-per-trial"),
    ],
)
def test_parameters_that_trials_share_are_refused_with_the_reason(params, stage, path, reason):
    rate = f"{stage}.learning_rate"
    for space in (
        make_space({path: {"int": [1, 9]}}, stage),
        make_space({rate: {"log": [1e-4, 1e-2]}}, stage, fixed={path: 1}),
    ):
        with pytest.raises(ParamsError) as raised:
            _with_fixed_values(params, space, "a.yaml, sample")
        assert str(raised.value).startswith(f"a.yaml, sample: a sweep cannot set {path}: {reason}")


def test_fixed_values_are_checked_and_go_into_net_and_training(params):
    search = {"pretrain.learning_rate": {"log": [1e-4, 1e-2]}}
    fixed = _with_fixed_values(
        params, make_space(search, fixed={"model.features": 64, "pretrain.loss": "balanced"}), "a"
    )
    assert (fixed.model.features, fixed.pretrain.loss, fixed.finetune) == (64, "balanced", params.finetune)
    with pytest.raises(ParamsError, match="a: model.features is 0: Input should be greater than or equal to 1"):
        _with_fixed_values(params, make_space(search, fixed={"model.features": 0}), "a")


def test_the_present_value_must_be_in_the_space_unless_the_reference_has_another(project):
    file, yaml = Path("sweeps/resblocks.yaml"), YAML(typ="safe")
    content = yaml.load(file.read_text())
    content["sample"]["search"]["pretrain.learning_rate"] = {"log": [0.01, 0.1]}
    with file.open("w") as target:
        yaml.dump(content, target)
    message = (
        r"resblocks.yaml, sample: the reference has pretrain.learning_rate 0.003 from params.yaml, the space has 0.01 "
        "to 0.1; widen the space, or give `reference` another value"
    )
    with pytest.raises(ParamsError, match=message):
        read_plan(file)
    reference = {"model.num_blocks": 2, "pretrain.learning_rate": 0.02}
    assert read_plan(file, overrides={"reference": reference}).reference == reference


@pytest.mark.parametrize("name", ["resblocks", "finetune"])
@pytest.mark.parametrize("profile", ["sample", "local", "paper"])
def test_spaces_of_the_project_are_allowed_and_contain_the_settings_of_their_profiles(root, params, name, profile):
    own = _with_training_of(profile, params, root / "params.yaml")
    space = read_space(root / f"sweeps/{name}.yaml", profile)
    assert _with_fixed_values(own, space, name) == own
    for path, distribution in space.search.items():
        section, _, key = path.partition(".")
        value = getattr(getattr(own, section), key)
        assert value in distribution
        assert space.reference.get(path, value) == value


def test_the_example_of_the_documentation_is_allowed(root, params, tmp_path):
    example = re.search(r"```yaml\n(.*?)```", (root / "docs/sweeps.md").read_text(), re.DOTALL)[1]
    (tmp_path / "example.yaml").write_text(example)
    space = read_space(tmp_path / "example.yaml", "sample")
    assert _with_fixed_values(params, space, "example") == params
    assert space.paths == ("model.features", "pretrain.loss", "pretrain.learning_rate")


@pytest.mark.parametrize(("section", "features"), [("cpu", 32), ("gpu", 256)])
def test_the_depths_of_the_benchmark_are_allowed_and_all_of_them_are_finalists(root, params, section, features):
    space = read_space(root / "benchmarks/depth.yaml", section)
    assert _with_fixed_values(params, space, section).model.features == features
    assert space.finalists.always == space.enqueue


def test_a_reference_without_a_net_is_refused_before_anything_is_trained(project):
    search = {"model.features": {"choice": [4, 8]}, "model.symmetric": {"choice": [False, True]}}
    overrides = {"search": search, "subject": "model.features", "fixed": {}, "finalists": {"best": 1, "seeds": [1, 2]}}
    rows = {"reference": {"model.features": 8}, "enqueue": [{"model.features": 4, "model.symmetric": True}]}
    message = (
        r"resblocks.yaml, sample: features 4 \(symmetric true\) is impossible: features is 4; a symmetric net needs"
    )
    with pytest.raises(ParamsError, match=message):
        read_plan(Path("sweeps/resblocks.yaml"), overrides=overrides | rows)
    assert read_plan(Path("sweeps/resblocks.yaml"), overrides=overrides | rows | {"enqueue": []}).first_candidates


def test_finalists_that_are_never_tried_are_refused(project):
    def read(always: list, enqueue: list):
        overrides = {"finalists": {"best": 1, "always": always, "seeds": [1, 2]}, "enqueue": enqueue}
        return read_plan(Path("sweeps/width.yaml"), overrides=overrides)

    narrow, other_loss = {"model.features": 2}, {"pretrain.loss": "balanced"}
    with pytest.raises(ParamsError, match=r"finalists.always has \{'model.features': 2\}; add it to `enqueue`"):
        read([narrow], [narrow | other_loss])  # with the loss of the reference it is not tried
    assert read([narrow, other_loss], [narrow, other_loss]).space.finalists.always == (narrow, other_loss)
