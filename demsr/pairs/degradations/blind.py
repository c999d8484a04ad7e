"""Degradation `blind`: a family of grids whose making is not known, one drawn at random for each part of a region.

A grid of the sea floor is a mosaic. Each part has its own blur, displacement, gaps between soundings and noise; at the
edges of the parts are steps, and the whole is often rounded to whole metres. A net that is trained on all of these
learns to sharpen what looks measured and to smooth what looks like noise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from demsr.dem.dem import Dem
from demsr.dem.voids import fill_voids
from demsr.pairs.area import Area
from demsr.pairs.degradations.base import Degradation, RegionLr
from demsr.pairs.split import Region
from demsr.runtime.seeding import generator

_PARTS_PER_PATCH, _PATCH_LR_PX = 1.5, 32
_EXPONENTS = (-1.0, 1.2)  # of the amplitude of noise over its wavelength, uniform
_OCTAVES = (0.0, 0.7, 1.4, 2.8)  # standard deviations of the Gaussians that noise is made of, LR pixels

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Blind(Degradation):
    """Ranges of the family; pairs of bounds are drawn from uniformly in their logarithm.

    Attributes
    ----------
    blur_lr_px : bounds of the standard deviation of the Gaussian, LR pixels
    shift_lr_px : largest displacement along each axis, LR pixels
    sparse_share : share of the parts that have gaps between soundings
    sounded : bounds of the share of cells with soundings there
    noisy_share : share of the parts that have noise
    noise : bounds of its standard deviation, in units of the step from cell to cell
    step : standard deviation of the steps between parts, in the same unit
    rounding_m : step of the elevations and its probability
    """

    blur_lr_px: tuple[float, float] = (0.25, 1.0)
    shift_lr_px: float = 0.4
    sparse_share: float = 0.25
    sounded: tuple[float, float] = (0.03, 0.7)
    noisy_share: float = 0.85
    noise: tuple[float, float] = (0.03, 1.6)
    step: float = 0.3
    rounding_m: tuple[tuple[float, float], ...] = ((1.0, 0.6), (0.1, 0.15), (0.0, 0.25))

    name = "blind"

    def region_lr(self, region: Region, hr: Dem, *, scale: int, seed: int) -> RegionLr:
        """Return one draw of the family for a region."""
        rows, cols = (side // scale * scale for side in hr.elevation_m.shape)
        elevation = hr.elevation_m[:rows, :cols]
        lr = self.degrade(fill_voids(elevation), scale=scale, random=generator(seed, "blind", region.name))
        void = np.isnan(elevation).reshape(rows // scale, scale, cols // scale, scale).mean(axis=(1, 3)) > 0.5
        area = Area.from_dem(f"{region.name}, blind", hr, degradation=self.name, lr_source="drawn at random, in parts")
        elevation_m = np.where(void, np.float32(np.nan), lr)
        return RegionLr(hr=hr, row=region.row, col=region.col, area=area, elevation_m=elevation_m)

    def degrade(self, hr: NDArray[np.float32], *, scale: int, random: np.random.Generator) -> NDArray[np.float32]:
        """Return LR of one draw of the family, (H, W) metres.

        Parameters
        ----------
        hr : (scale*H, scale*W), metres, without voids
        scale : HR pixels per LR pixel along one axis
        random : generator of the draw
        """
        level = float(hr.mean(dtype=np.float64))
        heights = hr.astype(np.float64) - level
        lr = np.empty((hr.shape[0] // scale, hr.shape[1] // scale))
        part_of, count = _parts(lr.shape, random)
        for part in range(count):
            cells = part_of == part
            lr[cells] = self._part(heights, scale, random, raised=part > 0)[cells]
        steps, probabilities = zip(*self.rounding_m, strict=True)
        step = float(random.choice(steps, p=probabilities))
        return (np.round((lr + level) / step) * step if step else lr + level).astype(np.float32)

    def _part(self, heights: _Array, scale: int, random: np.random.Generator, *, raised: bool) -> _Array:
        """Return LR of the whole region as one part has it."""
        sigma = _log_uniform(self.blur_lr_px, random) * scale
        blurred = ndimage.gaussian_filter(heights, sigma, mode="nearest", truncate=3)
        reach = int(self.shift_lr_px * scale)
        down, right = random.integers(-reach, reach + 1, 2)
        lr: _Array = np.roll(blurred, (down, right), axis=(0, 1))[scale // 2 :: scale, scale // 2 :: scale]
        unit = float(np.sqrt((np.square(np.diff(lr, axis=0)).mean() + np.square(np.diff(lr, axis=1)).mean()) / 2))
        if random.random() < self.sparse_share:
            lr = _interpolated(lr, _log_uniform(self.sounded, random), random)
        if random.random() < self.noisy_share:
            lr = lr + _log_uniform(self.noise, random) * unit * _noise(lr.shape, random)
        return np.asarray(lr + random.normal(0, self.step * unit)) if raised else lr


def _parts(shape: tuple[int, int], random: np.random.Generator) -> tuple[NDArray[np.intp], int]:
    """Divide cells into the neighbourhoods of random points; return the number of each cell, and their count."""
    patches = shape[0] * shape[1] / _PATCH_LR_PX**2
    count = 1 + int(random.poisson(max(_PARTS_PER_PATCH * patches - 1, 0.5)))
    points = random.random((count, 2)) * shape
    gaps = np.ones(shape, bool)
    gaps[tuple(points.astype(int).T)] = False
    nearest = ndimage.distance_transform_edt(gaps, return_distances=False, return_indices=True)
    number = np.zeros(shape, np.intp)
    number[tuple(points.astype(int).T)] = np.arange(count)
    return number[tuple(nearest)], count


def _interpolated(lr: _Array, share: float, random: np.random.Generator) -> _Array:
    """Keep scattered soundings, or tracks, and interpolate between them, smoothly or by the nearest one."""
    rows, cols = np.indices(lr.shape)
    if random.random() < 1 / 3:
        angle = random.uniform(0, np.pi)
        across = rows * np.sin(angle) + cols * np.cos(angle)
        sounded = (across + random.uniform(0, 1 / share)) % (1 / share) < 1
    else:
        sounded = random.random(lr.shape) < share
    sounded.flat[random.integers(lr.size)] = True
    if random.random() < 0.5:
        nearest = ndimage.distance_transform_edt(~sounded, return_distances=False, return_indices=True)
        return np.asarray(lr[tuple(nearest)])
    return spread_soundings(lr, sounded)


def spread_soundings(lr: _Array, sounded: NDArray[np.bool_]) -> _Array:
    """Fill cells without soundings by averages over ever larger blocks, smoothed from the largest down.

    Parameters
    ----------
    lr : (H, W)
    sounded : (H, W); at least one is true

    Source: pull-push interpolation, Gortler et al. (1996), doi 10.1145/237170.237200.
    """
    levels = [(np.where(sounded, lr, 0.0), sounded.astype(np.float64))]
    while levels[-1][1].min() < 1:
        total, weight = (_summed(image) for image in (levels[-1][0] * levels[-1][1], levels[-1][1]))
        levels.append((total / np.maximum(weight, 1e-12), np.minimum(weight, 1)))
    filled = levels[-1][0]
    for known, weight in levels[-2::-1]:
        wide = np.kron(filled, np.ones((2, 2)))
        smooth = ndimage.uniform_filter(wide, 3, mode="nearest")[: known.shape[0], : known.shape[1]]
        filled = weight * known + (1 - weight) * smooth
    return filled


def _summed(image: _Array) -> _Array:
    """Add blocks of 2 x 2 cells; beyond the edges are zeros."""
    rows, cols = image.shape
    even = np.pad(image, ((0, rows % 2), (0, cols % 2)))
    return np.asarray(even.reshape((rows + 1) // 2, 2, (cols + 1) // 2, 2).sum(axis=(1, 3)))


def _noise(shape: tuple[int, ...], random: np.random.Generator) -> _Array:
    """Return noise of unit variance whose spectrum is a power of the wavelength; a quarter of the draws are stripes."""
    exponent = random.uniform(*_EXPONENTS)
    noise = np.zeros(shape)
    for octave, sigma in enumerate(_OCTAVES):
        white = random.standard_normal(shape)
        smooth = ndimage.gaussian_filter(white, sigma, mode="wrap") if sigma else white
        noise += 2 ** (exponent * octave) * smooth / smooth.std()
    if random.random() < 0.25:
        noise = ndimage.gaussian_filter1d(noise, 3.0, axis=int(random.integers(2)), mode="wrap")
    scaled: _Array = noise / noise.std()
    return scaled


def _log_uniform(bounds: tuple[float, float], random: np.random.Generator) -> float:
    return float(np.exp(random.uniform(*np.log(bounds))))
