import json
from pathlib import Path

import pytest
import torch

from demsr.errors import CheckpointError
from demsr.model.checkpoint import CONFIG, WEIGHTS, read_config, read_model, save_model
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(6)
    net = DemSrNet(2, 8, elevation_scale_m=50.0)
    torch.nn.init.normal_(net.last.weight)
    save_model(net, tmp_path / "model", training={"profile": "test", "seed": 1})
    return tmp_path / "model"


def test_a_model_comes_back_bit_by_bit(folder):
    torch.manual_seed(6)
    net = DemSrNet(2, 8, elevation_scale_m=50.0)
    torch.nn.init.normal_(net.last.weight)
    again = read_model(folder)
    assert again.config() == net.config()
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in net.state_dict().items())
    assert not again.training


def test_half_precision_halves_the_file_and_moves_weights_by_a_2000th(folder):
    net = read_model(folder)
    save_model(net, folder.parent / "half", training={}, half=True)
    again = read_model(folder.parent / "half")
    assert (folder.parent / "half" / WEIGHTS).stat().st_size < 0.6 * (folder / WEIGHTS).stat().st_size
    for name, value in net.state_dict().items():
        assert again.state_dict()[name].dtype == torch.float32
        torch.testing.assert_close(again.state_dict()[name], value, rtol=2**-11, atol=1e-7)


def test_a_configuration_of_before_sub_pixel_upsampling_is_read(folder):
    config = json.loads((folder / CONFIG).read_text())
    del config["net"]["upsampling"]
    (folder / CONFIG).write_text(json.dumps(config))
    assert read_model(folder).upsampling == "interpolate"


def test_the_uncertainty_travels_along(folder):
    net = read_model(folder)
    assert net.uncertainty is None
    uncertainty = Uncertainty(
        scale=5,
        log_weights=(0.1, 0.2, 0.3, 0.4, 0.5),
        log_offset=-1.0,
        raw_m=(1.0, 2.0),
        sigma_m=(1.5, 2.5),
        constant_m=2.0,
        areas=("here", "there"),
        pixels=17,
    )
    save_model(net, folder.parent / "banded", training={}, uncertainty=uncertainty)
    assert read_model(folder.parent / "banded").uncertainty == uncertainty


def test_a_configuration_of_before_uncertainty_is_read(folder):
    config = json.loads((folder / CONFIG).read_text())
    del config["uncertainty"]
    (folder / CONFIG).write_text(json.dumps(config))
    assert read_model(folder).uncertainty is None


def test_what_it_was_trained_on_travels_along(folder):
    assert read_config(folder).training == {"profile": "test", "seed": 1}


def test_damaged_weights_are_refused(folder):
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256 is"):
        read_model(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        read_model(folder)


def test_a_strange_configuration_is_refused(folder):
    content = json.loads((folder / CONFIG).read_text())
    content["net"]["depth"] = 3
    (folder / CONFIG).write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="not a model configuration"):
        read_config(folder)


def test_weights_of_another_net_are_refused(folder):
    content = json.loads((folder / CONFIG).read_text())
    content["net"]["num_blocks"] = 3
    (folder / CONFIG).write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="do not fit config.json"):
        read_model(folder)
