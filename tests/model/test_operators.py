from pathlib import Path

import pytest
import torch

from demsr.errors import ParamsError
from demsr.model.checkpoint import save_model
from demsr.model.coast import CoastNet
from demsr.model.operators import has_nets_for_operators, operators_of, read_for_operator
from demsr.model.srnet import DemSrNet


@pytest.fixture
def several(tmp_path) -> Path:
    """Nets of 8, 16 and 24 features for the three operators."""
    for count, operator in enumerate(("gebco", "mean", "blind"), start=1):
        save_model(DemSrNet(1, 8 * count), tmp_path / "several" / operator, training={})
    return tmp_path / "several"


@pytest.fixture
def single(tmp_path) -> Path:
    save_model(DemSrNet(1, 8), tmp_path / "single", training={"degradations": ["block mean", "real"]})
    return tmp_path / "single"


def test_land_and_sea_of_gebco_have_a_net_each(several):
    net = read_for_operator(several, "gebco")
    assert isinstance(net, CoastNet)
    assert (net.land.features, net.sea.features) == (8, 24)
    assert net.weights_sha256 == f"{net.land.weights_sha256}+{net.sea.weights_sha256}"


def test_other_operators_have_one_net_and_an_unnamed_one_is_unknown(several):
    assert read_for_operator(several, "mean").features == 16
    assert read_for_operator(several, "blind").features == read_for_operator(several).features == 24


def test_a_single_net_serves_the_operators_of_its_pairs_and_no_others(single):
    assert operators_of(single) == ["blind", "mean"]
    assert not has_nets_for_operators(single)
    lr = torch.rand(1, 1, 4, 4)
    assert torch.equal(read_for_operator(single)(lr), read_for_operator(single, "mean")(lr))
    with pytest.raises(ParamsError, match="no net for operator gebco; it has nets for blind, mean"):
        read_for_operator(single, "gebco")


def test_an_incomplete_model_says_what_it_has(several):
    (several / "gebco" / "config.json").unlink()
    with pytest.raises(ParamsError, match="no net for operator gebco; it has nets for mean, blind"):
        read_for_operator(several, "gebco")
