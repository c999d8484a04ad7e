"""The net that comes with the package; the Tennessee of the sample is not among what it was trained on."""

import numpy as np
import pytest
import torch

import demsr
from demsr.dem.voids import fill_voids
from demsr.inference.load import model_folder
from demsr.metrics.terrain import terrain_errors
from demsr.model.baselines import Bicubic
from demsr.model.checkpoint import parameter_count, read_config
from demsr.model.srnet import DemSrNet
from demsr.pairs.degrade import block_mean
from demsr.sources import sample


@pytest.fixture(scope="module")
def net() -> DemSrNet:
    return demsr.load_model("builtin", device="cpu")


@pytest.fixture(scope="module")
def tennessee() -> tuple[torch.Tensor, np.ndarray]:
    hr = sample.land().elevation_m
    rows, cols = (side // 5 * 5 for side in hr.shape)
    lr = block_mean(hr[:rows, :cols], scale=5)
    return torch.from_numpy(fill_voids(lr))[None, None], hr[:rows, :cols]


def rmse(method: torch.nn.Module, lr: torch.Tensor, hr: np.ndarray) -> float:
    with torch.no_grad():
        return float(np.sqrt(np.nanmean(np.square(method(lr)[0, 0].numpy() - hr))))


def test_it_is_small_and_says_what_it_was_trained_on(net):
    folder = model_folder("builtin")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3_000_000
    assert parameter_count(net) < 1_500_000
    training = read_config(folder).training
    assert training["unit"] == "m"
    assert "Pyrenees" in training["regions"]
    assert not any("Balanus" in region for region in training["regions"])
    assert (folder / "README.md").read_text().count("Not for navigation") == 1


def test_it_is_far_better_than_bicubic_where_it_was_not_trained(net, tennessee):
    assert rmse(net, *tennessee) < 0.8 * rmse(Bicubic(), *tennessee)


def test_its_slopes_are_better_too(net, tennessee):
    lr, hr = tennessee
    size = {"pixel_width_m": 75.0, "pixel_height_m": 92.0}
    with torch.no_grad():
        ours, bicubic = (method(lr)[0, 0].numpy() for method in (net, Bicubic()))
    slopes = [terrain_errors(sr, hr, **size)["slope_rmse_deg"] for sr in (ours, bicubic)]
    assert slopes[0] < 0.9 * slopes[1]


@pytest.mark.parametrize("orientation", range(1, 8))
def test_it_is_as_good_on_turned_terrain(net, tennessee, orientation):
    lr, hr = tennessee
    mirrored = (lr.flip(-1), hr[:, ::-1]) if orientation >= 4 else (lr, hr)
    turned = torch.rot90(mirrored[0], orientation % 4, (-2, -1)), np.rot90(mirrored[1], orientation % 4)
    gains = [1 - rmse(net, *pair) / rmse(Bicubic(), *pair) for pair in (turned, (lr, hr))]
    assert gains[0] == pytest.approx(gains[1], rel=0.05)


@pytest.mark.parametrize(
    ("down_m", "across_m", "level_m"), [(0, 0, -10_000), (30, -40, 250), (250, -300, 0), (0, 0, 8_000)]
)
def test_a_plane_comes_out_as_that_plane(net, down_m, across_m, level_m):
    def plane(rows: int, cols: int, scale: int) -> torch.Tensor:
        row = (torch.arange(rows, dtype=torch.float64)[:, None] - scale // 2) / scale
        col = (torch.arange(cols, dtype=torch.float64) - scale // 2) / scale
        return down_m * row + across_m * col + level_m

    with torch.no_grad():
        found = net(plane(30, 26, 1).float()[None, None])[0, 0].double()
    expected = plane(150, 130, 5)
    ulp = 2 ** torch.floor(torch.log2(expected.abs().clamp(min=1))) * torch.finfo(torch.float32).eps
    assert bool(((found - expected).abs() <= 2e-3 + 2 * ulp).all())
