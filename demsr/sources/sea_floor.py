"""Synthetic sea floor with abyssal hills, seamounts, a fault scarp and a sediment plain, from one seed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from demsr.runtime.seeding import generator

Metres = NDArray[np.floating[Any]]

_MEAN_DEPTH_M = 3_400.0
_HILLS_RMS_M = 130.0
_HILLS_ACROSS_M, _HILLS_ALONG_M = 2_200.0, 9_000.0  # characteristic widths, slow-spreading ridge
_HILLS_AZIMUTH_DEG = 25.0
_FRACTAL_DIMENSION = 2.2
_SCARP_HEIGHT_M = 260.0
_SEDIMENT_LEVEL_M = -3_420.0
_SEDIMENT_SMOOTHING_M = 350.0
_SEAMOUNTS = 24


def synthetic_sea_floor(rows: int, cols: int, *, pixel_size_m: tuple[float, float], seed: int) -> NDArray[np.float32]:
    """Return a sea floor (rows, cols) in metres, negative; the same seed gives the same values.

    Parameters
    ----------
    rows, cols : size of the grid
    pixel_size_m : (width, height) of a pixel
    seed : base seed

    Source: abyssal hills have the spectrum of Goff and Jordan (1988, doi 10.1029/JB093iB11p13589); their heights and
    widths here are in its range for slow-spreading ridges. The other shapes are simple geometry.
    """
    random = generator(seed, "sea floor")
    width_m, height_m = pixel_size_m
    x_m = np.arange(cols) * width_m
    y_m = (np.arange(rows) * height_m)[:, None]
    relief = _abyssal_hills(rows, cols, pixel_size_m=pixel_size_m, random=random)
    floor: Metres = relief - _MEAN_DEPTH_M + _scarp(x_m, y_m)
    floor = _bury(floor, pixel_size_m)
    for _ in range(_SEAMOUNTS):
        floor = floor + _seamount(x_m, y_m, random)
    return floor.astype(np.float32)


def _abyssal_hills(rows: int, cols: int, *, pixel_size_m: tuple[float, float], random: np.random.Generator) -> Metres:
    """Return white noise filtered to the anisotropic von Karman spectrum of Goff and Jordan."""
    kx = 2 * np.pi * np.fft.fftfreq(cols, pixel_size_m[0])
    ky = 2 * np.pi * np.fft.fftfreq(rows, pixel_size_m[1])[:, None]
    angle = np.radians(_HILLS_AZIMUTH_DEG)
    across = kx * np.cos(angle) + ky * np.sin(angle)
    along = ky * np.cos(angle) - kx * np.sin(angle)
    hurst = 3 - _FRACTAL_DIMENSION
    spectrum = (1 + (across * _HILLS_ACROSS_M / 2) ** 2 + (along * _HILLS_ALONG_M / 2) ** 2) ** -(hurst + 1)
    noise = np.fft.fft2(random.standard_normal((rows, cols)))
    hills = np.fft.ifft2(noise * np.sqrt(spectrum)).real
    scaled: Metres = hills / hills.std() * _HILLS_RMS_M
    return scaled


def _scarp(x_m: Metres, y_m: Metres) -> Metres:
    """Return a downward step, 300 m wide, across a line through the whole area."""
    distance = (x_m - 0.55 * x_m.max()) + 0.35 * (y_m - y_m.mean())
    step: Metres = -_SCARP_HEIGHT_M / (1 + np.exp(-distance / 150.0))
    return step


def _bury(floor: Metres, pixel_size_m: tuple[float, float]) -> Metres:
    """Fill hollows with sediment up to a softly undulating level."""
    sigma = (_SEDIMENT_SMOOTHING_M / pixel_size_m[1], _SEDIMENT_SMOOTHING_M / pixel_size_m[0])
    level = _SEDIMENT_LEVEL_M + 0.25 * (ndimage.gaussian_filter(floor, sigma) - floor.mean())
    softness_m = 15.0
    buried: Metres = level + softness_m * np.logaddexp(0, (floor - level) / softness_m)
    return buried


def _seamount(x_m: Metres, y_m: Metres, random: np.random.Generator) -> Metres:
    """Return a cone with a rounded foot, 100 to 900 m high, slopes of about 15 degrees."""
    centre_x, centre_y = random.uniform(0, x_m.max()), random.uniform(0, y_m.max())
    height_m = random.uniform(100, 900)
    radius_m = height_m / np.tan(np.radians(random.uniform(12, 18)))
    distance = np.hypot(x_m - centre_x, y_m - centre_y) / radius_m
    cone: Metres = height_m * np.logaddexp(0, 8 * (1 - distance)) / 8
    return cone
