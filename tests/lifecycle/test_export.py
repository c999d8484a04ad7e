from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import demsr
from demsr.errors import ParamsError
from demsr.lifecycle.export import export_model
from demsr.model.checkpoint import save_model
from demsr.model.srnet import DemSrNet

SIZES = ((1, 2, 2), (1, 13, 30), (3, 24, 9))


def terrain(count: int, height: int, width: int) -> torch.Tensor:
    """Hills of 300 m on a coast between 1,500 m depth and 1,500 m height, where float32 has steps of 0.1 mm or less."""
    torch.manual_seed(height)
    slope = torch.linspace(-1500, 1500, width).expand(count, 1, height, width)
    return slope + 300 * torch.randn(count, 1, height, width)


def run_onnx(path: Path, lr: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (output,) = session.run(["sr_m"], {"lr_m": lr.numpy()})
    return output


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model with nets for the land of GEBCO and for the rest."""
    folder = tmp_path_factory.mktemp("model")
    for operator, upsampling in (("gebco", "subpixel"), ("blind", "interpolate")):
        torch.manual_seed(1)
        net = DemSrNet(1, 4, upsampling=upsampling)
        for weight in net.last.parameters():
            torch.nn.init.normal_(weight, std=0.1)
        save_model(net, folder / operator, training={"degradations": [operator]})
    return folder


def test_a_model_gives_in_onnxruntime_what_it_gives_here_and_planes_stay_planes(model, tmp_path):
    out = tmp_path / "net.onnx"
    export_model(str(model), out, operator="gebco")
    net = demsr.load_model(model, "cpu", operator="gebco")
    for size in SIZES:
        lr = terrain(*size)
        with torch.inference_mode():
            expected = net(lr).numpy()
        np.testing.assert_allclose(run_onnx(out, lr), expected, rtol=0, atol=1e-3)
    row, col = (torch.arange(5.0 * size) / 5 - 0.4 for size in (7, 9))
    plane = 1000 + 20 * row[:, None] - 30 * col  # on land, where a residual net gives planes back
    (given,) = run_onnx(out, plane[2::5, 2::5][None, None])[0]
    np.testing.assert_allclose(given, plane.numpy(), rtol=0, atol=2e-3)
    metadata = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
    assert metadata["model_sha256"] == net.model_sha256
    assert metadata["model_card"].count("1 blocks x 4 features") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


@pytest.mark.parametrize(
    "options",
    [
        {"symmetric": True, "upsampling": "subpixel"},
        {"formulation": "direct", "long_skip": "input", "interpolation": "corner"},
    ],
    ids=["symmetric", "of the paper"],
)
def test_a_net_of_any_kind_is_equal_as_a_program_of_torch(options, tmp_path):
    torch.manual_seed(1)
    net = DemSrNet(1, 8, **options).eval()
    for weight in net.last.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    save_model(net, tmp_path / "net", training={"degradations": ["blind"]})
    export_model(str(tmp_path / "net"), tmp_path / "net.pt2")
    texts = {"model_card": "", "unit": ""}
    program = torch.export.load(tmp_path / "net.pt2", extra_files=texts).module()
    assert texts["unit"] == "m"
    assert "1 blocks x 8 features" in texts["model_card"]
    for size in SIZES:
        lr = terrain(*size)
        with torch.inference_mode():
            torch.testing.assert_close(program(lr), net(lr), rtol=0, atol=1e-3)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ParamsError, match=r"net.tflite: the suffix is '.tflite'; it must be .onnx or .pt2"):
        export_model("builtin", tmp_path / "net.tflite")
    (tmp_path / "net.onnx").write_text("")
    with pytest.raises(ParamsError, match=r"net.onnx: exists already; choose another name or add --overwrite"):
        export_model("builtin", tmp_path / "net.onnx")
