from dataclasses import replace

import numpy as np
import pytest
import torch
from pair_files import rough_terrain
from protocol.scenes import Scene
from protocol.scoring import (
    BICUBIC,
    LINEAR,
    NOMINAL,
    PROJECTED,
    WIDTHS_PX,
    baselines,
    fit_linear,
    gaussian_name,
    method,
    nominal_bicubic,
    product,
    score,
    smoothed_bicubic,
    synthetic_errors,
)
from synthetic import grid, plane, rough
from torch.nn import functional

from demsr.model.baselines import Bicubic
from demsr.model.coast import CoastNet
from demsr.model.srnet import DemSrNet

BICUBIC_OF_TORCH = baselines("block mean", None)[BICUBIC]


def scene(rows_lr: int = 12, cols_lr: int = 9) -> Scene:
    hr = rough_terrain(5 * rows_lr, 5 * cols_lr, seed=3)
    return Scene("made", hr.reshape(rows_lr, 5, cols_lr, 5).mean(axis=(1, 3)), hr, 60.0, 90.0)


def test_scores_of_bicubic_do_not_depend_on_the_orientation():
    expected = score(BICUBIC_OF_TORCH, scene())
    for orientation in range(8):
        found = score(BICUBIC_OF_TORCH, scene().turned(orientation))
        for metric in ("rmse_m", "unbiased_rmse_m", "nmad_m", "slope_rmse_deg", "roughness_rmse_m", "consistency_m"):
            assert found[metric] == pytest.approx(expected[metric], rel=1e-4), metric


def test_a_constant_error_is_a_bias_alone():
    made = scene()
    made.hr[10:20, 3:9] = np.nan
    found = score(lambda _: scene().hr + np.float32(3), made)
    assert found["rmse_m"] == pytest.approx(3, rel=1e-4)
    assert found["bias_m"] == pytest.approx(3, rel=1e-4)
    assert found["unbiased_rmse_m"] == pytest.approx(0, abs=0.05)
    assert found["slope_rmse_deg"] == pytest.approx(0, abs=1e-3)
    assert found["consistency_m"] == pytest.approx(3, rel=1e-4)


def test_the_unbiased_error_is_the_standard_deviation():
    made, noise = scene(), rough(60, 45, level=-2, rms=4)
    found = score(lambda _: made.hr + noise, made)
    error = (made.hr + noise) - made.hr
    assert found["unbiased_rmse_m"] == pytest.approx(float(error.astype(float).std()), rel=1e-4)


def test_the_power_of_short_waves_is_that_beyond_two_lr_pixels():
    hr = rough(200, 200, rms=50)
    flat = Scene("made", np.zeros((40, 40), np.float32), hr, 90.0, 90.0)
    assert score(lambda _: hr / 2, flat)["short_wave_power_ratio"] == pytest.approx(1 / 4, rel=1e-3)


def test_bicubic_is_that_of_torch():
    lr = rough(9, 7)
    expected = functional.interpolate(torch.tensor(lr)[None, None], scale_factor=5, mode="bicubic")[0, 0]
    np.testing.assert_allclose(BICUBIC_OF_TORCH(lr), expected, atol=1e-2)


def test_bicubic_at_nominal_positions_equals_a_resampling_there():
    """Each HR pixel is read a tenth of a cell further south and west, with edges repeated."""
    lr = rough(11, 14)
    rows, cols = ((torch.arange(5 * count) - 2) / 5 + move for count, move in ((11, 0.1), (14, -0.1)))
    x, y = (2 * (places + 0.5) / count - 1 for places, count in ((cols, 14), (rows, 11)))
    places = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)[None]
    image = torch.tensor(lr)[None, None]
    expected = functional.grid_sample(image, places, mode="bicubic", padding_mode="border", align_corners=False)[0, 0]
    np.testing.assert_allclose(nominal_bicubic(lr), expected, atol=2e-2)


def test_nominal_positions_lie_south_west_on_a_plane():
    lr = plane(12, 12, level=0, per_row=10, per_col=-20)  # falls to the north and to the east
    raised = (nominal_bicubic(lr) - BICUBIC_OF_TORCH(lr))[20:-20, 20:-20]
    assert float(raised.mean()) == pytest.approx(0.1 * 10 + 0.1 * 20, rel=0.3)


def test_a_gaussian_lowers_a_wave_by_the_known_factor():
    wave = np.cos(2 * np.pi * np.arange(40) / 8).astype(np.float32) * np.ones((40, 1), np.float32)
    inner = np.s_[60:-60, 60:-60]
    bicubic = BICUBIC_OF_TORCH(wave)[inner]
    factor = np.exp(-0.5 * (2 * np.pi / 40 * 6) ** 2)  # the wave has 40 HR pixels
    found = smoothed_bicubic(6)(wave)[inner]
    assert found.std() / bicubic.std() == pytest.approx(factor, rel=0.01)
    np.testing.assert_allclose(smoothed_bicubic(3)(np.full((8, 8), -70, np.float32)), -70, atol=1e-3)


def test_our_model_is_scored_as_the_command_applies_it():
    net = DemSrNet(1, 8).eval()
    seen = replace(scene(), lr=scene().lr + 2000)
    step = 15 / 3600
    on_grid = replace(seen, grid=grid(*seen.lr.shape, pixel_width=step, pixel_height=step))
    np.testing.assert_allclose(product(net, on_grid)(seen.lr), method(net)(seen.lr), atol=1e-3)
    coast = CoastNet(net, net)
    plain, corrected = (product(coast, one)(seen.lr) for one in (seen, on_grid))
    np.testing.assert_allclose(plain, method(coast)(seen.lr), atol=1e-3)
    assert np.abs(corrected - plain).max() > 0.1


def test_each_kind_of_scene_has_its_baselines():
    linear = fit_linear([(scene().lr, scene().hr)])
    assert set(baselines("block mean", linear)) == {BICUBIC, PROJECTED, LINEAR}
    assert set(baselines("srtm", linear)) == {BICUBIC, PROJECTED, LINEAR, NOMINAL}
    assert set(baselines("land", None)) == {BICUBIC, PROJECTED}
    assert set(baselines("sea", None)) == {BICUBIC, PROJECTED, *map(gaussian_name, WIDTHS_PX)}


def test_the_linear_baseline_learns_a_linear_operator_from_what_is_measured():
    """HR is an interpolation by cubic convolution; the filter cannot tell it from its own kernels."""
    cubic = method(Bicubic(a=-0.5))
    pairs = []
    for seed in (1, 2):
        lr = rough(24, 24, seed=seed)
        hr = np.full((120, 120), np.nan, np.float32)
        hr[20:-20, 20:-20] = cubic(lr)[20:-20, 20:-20]
        pairs.append((lr, hr))
    lr = rough(20, 20, seed=9)
    found = method(fit_linear(pairs))(lr)
    np.testing.assert_allclose(found[20:-20, 20:-20], cubic(lr)[20:-20, 20:-20], atol=0.1)


def test_terrain_of_steps_has_the_error_of_its_rounding():
    found = synthetic_errors({"repeat": lambda lr: np.kron(lr, np.ones((5, 5), np.float32)), BICUBIC: BICUBIC_OF_TORCH})
    assert found["plateau"] == pytest.approx({"repeat": 0.3, BICUBIC: 0.3}, rel=1e-3)
    assert set(found["ramp, 1 m in 8 cells"]) == {"repeat", BICUBIC}
    assert all(0.1 < errors[BICUBIC] < 0.5 for errors in found.values())
