import numpy as np
import pytest

from demsr.metrics.spectra import WINDOW_PX, spectra

SIZE = {"pixel_width_m": 60.0, "pixel_height_m": 90.0}


def noise(*, seed: int, windows: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(windows * WINDOW_PX, windows * WINDOW_PX))


def without_short_waves(image: np.ndarray, *, shortest_m: float) -> np.ndarray:
    fx = np.fft.rfftfreq(image.shape[1], SIZE["pixel_width_m"])
    fy = np.fft.fftfreq(image.shape[0], SIZE["pixel_height_m"])
    kept = np.hypot(fx, fy[:, None]) <= 1 / shortest_m
    return np.fft.irfft2(np.fft.rfft2(image) * kept, image.shape)


def test_truth_has_its_own_power_and_follows_itself():
    found = spectra(noise(seed=0), noise(seed=0), **SIZE)
    assert found.windows == 9
    np.testing.assert_allclose(found.power_ratio, 1, rtol=1e-12)
    np.testing.assert_allclose(found.coherence, 1, rtol=1e-12)
    assert found.coherent_to_m == found.wavelength_m[-1]


def test_half_the_relief_has_a_quarter_of_the_power_and_stays_coherent():
    found = spectra(noise(seed=0) / 2 - 4000, noise(seed=0), **SIZE)
    np.testing.assert_allclose(found.power_ratio, 0.25, rtol=1e-9)
    np.testing.assert_allclose(found.coherence, 1, rtol=1e-9)


def test_other_relief_is_not_coherent():
    found = spectra(noise(seed=0), noise(seed=1), **SIZE)
    assert np.median(found.coherence) < 0.05
    assert found.coherent_to_m == found.wavelength_m[0]


def test_coherence_ends_at_the_wavelength_where_the_result_was_made_up():
    truth = noise(seed=0)
    below = without_short_waves(truth, shortest_m=600)
    made_up = noise(seed=1) - without_short_waves(noise(seed=1), shortest_m=600)
    found = spectra(below + made_up, truth, **SIZE)
    assert found.coherent_to_m == pytest.approx(600, rel=0.1)
    assert np.median(found.power_ratio) == pytest.approx(1, rel=0.1)


def test_what_is_too_smooth_lacks_power_at_short_wavelengths_alone():
    found = spectra(without_short_waves(noise(seed=0), shortest_m=600), noise(seed=0), **SIZE)
    assert found.power_ratio[found.wavelength_m > 700] == pytest.approx(1, rel=0.05)
    assert found.power_ratio[found.wavelength_m < 500].max() < 0.01


@pytest.mark.parametrize("axis", [0, 1])
def test_wavelengths_are_metres_along_both_axes(axis):
    period_px = 8
    wave = np.sin(2 * np.pi * np.indices((WINDOW_PX, WINDOW_PX))[axis] / period_px)
    hiss = noise(seed=0, windows=1) * 0.05
    found = spectra(2 * wave + hiss, wave + hiss, **SIZE)
    metres = period_px * (SIZE["pixel_height_m"] if axis == 0 else SIZE["pixel_width_m"])
    near = np.abs(found.wavelength_m / metres - 1) < 0.05
    shorter = found.wavelength_m < 0.75 * metres
    assert found.power_ratio[near].max() == pytest.approx(4, rel=0.05)
    np.testing.assert_allclose(found.power_ratio[shorter], 1, rtol=0.05)


def test_windows_with_a_void_are_left_out():
    truth = noise(seed=0)
    truth[5, 5] = np.nan
    assert spectra(truth, truth, **SIZE).windows == 8
    assert spectra(truth[:WINDOW_PX, :WINDOW_PX], truth[:WINDOW_PX, :WINDOW_PX], **SIZE) is None
    assert spectra(truth[:50, :50], truth[:50, :50], **SIZE) is None


def test_planes_have_no_spectrum():
    row, col = np.indices((WINDOW_PX, WINDOW_PX))
    hiss = noise(seed=0, windows=1)
    found = spectra(hiss + 30 * row - 20 * col + 4000, hiss, **SIZE)
    np.testing.assert_allclose(found.power_ratio, 1, rtol=0.01)
