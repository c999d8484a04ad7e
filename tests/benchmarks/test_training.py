import json

import pytest
import torch
from pair_files import rough_terrain
from protocol.methods import COMPARED, METHODS, OUR_NET, OURS, Method, new_net
from protocol.patches import Patches, RasterSource
from protocol.regions import EVERYTHING
from protocol.training import PATCH_LR, Training, is_trained, train
from synthetic import dem, rough

from demsr.model.coast import CoastNet
from demsr.model.cost import flop_per_lr_px
from demsr.model.srnet import DemSrNet
from demsr.runtime.seeding import sub_seed

TINY = Method(lambda: DemSrNet(1, 4, upsampling="subpixel"))
STEP_TFLOP = 3 * flop_per_lr_px(TINY.build()) * PATCH_LR**2 / 1e12
SHORT = Training("comparison", "tiny", "mean", "B", 0, 4 * STEP_TFLOP)


@pytest.fixture
def patches(monkeypatch):
    """Patches of one raster; epochs have two steps of one patch."""
    monkeypatch.setitem(METHODS, "tiny", TINY)
    monkeypatch.setattr("protocol.training.BATCH", 1)
    monkeypatch.setattr("protocol.training._EPOCH_STEPS", 2)
    return Patches({RasterSource([dem(rough_terrain(170, 170, seed=1))], "mean"): 1.0}, count=2, seed=0)


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("reference")])
def test_every_net_starts_at_the_cubic_base_and_has_its_size(name):
    net = new_net(name, seed=1).eval()
    lr = torch.tensor(rough(12, 9))[None, None]
    with torch.no_grad():
        torch.testing.assert_close(net(lr), net.base(lr), atol=1e-3, rtol=0)
    assert 5_000 < sum(weight.numel() for weight in net.parameters()) < 3_000_000


def test_operations_are_counted_as_by_hand():
    blocks, features = OUR_NET["num_blocks"], OUR_NET["features"]
    macs = 9 * features**2 * (2 * blocks + 1) + 9 * features * 25 + 9 * features
    assert flop_per_lr_px(new_net(OURS, seed=0)) == pytest.approx(2 * macs, rel=0.01)


def test_comparison_has_the_nets_that_it_must_have():
    assert [name.split()[0] for name in COMPARED] == [OURS, "EDSR", "VDSR", "SRCNN", "reference"]
    nets = [new_net(name, seed=0) for name in COMPARED]
    assert [type(net).__name__ for net in nets] == ["DemSrNet", "EDSR", "VDSR", "SRCNN", "DemSrNet"]


@pytest.mark.parametrize("name", ["SRCNN", "reference formulation 8 x 64"])
def test_a_compared_net_can_be_the_net_for_land(name):
    net = new_net(name, seed=1).eval()
    lr = torch.tensor(rough(12, 9))[None, None]
    is_land = torch.zeros_like(lr, dtype=torch.bool)
    is_land[..., :5] = True
    with torch.no_grad():
        joined = CoastNet(net, new_net(OURS, seed=0).eval())(lr, is_land)
        alone = net(torch.where(is_land, lr, 0.0))
    torch.testing.assert_close(joined[..., :25], alone[..., :25], atol=1e-3, rtol=0)


def test_a_budget_is_spent_once(tmp_path, patches):
    assert not is_trained(SHORT, tmp_path)
    net = train(SHORT, patches, tmp_path)
    facts = json.loads((tmp_path / "trained" / SHORT.name / "facts.json").read_text())
    assert facts["steps"] == 4
    assert facts["recipe"] == SHORT.recipe
    assert not (tmp_path / "checkpoints" / SHORT.name).exists()
    again = train(SHORT, patches, tmp_path)  # from its file
    assert not again.training
    assert all(torch.equal(one, other) for one, other in zip(net.parameters(), again.parameters(), strict=True))
    first = new_net("tiny", seed=sub_seed(0, "weights"))
    assert not all(torch.equal(one, other) for one, other in zip(net.parameters(), first.parameters(), strict=True))


def test_fine_tuning_starts_from_the_net_that_it_tunes(tmp_path, patches, monkeypatch):
    monkeypatch.setattr("protocol.training.FINE_TUNING", {"learning_rate": 1e-12})
    start = train(SHORT, patches, tmp_path)
    tuned = train(Training("product", "tiny", "blind", EVERYTHING, 0, 2 * STEP_TFLOP, SHORT), patches, tmp_path)
    for one, other in zip(start.parameters(), tuned.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_each_training_has_a_folder_of_its_own():
    start = Training("product", OURS, "blind", "none", 0, 90.0)
    tuned = Training("product", OURS, "blind", "california", 0, 30.0, start)
    assert tuned.name == "ours, blind, fine-tuned, fold california, 30 TFLOP, seed 0"
    assert tuned.recipe["learning_rate"] < start.recipe["learning_rate"]
    others = [
        Training("product", OURS, "blind", "none", 0, 30.0),
        Training("product", OURS, "gebco", "none", 0, 30.0),
        Training("product", OURS, "gebco", "none", 1, 30.0),
        Training("product", OURS, "gebco", "none", 1, 3.0),
    ]
    assert len({one.name for one in [start, tuned, *others]}) == 6
