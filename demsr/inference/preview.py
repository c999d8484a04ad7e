"""Draw the roughest part of a raster: input, bicubic interpolation, result."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch

from demsr.dem.grid import rows_on_the_globe
from demsr.dem.read.stream import RasterReader
from demsr.dem.voids import fill_voids
from demsr.dem.windows import Window, tiles
from demsr.errors import ParamsError
from demsr.inference.source import SourceReader
from demsr.inference.tiles import product_window
from demsr.model.baselines import Bicubic
from demsr.output.formats import read_product_elevation
from demsr.reporting.figures import BeforeAfter, save_before_after

_PREVIEW_PX, _MOST_WINDOWS = 96, 400
_BICUBIC_REACH_PX = 2


def check_preview(path: Path) -> None:
    """Raise ParamsError unless a picture can be written to a path.

    Parameters
    ----------
    path : must end in .png
    """
    if path.suffix.lower() != ".png" or path.is_dir():
        message = f"{path}: a preview must be a .png file; name one"
        raise ParamsError(message)


def save_preview(path: Path, source: SourceReader, target: Path, *, scale: int) -> None:
    """Draw the roughest part of a raster before and after.

    Parameters
    ----------
    path : .png to write
    source : open input
    target : the product
    scale : HR pixels per LR pixel along one axis
    """
    raster = source.raster
    window = _roughest(raster)
    lr, inner = raster.around(window, _BICUBIC_REACH_PX)
    with torch.inference_mode():
        bicubic = Bicubic(scale=scale)(torch.tensor(fill_voids(lr))[None, None])[0, 0].numpy()
    sr = read_product_elevation(target, product_window(raster.grid, window, scale))
    rows = rows_on_the_globe(raster.grid.window(*astuple(window)).refine(scale))
    comparison = BeforeAfter(
        lr=lr[inner.slices],
        bicubic=np.where(np.isnan(sr), np.nan, bicubic[inner.refine(scale).slices][rows.start : rows.stop]),
        sr=sr,
        pixel_size_m=raster.grid.window(*astuple(window)).refine(scale).pixel_size_m(),
    )
    save_before_after(path, comparison)


def _roughest(raster: RasterReader) -> Window:
    """Return the window with the largest second differences, out of a few hundred."""
    windows = tiles(raster.grid.rows, raster.grid.cols, _PREVIEW_PX)

    def roughness(window: Window) -> float:
        elevation, _ = raster.around(window, 0)
        return float(np.nan_to_num(np.abs(np.diff(elevation, n=2, axis=0))[:, 1:-1]).sum())

    return max(windows[:: max(1, len(windows) // _MOST_WINDOWS)], key=roughness)
