"""Rasters with their truth: block means of a raster, GEBCO with the SRTM it was made from, or with another survey."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from demsr.dem.average import average, finer_than
from demsr.dem.dem import Dem
from demsr.dem.grid import Grid
from demsr.dem.read.identity import LAND_OFFSET_ARCSEC
from demsr.dem.read.raster import read_dem
from demsr.dem.voids import fill_voids
from demsr.errors import GridError
from demsr.model.baselines import Bicubic
from demsr.pairs.align import align_hr
from demsr.pairs.degrade import block_mean

SCALE = 5
_SHORE_M = 1.0  # cells and pixels between -1 and 1 m belong to neither land nor sea
_LARGEST_SHIFT_PX = 12  # of a survey against GEBCO, HR pixels
_LEAST_PX = 5000

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """A raster with its truth.

    Attributes
    ----------
    name : name of the region
    lr : (H, W) metres, voids filled
    hr : (5H, 5W) metres, NaN where HR or LR is void, or where the scene is not scored
    pixel_width_m, pixel_height_m : size of an HR pixel
    grid : of LR, None where it does not matter
    """

    name: str
    lr: Image
    hr: Image
    pixel_width_m: float
    pixel_height_m: float
    grid: Grid | None = None

    def turned(self, orientation: int) -> "Scene":
        """Return the scene rotated by `orientation % 4` quarter turns and, from 4 on, mirrored."""
        lr, hr = (_turned(image, orientation) for image in (self.lr, self.hr))
        size = self.pixel_width_m, self.pixel_height_m
        width_m, height_m = size[::-1] if orientation % 2 else size
        return Scene(self.name, lr, hr, width_m, height_m)


def block_mean_scene(name: str, raster: Path) -> Scene:
    """Read a raster; LR is its block means."""
    dem = read_dem(raster)
    rows, cols = (side // SCALE * SCALE for side in dem.elevation_m.shape)
    part = dem.window(0, 0, rows, cols)
    return _scene(name, block_mean(part.elevation_m, scale=SCALE), part)


def srtm_scene(name: str, lr_file: Path, hr_file: Path) -> Scene:
    """Read the land of GEBCO and the SRTM that it was made from, on the lattice of the SRTM pixels.

    Each LR cell lies over the 5 x 5 SRTM pixels around its sample, so that the truth is not resampled.

    Parameters
    ----------
    name : name of the pair
    lr_file : grid of 15 arc-seconds
    hr_file : SRTM of 3 arc-seconds, its sea void
    """
    hr = read_dem(hr_file)
    lr = read_dem(lr_file, vertical_datum="MSL", within=hr.grid.lonlat_bounds())
    half_px = LAND_OFFSET_ARCSEC / 3
    row, col = hr.grid.index(*lr.grid.centre(0, 0))
    tops, lefts = (
        np.rint(first + shift).astype(int) - SCALE // 2 + SCALE * np.arange(count)
        for first, shift, count in ((row, half_px, lr.grid.rows), (col, -half_px, lr.grid.cols))
    )
    rows, cols = (
        np.flatnonzero((first >= 0) & (first + SCALE <= count))
        for first, count in ((tops, hr.grid.rows), (lefts, hr.grid.cols))
    )
    cells = lr.window(rows[0], cols[0], len(rows), len(cols))
    truth = hr.window(tops[rows[0]], lefts[cols[0]], SCALE * len(rows), SCALE * len(cols))
    return _scene(name, cells.elevation_m, truth, scored=cells.elevation_m > _SHORE_M)


def survey_scene(name: str, lr_file: Path, hr_file: Path, *, at_sea: bool) -> Scene:
    """Read GEBCO and another survey of the same land or sea floor, co-registered with it.

    A survey finer than 3 arc-seconds is averaged onto the pixels, with the shift that `demsr.pairs.coregister` finds; a
    coarser one is interpolated linearly. Without such a shift, it is moved by the whole pixels that fit bicubic best.

    Parameters
    ----------
    name : name of the pair
    lr_file : grid of 15 arc-seconds
    hr_file : survey
    at_sea : score the sea floor, or the land

    Raises
    ------
    GridError : the two share too little ground
    """
    hr = read_dem(hr_file, vertical_datum="MSL")
    lr = read_dem(lr_file, vertical_datum="MSL", within=hr.grid.lonlat_bounds())
    sign = -1 if at_sea else 1
    scored = np.kron(sign * lr.elevation_m > _SHORE_M, np.ones((SCALE, SCALE), bool))
    if not finer_than(lr.grid.refine(SCALE), hr.grid):
        laid, found = align_hr(lr, hr, scale=SCALE)
        if found.applied:
            own = np.where(scored & (sign * laid.elevation_m > _SHORE_M), laid.elevation_m, np.float32(np.nan))
            return _scene(name, lr.elevation_m, replace(laid, elevation_m=own))
    wide = _resampled(hr, lr.grid.refine(SCALE), margin=_LARGEST_SHIFT_PX)
    wide = np.where(sign * wide > _SHORE_M, wide, np.float32(np.nan))
    with torch.inference_mode():
        bicubic = Bicubic()(torch.tensor(fill_voids(lr.elevation_m))[None, None])[0, 0].numpy()
    shifted = {}
    for down in range(2 * _LARGEST_SHIFT_PX + 1):
        for right in range(2 * _LARGEST_SHIFT_PX + 1):
            truth = wide[down:, right:][: bicubic.shape[0], : bicubic.shape[1]]
            error = (bicubic - truth)[scored & np.isfinite(truth)]
            if error.size >= _LEAST_PX:
                shifted[float(error.std())] = truth
    if not shifted:
        message = f"{name}: fewer than {_LEAST_PX} pixels are measured in both; give files of the same ground"
        raise GridError(message)
    truth = np.where(scored, shifted[min(shifted)], np.float32(np.nan))
    laid = replace(hr, elevation_m=truth, grid=lr.grid.refine(SCALE))
    return _scene(name, lr.elevation_m, laid)


def _resampled(hr: Dem, target: Grid, *, margin: int) -> Image:
    """Return HR on a grid and some pixels around it, NaN where void."""
    width, height = target.pixel_width, target.pixel_height
    wide = replace(
        target,
        rows=target.rows + 2 * margin,
        cols=target.cols + 2 * margin,
        west=target.west - margin * width,
        north=target.north + margin * height,
    )
    if not finer_than(wide, hr.grid):
        return average(hr, replace(wide, crs=hr.grid.geographic_crs)).elevation_m
    row, col = hr.grid.index(*wide.centre(0, 0))
    rows = row + np.arange(wide.rows) * height / hr.grid.pixel_height
    cols = col + np.arange(wide.cols) * width / hr.grid.pixel_width
    places = np.meshgrid(rows, cols, indexing="ij")
    weight = ndimage.map_coordinates(hr.valid.astype(np.float32), places, order=1)
    value = ndimage.map_coordinates(np.where(hr.valid, hr.elevation_m, 0), places, order=1)
    return np.where(weight > 0.999, value, np.float32(np.nan)).astype(np.float32)


def _scene(name: str, lr: Image, hr: Dem, *, scored: NDArray[np.bool_] | None = None) -> Scene:
    width_m, height_m = hr.grid.pixel_size_m()
    left_out = np.isnan(lr) if scored is None else np.isnan(lr) | ~scored
    truth = np.where(np.kron(left_out, np.ones((SCALE, SCALE), np.bool_)), np.float32(np.nan), hr.elevation_m)
    side = {"pixel_width": SCALE * hr.grid.pixel_width, "pixel_height": SCALE * hr.grid.pixel_height}
    grid = replace(hr.grid, rows=lr.shape[0], cols=lr.shape[1], **side)
    return Scene(name, fill_voids(lr), truth, width_m, height_m, grid)


def _turned(image: Image, orientation: int) -> Image:
    turned = np.rot90(image, orientation % 4)
    return np.ascontiguousarray(turned[:, ::-1] if orientation >= 4 else turned)
