"""Training patches drawn at random from rasters in memory, degraded on the way; a draw depends on its key alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from demsr.dem.dem import Dem
from demsr.dem.grid import Box
from demsr.dem.read.identity import LAND_SIGMA_M
from demsr.dem.read.raster import read_dem
from demsr.dem.voids import fill_voids
from demsr.pairs.datamodule import SampleKey, orient
from demsr.pairs.degradations.blind import Blind
from demsr.pairs.degradations.gebco import GebcoLand
from demsr.pairs.degrade import block_mean
from demsr.runtime.seeding import generator
from protocol.scenes import SCALE, Scene

PATCH_LR, GAP_LR = 32, 2
_SIDE = PATCH_LR * SCALE
_MOST_VOID, _LEAST_RELIEF_M = 0.4, 1.0
_ROUNDED_SHARE, _FLAT_SHARE = 0.5, 0.5  # of the patches with block means; of the rounded ones
_MARGIN_LR = 8  # around a patch that is degraded blindly
_ZOOM = (0.67, 3.0)  # log-uniform, at least 1: the sea floor is smoother than land at the same spacing
_FLATTER = (0.03, 1.0)  # factor of the relief, log-uniform
_DEEPER_M = 4000.0  # largest depth of the highest point, unless the patch has a coast
_COAST_SHARE, _LARGEST_DRY_SHARE = (
    0.3,
    0.6,
)  # of the patches, with a coast; of the pixels of such a patch, above the sea
CLEAN = Blind(blur_lr_px=(0.25, 0.45), shift_lr_px=0, sparse_share=0, noisy_share=0)  # grids of good surveys

Image = NDArray[np.float32]
Pair = tuple[Image, Image]


class Source(ABC):
    """Rasters or scenes that patches are drawn from."""

    @abstractmethod
    def draw(self, random: np.random.Generator) -> Pair | None:
        """Return LR (32, 32) and HR (160, 160) in metres, NaN where void; None if the draw is of no use."""


class Patches(Dataset[tuple[Tensor, Tensor]]):
    """Patches of several sources in one of the eight orientations; every epoch has new ones.

    Parameters
    ----------
    sources : source and its share of the patches
    count : patches of an epoch
    seed : base seed
    """

    def __init__(self, sources: Mapping[Source, float], *, count: int, seed: int) -> None:
        self.sources, self.shares = list(sources), np.array(list(sources.values())) / sum(sources.values())
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        """Return the number of patches of an epoch."""
        return self.count

    def __getitem__(self, key: SampleKey) -> tuple[Tensor, Tensor]:
        """Return lr (1, 32, 32) and hr (1, 160, 160), metres, by (epoch, index)."""
        random = generator(self.seed, "patch", *key)
        source = self.sources[int(random.choice(len(self.sources), p=self.shares))]
        while (pair := source.draw(random)) is None:
            pass
        orientation = int(random.integers(8))
        lr, hr = (torch.from_numpy(orient(image[None], orientation)) for image in pair)
        return lr, hr


class RasterSource(Source):
    """Rasters with a degradation that every patch shares: "mean" or "gebco".

    Parameters
    ----------
    rasters : HR elevation
    operator : "mean" (half of the patches rounded to whole metres, as GEBCO is, and half of those flattened first,
        so that the net knows the steps of a gentle slope) or "gebco"
    sigma_m : standard deviation of the Gaussian of "gebco", metres
    """

    def __init__(self, rasters: Sequence[Dem], operator: str, *, sigma_m: float = LAND_SIGMA_M) -> None:
        self.elevation = [one.elevation_m for one in rasters]
        self.blurred: list[Image] = []
        if operator == "gebco":
            law = GebcoLand(sigma_m=sigma_m)
            self.blurred = [law.degrade(one, random=generator(0, "coast", i)) for i, one in enumerate(rasters)]
        self.shares = _by_size(self.elevation)

    def draw(self, random: np.random.Generator) -> Pair | None:
        """See `Source`."""
        number = int(random.choice(len(self.elevation), p=self.shares))
        place = _place(self.elevation[number], _SIDE, random)
        hr = self.elevation[number][place]
        if np.isnan(hr).mean() > _MOST_VOID:
            return None
        if self.blurred:
            return _with_relief(self.blurred[number][place][SCALE // 2 :: SCALE, SCALE // 2 :: SCALE], hr)
        if random.random() < _ROUNDED_SHARE:
            hr = hr * np.float32(np.exp(random.uniform(*np.log(_FLATTER))) if random.random() < _FLAT_SHARE else 1)
            return _with_relief(np.round(block_mean(hr, scale=SCALE)), hr)
        return _with_relief(block_mean(hr, scale=SCALE), hr)


class BlindSource(Source):
    """Rasters whose terrain is stretched to that of a sea floor and degraded in an unknown way.

    Land is at 0 m in LR and not measured in HR, as the net for the sea floor sees and is scored on it.

    Parameters
    ----------
    rasters : HR elevation
    family : of the degradations
    """

    def __init__(self, rasters: Sequence[Dem], family: Blind) -> None:
        self.elevation = [one.elevation_m for one in rasters if min(one.elevation_m.shape) > _SIDE]
        self.shares, self.family = _by_size(self.elevation), family

    def draw(self, random: np.random.Generator) -> Pair | None:
        """See `Source`."""
        number = int(random.choice(len(self.elevation), p=self.shares))
        wide = _SIDE + 2 * _MARGIN_LR * SCALE
        zoom = max(1.0, float(np.exp(random.uniform(*np.log(_ZOOM)))))
        side = int(np.ceil(wide / zoom)) + 1
        if min(self.elevation[number].shape) < side:
            return None
        terrain = self.elevation[number][_place(self.elevation[number], side, random)]
        if np.isnan(terrain).any():
            return None
        if zoom > 1:
            terrain = ndimage.zoom(terrain, zoom, order=3)
        flatter = np.float32(np.exp(random.uniform(*np.log(_FLATTER))))
        terrain = terrain[:wide, :wide] * flatter
        dry = random.uniform(0, _LARGEST_DRY_SHARE) if random.random() < _COAST_SHARE else 0.0
        depth = 0.0 if dry else random.uniform(0, _DEEPER_M)
        terrain -= np.float32(np.quantile(terrain, 1 - dry) + depth)
        lr = self.family.degrade(terrain, scale=SCALE, random=random)
        inner = slice(_MARGIN_LR, -_MARGIN_LR), slice(_MARGIN_LR * SCALE, -_MARGIN_LR * SCALE)
        sea = np.where(terrain < 0, terrain, np.float32(np.nan))
        return _with_relief(np.minimum(lr, 0)[inner[0], inner[0]], sea[inner[1], inner[1]])


class SceneSource(Source):
    """True pairs of a real LR grid and the truth.

    Parameters
    ----------
    scenes : pairs; smaller ones than a patch are extended by reflection
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self.pairs = [(_extended(one.lr, PATCH_LR, "reflect"), _extended(one.hr, _SIDE, "constant")) for one in scenes]
        measured = np.sqrt([np.isfinite(one.hr).sum() for one in scenes])
        self.shares = measured / measured.sum()

    def draw(self, random: np.random.Generator) -> Pair | None:
        """See `Source`; HR is moved to the level of LR."""
        lr, hr = self.pairs[int(random.choice(len(self.pairs), p=self.shares))]
        row, col = (int(random.integers(side - PATCH_LR + 1)) for side in lr.shape)
        near = lr[row : row + PATCH_LR, col : col + PATCH_LR]
        truth = hr[row * SCALE :, col * SCALE :][:_SIDE, :_SIDE]
        if np.isfinite(truth).mean() < 0.25:
            return None
        level = np.nanmedian(np.kron(near, np.ones((SCALE, SCALE), np.float32)) - truth)
        return near, (truth + level).astype(np.float32)


def read_rasters(paths: Sequence[Path], held_out: Sequence[Box]) -> list[Dem]:
    """Read rasters and make void what lies within two LR pixels of held-out ground.

    Parameters
    ----------
    paths : harmonised rasters
    held_out : boxes in degrees
    """
    return [_without(read_dem(path), held_out) for path in paths]


def whole_pairs(rasters: Sequence[Dem], operator: str) -> Iterator[Pair]:
    """Yield LR (H, W) and HR (5H, 5W) of whole rasters, metres, NaN where void in HR.

    Parameters
    ----------
    rasters : HR elevation
    operator : "mean" or "gebco"
    """
    for one in rasters:
        rows, cols = (side // SCALE * SCALE for side in one.elevation_m.shape)
        part = one.window(0, 0, rows, cols)
        if operator == "gebco":
            lr = GebcoLand().degrade(part, random=generator(0, "coast"))[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]
        else:
            lr = block_mean(part.elevation_m, scale=SCALE)
        if np.isfinite(lr).any() and (pair := _with_relief(lr, part.elevation_m)):
            yield pair


def _without(dem: Dem, boxes: Sequence[Box]) -> Dem:
    elevation = dem.elevation_m.copy()
    gap = GAP_LR * SCALE
    for box in boxes:
        west, south, east, north = dem.grid.box_of_lonlat(box)
        top, left = dem.grid.index(west, north)
        bottom, right = dem.grid.index(east, south)
        rows, cols = (
            slice(max(0, int(low) - gap), max(0, int(high) + gap + 1)) for low, high in ((top, bottom), (left, right))
        )
        elevation[rows, cols] = np.nan
    return replace(dem, elevation_m=elevation)


def _place(image: Image, side: int, random: np.random.Generator) -> tuple[slice, slice]:
    row, col = (int(random.integers(length - side + 1)) for length in image.shape)
    return slice(row, row + side), slice(col, col + side)


def _with_relief(lr: Image, hr: Image) -> Pair | None:
    """Return the pair with LR without voids, and HR void where LR is; None if LR is flat."""
    if np.isnan(lr).all() or np.nanmax(lr) - np.nanmin(lr) < _LEAST_RELIEF_M:
        return None
    void = np.kron(np.isnan(lr), np.ones((SCALE, SCALE), bool))
    return fill_voids(lr.astype(np.float32)), np.where(void, np.float32(np.nan), hr)


def _by_size(images: Sequence[Image]) -> NDArray[np.float64]:
    sizes = np.array([np.isfinite(one).sum() if min(one.shape) >= _SIDE else 0 for one in images], float)
    return sizes / sizes.sum()


def _extended(image: Image, side: int, mode: str) -> Image:
    missing = [(0, max(0, side - length)) for length in image.shape]
    options = {"constant_values": np.nan} if mode == "constant" else {}
    extended: Image = np.pad(image, missing, mode=mode, **options)  # type: ignore[call-overload]
    return extended
