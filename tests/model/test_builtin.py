"""The nets that come with the package; the Tennessee of the sample is not among what they were trained on."""

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
from demsr.pairs.degradations.gebco import GebcoLand
from demsr.pairs.degrade import block_mean
from demsr.runtime.seeding import generator
from demsr.sources import sample


@pytest.fixture(scope="module", params=["gebco", "mean", "blind"])
def net(request) -> DemSrNet:
    """Each net of the model; that for the land of GEBCO without its partner for the sea floor."""
    model = demsr.load_model("builtin", device="cpu", operator=request.param)
    return model.land if request.param == "gebco" else model


@pytest.fixture(scope="module", params=["gebco", "mean"])
def tennessee(request) -> tuple[DemSrNet, torch.Tensor, np.ndarray]:
    """A net, and Tennessee under the operator that it was trained for."""
    dem = sample.land()
    hr = dem.window(0, 0, *(side // 5 * 5 for side in dem.elevation_m.shape))
    gebco = request.param == "gebco"
    lr = GebcoLand().degrade(hr, random=generator(0))[2::5, 2::5] if gebco else block_mean(hr.elevation_m, scale=5)
    net = demsr.load_model("builtin", device="cpu", operator=request.param)
    return net, torch.from_numpy(fill_voids(lr))[None, None], hr.elevation_m


def rmse(method: torch.nn.Module, lr: torch.Tensor, hr: np.ndarray) -> float:
    with torch.no_grad():
        return float(np.sqrt(np.nanmean(np.square(method(lr)[0, 0].numpy() - hr))))


def test_it_is_small_and_not_for_navigation():
    folder = model_folder("builtin")
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 3_000_000
    assert (folder / "README.md").read_text().count("Not for navigation") == 1


def test_each_net_is_small(net):
    assert parameter_count(net) < 1_500_000


@pytest.mark.parametrize(
    ("operator", "degradations"), [("gebco", ["gebco"]), ("mean", ["block mean"]), ("blind", ["blind", "real"])]
)
def test_its_nets_say_what_they_were_trained_on(operator, degradations):
    training = read_config(model_folder("builtin") / operator).training
    assert training["unit"] == "m"
    assert training["degradations"] == degradations
    assert "Pyrenees" in training["regions"]
    assert not any("Balanus" in region for region in training["regions"])


def test_it_is_far_better_than_bicubic_where_it_was_not_trained(tennessee):
    net, lr, hr = tennessee
    assert rmse(net, lr, hr) < 0.8 * rmse(Bicubic(), lr, hr)


def test_its_slopes_are_better_too(tennessee):
    net, lr, hr = tennessee
    size = {"pixel_width_m": 75.0, "pixel_height_m": 92.0}
    with torch.no_grad():
        ours, bicubic = (method(lr)[0, 0].numpy() for method in (net, Bicubic()))
    slopes = [terrain_errors(sr, hr, **size)["slope_rmse_deg"] for sr in (ours, bicubic)]
    assert slopes[0] < 0.9 * slopes[1]


@pytest.mark.parametrize("orientation", range(1, 8))
def test_it_is_as_good_on_turned_terrain(tennessee, orientation):
    net, lr, hr = tennessee
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
