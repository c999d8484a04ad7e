import numpy as np
import pytest

from demsr.runtime.seeding import generator
from demsr.sources import sea_floor
from demsr.sources.sea_floor import synthetic_sea_floor

SIZE_M = (75.0, 92.0)


def hills(seed: int = 0, side: int = 256) -> np.ndarray:
    return sea_floor._abyssal_hills(side, side, pixel_size_m=SIZE_M, random=generator(seed, "hills"))


def roughness_along(direction: float, elevation: np.ndarray, step_m: float = 1500.0) -> float:
    """Return the mean square difference between points a step apart, clockwise from north."""
    rows = round(-step_m * np.cos(np.radians(direction)) / SIZE_M[1])
    cols = round(step_m * np.sin(np.radians(direction)) / SIZE_M[0])
    return float(np.square(elevation - np.roll(elevation, (rows, cols), axis=(0, 1))).mean())


def test_sea_floor_has_the_shape_and_lies_below_the_sea():
    floor = synthetic_sea_floor(120, 90, pixel_size_m=SIZE_M, seed=3)
    assert (floor.shape, floor.dtype) == ((120, 90), np.float32)
    assert floor.max() < 0
    assert floor.min() > -6000


def test_sea_floor_follows_from_its_seed():
    first, again, other = (synthetic_sea_floor(60, 60, pixel_size_m=SIZE_M, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_hills_have_their_height():
    assert hills().std() == pytest.approx(sea_floor._HILLS_RMS_M)


def test_power_of_hills_falls_with_the_exponent_of_goff_and_jordan():
    power = np.mean([np.abs(np.fft.fft2(hills(seed))) ** 2 for seed in range(12)], axis=0)
    row = power[0, 1:128]  # along the first axis of wave numbers
    wave_number = 2 * np.pi * np.fft.fftfreq(256, SIZE_M[0])[1:128]
    steep = wave_number > 10 * 2 / sea_floor._HILLS_ACROSS_M
    exponent = np.polyfit(np.log(wave_number[steep]), np.log(row[steep]), 1)[0]
    assert exponent == pytest.approx(-2 * (4 - sea_floor._FRACTAL_DIMENSION), abs=0.25)


def test_hills_are_rougher_across_than_along_the_ridge():
    strike = sea_floor._HILLS_AZIMUTH_DEG
    roughness = {
        turn: np.mean([roughness_along(strike + turn, hills(seed)) for seed in range(4)]) for turn in (0, 45, 90, 135)
    }
    assert max(roughness, key=roughness.__getitem__) == 90
    assert min(roughness, key=roughness.__getitem__) == 0
    assert roughness[90] > 2 * roughness[0]


def test_sediment_fills_hollows_and_leaves_summits():
    floor = np.where(np.arange(200) % 40 < 20, -3800.0, -3000.0)[None, :].repeat(200, axis=0)
    buried = sea_floor._bury(floor, SIZE_M)
    hollows = floor < -3500
    assert (buried[hollows] > floor[hollows] + 50).all()
    np.testing.assert_allclose(buried[~hollows], floor[~hollows], atol=1)


def test_scarp_steps_down_once_by_its_height():
    x_m, y_m = np.arange(400) * 75.0, (np.arange(50) * 92.0)[:, None]
    step = sea_floor._scarp(x_m, y_m)
    assert (np.diff(step, axis=1) <= 0).all()
    assert step[:, 0] == pytest.approx(0, abs=1e-3)
    assert step[:, -1] == pytest.approx(-sea_floor._SCARP_HEIGHT_M, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_seamount_is_a_cone_of_plausible_height_and_slope(seed):
    x_m, y_m = np.arange(300) * 75.0, (np.arange(300) * 92.0)[:, None]
    cone = sea_floor._seamount(x_m, y_m, np.random.default_rng(seed))
    assert cone.min() >= 0
    assert 90 < cone.max() < 901
    steepest = max(np.abs(np.diff(cone, axis=1)).max() / 75, np.abs(np.diff(cone, axis=0)).max() / 92)
    assert np.tan(np.radians(11)) < steepest < np.tan(np.radians(18.01))
