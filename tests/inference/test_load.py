import pickle
from pathlib import Path

import pytest
import torch

from demsr.errors import CheckpointError, ParamsError
from demsr.inference.load import choose_operator, load_model, model_folder
from demsr.model.checkpoint import WEIGHTS, save_model
from demsr.model.coast import CoastNet
from demsr.model.srnet import DemSrNet


@pytest.fixture
def folder(tmp_path):
    save_model(DemSrNet(2, 8), tmp_path / "model", training={})
    return tmp_path / "model"


@pytest.mark.parametrize("source", ["", WEIGHTS])
def test_load_model_takes_a_folder_or_its_weights(folder, source):
    net = load_model(folder / source, device="cpu")
    assert net(torch.zeros(1, 1, 3, 4)).shape == (1, 1, 15, 20)
    assert not net.training


def test_a_folder_may_be_text(folder):
    assert model_folder(str(folder)) == folder


@pytest.mark.parametrize("device", ["banana", "cuda:99"])
def test_a_device_that_is_not_there_is_named(folder, device):
    with pytest.raises(ParamsError, match=f"device is '{device}': .*; use auto, cpu or a device of this machine"):
        load_model(folder, device=device)


@pytest.mark.parametrize("source", ["nowhere", "nowhere/weights.safetensors", "model/other.safetensors"])
def test_a_model_that_is_not_there_is_named(folder, source):
    with pytest.raises(CheckpointError, match=f"{source}: no such model; give builtin, models:/NAME@champion"):
        load_model(folder.parent / source)


@pytest.fixture
def several(tmp_path):
    for count, operator in enumerate(("gebco", "mean", "blind"), start=1):
        save_model(DemSrNet(1, 8 * count), tmp_path / "several" / operator, training={})
    return tmp_path / "several"


def test_an_operator_is_an_argument_or_part_of_the_source(several):
    assert load_model(several, device="cpu", operator="mean").features == 16
    assert load_model(f"{several}#mean", device="cpu").features == 16
    assert load_model(several, device="cpu").features == 24
    assert isinstance(load_model(f"{several}#gebco", device="cpu"), CoastNet)
    with pytest.raises(ParamsError, match="operator is 'srtm'; it must be one of gebco, mean, blind"):
        load_model(f"{several}#srtm", device="cpu")


@pytest.mark.parametrize(
    ("asked", "product", "operator", "words"),
    [
        (None, "GEBCO", "gebco", "operator: gebco, the raster is GEBCO"),
        (None, "SRTM15+", "gebco", "operator: gebco, the raster is SRTM15+"),
        (None, None, "blind", "operator: blind, the product of the raster is not known"),
        ("mean", "GEBCO", "mean", None),
    ],
)
def test_the_operator_follows_from_the_product_unless_it_is_asked_for(several, asked, product, operator, words):
    found, reason = choose_operator(several, asked, product)
    assert found == operator
    assert reason is None if words is None else reason.startswith(words)


def test_a_single_net_is_taken_for_every_product_with_a_line_unless_it_was_trained_for_it(folder, tmp_path):
    assert choose_operator(folder, None, None) == (None, None)
    operator, reason = choose_operator(folder, None, "GEBCO")
    assert operator is None
    assert reason == "operator: the raster is GEBCO, the only net was trained for: it does not say what"
    save_model(DemSrNet(1, 8), tmp_path / "land", training={"degradations": ["gebco"]})
    assert choose_operator(tmp_path / "land", None, "GEBCO") == (None, None)
    save_model(DemSrNet(1, 8), tmp_path / "means", training={"degradations": ["block mean"]})
    assert choose_operator(tmp_path / "means", None, "SRTM15+")[1].endswith("trained for: mean")


class Trap:
    """Object that makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        """Return the call that unpickling makes."""
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
@pytest.mark.parametrize("write", [torch.save, lambda trap, path: path.write_bytes(pickle.dumps(trap))])
def test_pickle_in_the_place_of_a_file_is_refused_and_not_opened(folder, name, write, tmp_path):
    write(Trap(tmp_path / "opened"), folder / name)
    with pytest.raises(CheckpointError):
        load_model(folder)
    assert not (tmp_path / "opened").exists()
    pickle.loads(pickle.dumps(Trap(tmp_path / "opened")))
    assert (tmp_path / "opened").exists()
