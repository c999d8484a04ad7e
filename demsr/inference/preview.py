"""Preview of a super-resolved raster: its roughest part before, interpolated, and after, as a picture."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch

from demsr.dem.dem import read_window
from demsr.dem.grid import Grid, describe_spacing
from demsr.dem.read.stream import RasterReader
from demsr.dem.voids import fill_voids
from demsr.dem.windows import Window, tiles
from demsr.errors import GridError, ParamsError
from demsr.inference.tiles import SourceReader
from demsr.model.baselines import Bicubic

_PREVIEW_PX, _MOST_WINDOWS = 96, 400
_BICUBIC_REACH_PX = 2


def refuse_projected(grid: Grid, where: Path) -> None:
    """Raise GridError for a grid that is not in degrees."""
    if not grid.is_geographic:
        message = (
            f"{where}: the grid is projected, with pixels of {describe_spacing(grid)}; the nets are trained on "
            "degrees: warp it to EPSG:4326, or add --projected to divide its pixels as they are"
        )
        raise GridError(message)


def check_preview(path: Path) -> None:
    """Raise ParamsError, before hours of work, for a name that a picture cannot be written to."""
    if path.suffix.lower() != ".png" or path.is_dir():
        message = f"{path}: a preview must be a .png file; choose another name"
        raise ParamsError(message)


def save_preview(path: Path, source: SourceReader, target: Path, *, scale: int) -> None:
    """Draw the roughest part of a raster as input, by bicubic interpolation, and super-resolved.

    Parameters
    ----------
    path : picture to write, .png
    source : reader of the input raster
    target : super-resolved file, or folder of tiles with a .vrt file
    scale : output pixels per input pixel along one axis
    """
    from demsr.reporting.figures import BeforeAfter, save_before_after

    surface = source.surface
    window = _roughest(surface)
    lr, inner = surface.around(window, _BICUBIC_REACH_PX)
    with torch.inference_mode():
        interpolated = Bicubic(scale=scale)(torch.tensor(fill_voids(lr))[None, None])[0, 0].numpy()
    sr = read_window(target if target.suffix else target / f"{target.name}.vrt", window.refine(scale))
    before_after = BeforeAfter(
        lr=lr[inner.slices],
        bicubic=np.where(np.isnan(sr), np.nan, interpolated[inner.refine(scale).slices]),
        sr=sr,
        pixel_size_m=surface.grid.window(*astuple(window)).refine(scale).pixel_size_m(),
    )
    save_before_after(path, before_after)


def _roughest(surface: RasterReader) -> Window:
    """Return the window with the largest sum of second differences, out of at most about `_MOST_WINDOWS`."""
    windows = tiles(surface.grid.rows, surface.grid.cols, _PREVIEW_PX)

    def roughness(window: Window) -> float:
        elevation, _ = surface.around(window, 0)
        steps = np.abs(np.diff(elevation, n=2, axis=0))[:, 1:-1]
        return float(np.nan_to_num(steps).sum())

    return max(windows[:: max(1, len(windows) // _MOST_WINDOWS)], key=roughness)
