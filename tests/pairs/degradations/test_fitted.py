import numpy as np
import pytest
from synthetic import plane, rough

from demsr.errors import ParamsError, VoidError
from demsr.pairs.degradations.fitted import FittedDegradation
from demsr.runtime.seeding import generator
from demsr.sources.sea_floor import synthetic_sea_floor

NOTHING = FittedDegradation(0.0, 1.0, 0.0)


def sea_floor(*, seed: int = 1) -> np.ndarray:
    return synthetic_sea_floor(128, 128, pixel_size_m=(460.0, 460.0), seed=seed)


def holed() -> np.ndarray:
    terrain = sea_floor()
    terrain[20:30, 40:70] = np.nan
    return terrain


def test_nothing_to_degrade_leaves_block_means_alone():
    np.testing.assert_array_equal(NOTHING.degrade(holed(), random=generator(0)), holed())


@pytest.mark.parametrize("sigma", [0.1, 0.3, 1.5])
def test_blur_of_a_spike_has_its_variance(sigma):
    spike = np.zeros((41, 41))
    spike[20, 20] = 1000
    blurred = FittedDegradation(sigma, 1.0, 0.0).degrade(spike, random=generator(0))
    offset = np.arange(41) - 20
    assert blurred.sum() == pytest.approx(1000, rel=1e-4)
    assert blurred.sum(axis=0) @ offset**2 / 1000 == pytest.approx(sigma**2, rel=1e-2)


def test_blur_keeps_a_constant_up_to_borders_and_voids():
    flat = np.full((30, 30), -3000, np.float32)
    flat[10:14, 5:9] = np.nan
    np.testing.assert_allclose(FittedDegradation(1.5, 1.0, 0.0).degrade(flat, random=generator(0)), flat, atol=1e-3)


def test_sparse_soundings_keep_a_plane():
    slope = plane(40, 40)
    np.testing.assert_allclose(FittedDegradation(0.0, 0.2, 0.0).degrade(slope, random=generator(0)), slope, atol=1e-2)


def test_share_of_cells_keeps_its_soundings():
    terrain = rough(60, 60)
    degraded = FittedDegradation(0.0, 0.4, 0.0).degrade(terrain, random=generator(0))
    assert (degraded == terrain).mean() == pytest.approx(0.4, abs=0.03)


def test_voids_stay_and_nothing_else_is_void():
    degraded = FittedDegradation(1.0, 0.2, 1.0).degrade(holed(), random=generator(0))
    np.testing.assert_array_equal(np.isnan(degraded), np.isnan(holed()))


def test_heights_are_rounded():
    degraded = FittedDegradation(1.0, 0.5, 0.5).degrade(sea_floor(), random=generator(0))
    assert degraded.dtype == np.float32
    np.testing.assert_array_equal(degraded * 2, np.rint(degraded * 2))


def test_a_wholly_void_region_stays_void():
    assert np.isnan(FittedDegradation(1.0, 0.5, 1.0).degrade(np.full((5, 5), np.nan), random=generator(0))).all()


def test_same_seed_gives_the_same_soundings():
    model = FittedDegradation(0.5, 0.3, 1.0)
    first, again, other = (model.degrade(sea_floor(), random=generator(seed, "soundings")) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("values", [(-1, 1, 1), (0, 0, 1), (0, 1.1, 1), (0, 1, -1), (np.nan, 1, 1)])
def test_impossible_parameters_are_refused(values):
    with pytest.raises(ParamsError, match=r"degradation: blur_lr_px=.*the share within \(0, 1\]"):
        FittedDegradation(*values)


@pytest.mark.parametrize("shape", [(1, 400), (1, 5)])
def test_soundings_that_span_no_area_are_refused(shape):
    with pytest.raises(VoidError, match="soundings span no area; give a larger region"):
        FittedDegradation(0.0, 0.05, 0.0).degrade(np.zeros(shape), random=generator(0))
