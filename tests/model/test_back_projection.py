import numpy as np
import pytest
import torch
from synthetic import dem, grid, plane, rough

from demsr.inference.land_law import LandLaw
from demsr.model.back_projection import gaussian_residual
from demsr.pairs.degradations.gebco import GebcoLand
from demsr.runtime.seeding import generator

ARCSEC_15 = 15 / 3600


def coarse(rows: int, cols: int, **options: float):
    return grid(rows, cols, **{"pixel_width": ARCSEC_15, "pixel_height": ARCSEC_15, **options})


def residual(law: LandLaw, hr: np.ndarray, lr: np.ndarray) -> np.ndarray:
    sigma_px, _ = law.rows(0, lr.shape[0])
    sr, cells = (torch.tensor(image)[None, None] for image in (hr, lr))
    return gaussian_residual(sr, cells, torch.from_numpy(sigma_px), reach_px=law.reach_px)[0, 0].numpy()


@pytest.mark.parametrize("north", [0.2, 45.0, 59.9, -40.0])
def test_terrain_under_the_degradation_gebco_leaves_no_residual(north):
    hr = rough(150, 175, rms=100)
    lr = GebcoLand(rounding_m=0).degrade(dem(hr, north=north), random=generator(0))[2::5, 2::5]
    found = residual(LandLaw(coarse(30, 35, north=north), 5), hr, lr)[4:-4, 4:-4]
    assert np.abs(lr - 500).max() > 20
    assert np.abs(found).max() < 0.5  # the degradation cuts its Gaussian off farther out
    moved = residual(LandLaw(coarse(30, 35, north=north), 5), np.roll(hr, 1, axis=1), lr)[4:-4, 4:-4]
    assert np.abs(moved).max() > 5


def test_a_plane_leaves_no_residual_and_a_constant_exactly_none():
    law = LandLaw(coarse(20, 24), 5)
    assert not residual(law, np.full((100, 120), 4321.1, np.float32), np.full((20, 24), 4321.1, np.float32)).any()
    slope = plane(100, 120)
    assert np.abs(residual(law, slope, slope[2::5, 2::5].copy())[3:-3, 3:-3]).max() < 1e-3
