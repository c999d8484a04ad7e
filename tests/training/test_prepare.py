import pytest
import torch
from pair_files import make_pairs

from demsr.errors import ParamsError
from demsr.model.checkpoint import save_model
from demsr.training.prepare import new_net, prepare_finetuning, prepare_pretraining

LOADER = {"seed": 7, "batch_size": 2, "workers": 0}
SMALL = {"num_blocks": 1, "features": 4}


@pytest.fixture
def pairs(tmp_path):
    return make_pairs(tmp_path / "train.h5", count=2), make_pairs(tmp_path / "valid.h5", count=2, seed=2)


def test_the_first_weights_follow_from_the_seed_alone():
    torch.manual_seed(1)
    first = new_net(seed=7, **SMALL).head.weight
    torch.manual_seed(2)
    assert torch.equal(first, new_net(seed=7, **SMALL).head.weight)
    assert not torch.equal(first, new_net(seed=8, **SMALL).head.weight)


def test_a_net_for_scaled_elevations_has_a_scale_of_their_size():
    assert new_net(seed=7, unit="scaled", **SMALL).elevation_scale_m == 100 / 20_000
    assert new_net(seed=7, unit="scaled", elevation_scale_m=0.3, **SMALL).elevation_scale_m == 0.3


def test_pretraining_batches_have_lr_and_hr_and_fine_tuning_batches_have_features_too(pairs, tmp_path):
    net, data = prepare_pretraining(*pairs, net_options=SMALL, **LOADER)
    assert [tuple(part.shape) for part in next(iter(data.train_dataloader()))] == [(2, 1, 8, 8), (2, 1, 40, 40)]
    save_model(net, tmp_path / "start", training={})
    _, data = prepare_finetuning(*pairs, start=tmp_path / "start", cache=tmp_path / "cache", **LOADER)
    assert [tuple(part.shape) for part in next(iter(data.train_dataloader()))][2] == (2, 4, 8, 8)


@pytest.mark.parametrize(("formulation", "refused"), [("direct", True), ("residual", False)])
def test_only_a_direct_net_insists_on_pairs_in_its_unit(pairs, tmp_path, formulation, refused):
    net = new_net(seed=7, formulation=formulation, **SMALL)
    save_model(net, tmp_path / "start", training={"unit": "scaled"})
    folders = {"start": tmp_path / "start", "cache": tmp_path / "cache"}
    if refused:
        with pytest.raises(ParamsError, match="elevations are in scaled for the net and in m in the pairs; use the"):
            prepare_finetuning(*pairs, **folders, **LOADER)
    else:
        prepare_finetuning(*pairs, **folders, **LOADER)
