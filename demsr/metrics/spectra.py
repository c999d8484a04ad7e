"""Power and coherence spectra of a result against the truth, and its effective resolution."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

WINDOW_PX = 160  # side of the averaged windows, which is the longest wavelength
_COHERENT = 0.5


@dataclass(frozen=True)
class Spectra:
    """Radial spectra of a result against the truth.

    Attributes
    ----------
    wavelength_m : (K,) metres, descending
    power_ratio : (K,) power of the result over that of the truth; below 1 it is too smooth, above 1 too rough
    coherence : (K,) squared, 0 to 1: the share of the truth's power that a linear filter could find in the result
    windows : number of windows that were averaged
    """

    wavelength_m: NDArray[np.float64]
    power_ratio: NDArray[np.float64]
    coherence: NDArray[np.float64]
    windows: int

    @property
    def coherent_to_m(self) -> float:
        """Longest wavelength in metres at which the coherence falls below 0.5: the effective resolution."""
        below = np.flatnonzero(self.coherence < _COHERENT)
        if not below.size or below[0] == 0:
            return float(self.wavelength_m[-1] if not below.size else self.wavelength_m[0])
        after, before = below[0], below[0] - 1
        share = (self.coherence[before] - _COHERENT) / (self.coherence[before] - self.coherence[after])
        frequency = 1 / self.wavelength_m[[before, after]]
        return float(1 / (frequency[0] + share * (frequency[1] - frequency[0])))


def spectra(
    sr: NDArray[np.floating], hr: NDArray[np.floating], *, pixel_width_m: float, pixel_height_m: float, bins: int = 40
) -> Spectra | None:
    """Compare spectra over all windows without voids; return None if there is none.

    Parameters
    ----------
    sr, hr : (H, W), metres, NaN where void
    pixel_width_m, pixel_height_m : size of a pixel
    bins : frequency bins, up to the Nyquist frequency of the coarser side

    Source: Welch's method (1967, doi 10.1109/TAU.1967.1161901) in two dimensions, with a Hann window.
    """
    side = WINDOW_PX
    fx, fy = np.meshgrid(np.fft.rfftfreq(side, pixel_width_m), np.fft.fftfreq(side, pixel_height_m))
    frequency = np.hypot(fx, fy)
    edges = np.linspace(0, 0.5 / max(pixel_width_m, pixel_height_m), bins + 1)
    place = np.digitize(frequency.ravel(), edges) - 1
    inside = (place >= 0) & (place < bins) & (frequency.ravel() > 0)
    sums = np.zeros((4, bins))
    windows = 0
    for part in _whole_windows(np.isfinite(sr) & np.isfinite(hr)):
        of_sr, of_hr = (np.fft.rfft2(_tapered(image[part])).ravel() for image in (sr, hr))
        cross = of_sr * of_hr.conj()
        for row, values in enumerate((np.abs(of_sr) ** 2, np.abs(of_hr) ** 2, cross.real, cross.imag)):
            sums[row] += np.bincount(place[inside], values[inside], minlength=bins)
        windows += 1
    filled = sums[:2].min(axis=0) > 0
    if not windows or not filled.any():
        return None
    power_sr, power_hr, real, imaginary = sums[:, filled]
    middle = ((edges[1:] + edges[:-1]) / 2)[filled]
    return Spectra(1 / middle, power_sr / power_hr, (real**2 + imaginary**2) / (power_sr * power_hr), windows)


def _whole_windows(measured: NDArray[np.bool_]) -> Iterator[tuple[slice, slice]]:
    """Yield adjacent windows without a void."""
    for row in range(0, measured.shape[0] - WINDOW_PX + 1, WINDOW_PX):
        for col in range(0, measured.shape[1] - WINDOW_PX + 1, WINDOW_PX):
            part = np.s_[row : row + WINDOW_PX, col : col + WINDOW_PX]
            if measured[part].all():
                yield part


def _tapered(image: NDArray[np.floating]) -> NDArray[np.float64]:
    """Remove the best-fitting plane and apply a Hann window."""
    along = np.arange(WINDOW_PX) - (WINDOW_PX - 1) / 2
    level = image.astype(np.float64) - image.mean(dtype=np.float64)
    rise = level.mean(axis=1) @ along, level.mean(axis=0) @ along
    level -= (rise[0] * along[:, None] + rise[1] * along) / (along @ along)
    hann = signal.windows.hann(WINDOW_PX, sym=False)
    tapered: NDArray[np.float64] = level * hann[:, None] * hann
    return tapered
