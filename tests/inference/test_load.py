import pytest
import torch

from demsr.errors import CheckpointError, ParamsError
from demsr.inference.load import load_model, model_folder
from demsr.model.checkpoint import WEIGHTS, save_model
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
