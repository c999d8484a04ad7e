import numpy as np
import pytest
from scipy import ndimage
from synthetic import dem, plane, rough

from demsr.pairs.degradations.blind import Blind, spread_soundings
from demsr.pairs.split import Region


def hills(side: int = 200) -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((side, side)), 8)
    return (300 * smooth / smooth.std() - 2000).astype(np.float32)


def drawn(number: int) -> np.ndarray:
    return Blind().degrade(hills(), scale=5, random=np.random.default_rng(number))


def test_a_draw_is_the_same_for_the_same_seed_and_another_for_another():
    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert np.abs(drawn(1) - drawn(2)).max() > 1


def test_every_draw_shows_the_terrain_and_most_are_whole_metres():
    truth = hills().reshape(40, 5, 40, 5).mean(axis=(1, 3))
    draws = [drawn(number) for number in range(40)]
    for lr in draws:
        assert lr.shape == (40, 40)
        assert np.corrcoef(lr[2:-2, 2:-2].ravel(), truth[2:-2, 2:-2].ravel())[0, 1] > 0.6
    assert 0.4 < np.mean([np.array_equal(lr, np.round(lr)) for lr in draws]) < 0.8


def test_without_noise_gaps_shifts_and_rounding_a_plane_stays_a_plane():
    clean = Blind(shift_lr_px=0, sparse_share=0, noisy_share=0, step=0, rounding_m=((0.0, 1.0),))
    slope = plane(200, 200)
    lr = clean.degrade(slope, scale=5, random=np.random.default_rng(0))
    np.testing.assert_allclose(lr[4:-4, 4:-4], slope[2::5, 2::5][4:-4, 4:-4], atol=1e-2)


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_soundings_keep_their_values_and_a_constant_stays_one(share):
    terrain = rough(37, 50).astype(float)
    sounded = np.random.default_rng(1).random(terrain.shape) < share
    sounded[5, 5] = True
    filled = spread_soundings(terrain, sounded)
    np.testing.assert_allclose(filled[sounded], terrain[sounded])
    assert terrain[sounded].min() - 1e-9 <= filled.min() <= filled.max() <= terrain[sounded].max() + 1e-9
    np.testing.assert_allclose(spread_soundings(np.full((9, 9), -40.0), sounded[:9, :9]), -40)


def test_voids_of_a_region_stay_void():
    terrain = hills()
    terrain[:50, :50] = np.nan
    raster = dem(terrain)
    region = Blind().region_lr(Region("r", "train", 0, 0, raster.grid), raster, scale=5, seed=0)
    assert np.isnan(region.elevation_m[:10, :10]).all()
    assert np.isfinite(region.elevation_m[10:]).all()
