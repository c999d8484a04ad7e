"""Score a method on rasters that are super-resolved as a whole."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from demsr.metrics.consistency import consistency_m, shift_px
from demsr.metrics.elevation import elevation_errors
from demsr.metrics.spectra import spectra
from demsr.metrics.terrain import terrain_errors
from demsr.model.baselines import Bicubic
from protocol.scenes import SCALE, Image, Scene

TILE_LR, RING_LR = 32, 2  # side of the tiles of `tile_edge_rmse`, width of its rings


def score(method: nn.Module, scene: Scene) -> dict[str, float]:
    """Return all metrics of a method by name."""
    sr = run(method, scene.lr)
    error = sr - scene.hr
    size = {"pixel_width_m": scene.pixel_width_m, "pixel_height_m": scene.pixel_height_m}
    measured = np.where(np.isnan(scene.hr), np.float32(np.nan), sr)
    found = elevation_errors(error) | terrain_errors(measured, scene.hr, **size)
    found["consistency_m"] = consistency_m(sr, scene.lr)
    found["shift_east_px"], found["shift_south_px"] = shift_px(sr, scene.hr)
    if (of_waves := spectra(measured, scene.hr, **size)) is not None:
        short = of_waves.wavelength_m < 2 * SCALE * max(size.values())  # beyond the Nyquist limit of LR
        found["coherent_to_m"] = of_waves.coherent_to_m
        found["short_wave_power_ratio"] = float(np.median(of_waves.power_ratio[short]))
    return found


def run(method: nn.Module, lr: Image) -> Image:
    """Super-resolve (H, W) to (5H, 5W) metres as a whole."""
    with torch.inference_mode():
        sr: Image = method(torch.tensor(lr)[None, None])[0, 0].float().numpy()
    return sr


class BackProjected(nn.Module):
    """A method with back-projection: it adds the upsampled difference between its input and its block means."""

    def __init__(self, method: nn.Module, *, iterations: int = 3) -> None:
        super().__init__()
        self.method, self.iterations, self.upsample = method, iterations, Bicubic(a=-0.5)

    def forward(self, lr: Tensor) -> Tensor:
        """Super-resolve (B, 1, H, W) metres to (B, 1, 5H, 5W) metres."""
        sr: Tensor = self.method(lr)
        for _ in range(self.iterations):
            sr = sr + self.upsample(lr - functional.avg_pool2d(sr, SCALE))
        return sr


def product_scores(net: nn.Module, scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the scores that are reported for the product only.

    Returns
    -------
    "back-projected" : scores by region
    "turned" : RMSE of net and bicubic by region, for each of the eight orientations
    "rings" : RMSE of net and bicubic by region, by distance to the edge of a tile
    """
    bicubic = Bicubic()
    pair = {"net": net, "bicubic": bicubic}
    return {
        "back-projected": {scene.name: score(BackProjected(net), scene) for scene in scenes},
        "turned": {
            scene.name: {
                name: [_rmse(method, scene.turned(orientation)) for orientation in range(8)]
                for name, method in pair.items()
            }
            for scene in scenes
        },
        "rings": {
            scene.name: {name: tile_edge_rmse(method, scene) for name, method in pair.items()}
            for scene in scenes
            if min(scene.lr.shape) >= TILE_LR
        },
    }


def tile_edge_rmse(method: nn.Module, scene: Scene) -> list[float]:
    """Return the RMSE by ring, from the edge to the centre of tiles that are super-resolved separately."""
    rows, cols = (side // TILE_LR for side in scene.lr.shape)
    sr = np.full_like(scene.hr, np.nan)
    for row in range(rows):
        for col in range(cols):
            tile = scene.lr[row * TILE_LR :, col * TILE_LR :][:TILE_LR, :TILE_LR]
            side = TILE_LR * SCALE
            sr[row * side : (row + 1) * side, col * side : (col + 1) * side] = run(method, tile)
    whole = np.s_[: rows * TILE_LR * SCALE, : cols * TILE_LR * SCALE]
    return rmse_by_distance((sr - scene.hr)[whole], tile_px=TILE_LR * SCALE, bins_px=RING_LR * SCALE).tolist()


def rmse_by_distance(error: Image, *, tile_px: int, bins_px: int) -> NDArray[np.float64]:
    """Return the RMSE by distance from a pixel to the edge of its tile.

    Parameters
    ----------
    error : (H, W), sides are multiples of `tile_px`, NaN where not measured
    tile_px : side of the tiles
    bins_px : width of a distance class, pixels

    Returns
    -------
    rmse : (tile_px / 2 / bins_px,), metres; the first class is at the edge
    """
    along = np.minimum(np.arange(tile_px), np.arange(tile_px)[::-1])
    distance_class = np.minimum(along[:, None], along) // bins_px
    label = np.tile(distance_class, (error.shape[0] // tile_px, error.shape[1] // tile_px))
    measured = np.isfinite(error)
    classes = distance_class.max() + 1
    count = np.bincount(label[measured], minlength=classes)
    squares = np.bincount(label[measured], np.square(error[measured], dtype=np.float64), minlength=classes)
    return np.sqrt(squares / np.maximum(count, 1))


def _rmse(method: nn.Module, scene: Scene) -> float:
    return elevation_errors(run(method, scene.lr) - scene.hr)["rmse_m"]
