from pathlib import Path

import pytest
from sweep_project import enter, make_project

from demsr.cli.sweep_config import read_plan, with_training_of
from demsr.errors import ParamsError
from demsr.params import Params
from demsr.search.space import read_space


@pytest.fixture
def project(root, empty_store, tmp_path, monkeypatch) -> Path:
    return enter(make_project(tmp_path / "project", root, empty_store), monkeypatch)


def test_budget_comes_from_the_space_and_the_recipe_from_params_yaml(project):
    plan = read_plan("resblocks", "pretrain", Path("sweeps/resblocks.yaml"), workers=1)
    fit = plan.setup.fit
    assert (fit["max_epochs"], fit["steps_per_epoch"], fit["patience"], fit["validate_every_epochs"]) == (3, 2, 3, 1)
    assert (fit["learning_rate"], fit["optimiser"]) == (0.003, Params.read().pretrain.optimiser)
    assert (plan.setup.batch_size, plan.setup.net["features"], plan.setup.workers <= 1) == (2, 4, True)
    assert plan.reference == {"num_blocks": 2, "learning_rate": 0.003}
    assert plan.results == Path("results/sweeps/resblocks")


def test_another_profile_brings_its_net_and_training_to_the_pairs_that_are_there(project, root):
    plan = read_plan("resblocks", "pretrain", root / "sweeps/resblocks.yaml", profile="paper")
    assert plan.reference == {"num_blocks": 42, "learning_rate": 1e-4}
    assert (plan.setup.net["features"], plan.setup.batch_size) == (256, 64)
    assert plan.setup.train == project / "data/pairs/land/train.h5"
    assert plan.params_changes({"num_blocks": 32, "learning_rate": 2e-4}) == {
        "model": {"num_blocks": 32, "features": 256},
        "pretrain": {"learning_rate": 2e-4},
    }


def test_depth_is_searched_in_pretraining_only(project):
    with pytest.raises(ParamsError, match="num_blocks must be searched in pretraining, and only there"):
        read_plan("resblocks", "finetune", Path("sweeps/resblocks.yaml"))


@pytest.mark.parametrize("profile", ["sample", "local", "paper"])
def test_spaces_of_the_project_contain_the_settings_of_their_profiles(root, profile):
    params = with_training_of(profile, Params.read(root / "params.yaml"), root / "params.yaml")
    depths = read_space(root / "sweeps/resblocks.yaml", profile)
    assert depths.num_blocks.reference == params.model.num_blocks
    assert depths.first_candidates(params.pretrain.learning_rate)
    assert read_space(root / "sweeps/finetune.yaml", profile).first_candidates(params.finetune.learning_rate)
