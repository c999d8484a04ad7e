"""Score methods on scenes that are super-resolved as a whole."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from demsr.dem.read.identity import LAND_OFFSET_ARCSEC
from demsr.dem.windows import Window
from demsr.inference.land_law import land_law
from demsr.inference.super_resolver import SuperResolver
from demsr.metrics.consistency import consistency_m, shift_px
from demsr.metrics.elevation import elevation_errors
from demsr.metrics.spectra import spectra
from demsr.metrics.terrain import terrain_errors
from demsr.model.baselines import BackProjectedBicubic, Bicubic, LinearFilter
from demsr.model.coast import CoastNet
from demsr.model.srnet import DemSrNet
from protocol.scenes import SCALE, Image, Scene

BICUBIC, PROJECTED, LINEAR = "bicubic", "back-projected bicubic", "linear 7 x 7"
NOMINAL = "bicubic at nominal positions"
WIDTHS_PX = (1, 2, 3, 4, 5, 6, 8)  # of the Gaussians after bicubic, HR pixels
_BICUBIC_A = -0.75
_LINEAR_SIZE = 7

Method = Callable[[Image], Image]
Metrics = dict[str, float]


def gaussian_name(width_px: int) -> str:
    """Return the name of bicubic interpolation smoothed by a Gaussian."""
    return f"Gaussian of {width_px} pixels"


def baselines(kind: str, linear: LinearFilter | None) -> dict[str, Method]:
    """Return the baselines of a kind of scene.

    Parameters
    ----------
    kind : of the scene, see `protocol.places.Place`
    linear : filter fitted to the same operator, on land and for block means
    """
    found: dict[str, Method] = {BICUBIC: method(Bicubic(a=_BICUBIC_A)), PROJECTED: method(BackProjectedBicubic())}
    if linear is not None:
        found[LINEAR] = method(linear)
    if kind == "srtm":
        found[NOMINAL] = nominal_bicubic
    if kind == "sea":
        found |= {gaussian_name(width): smoothed_bicubic(width) for width in WIDTHS_PX}
    return found


def method(net: nn.Module) -> Method:
    """Return a function that super-resolves (H, W) to (5H, 5W) metres as a whole."""

    def run(lr: Image) -> Image:
        with torch.inference_mode():
            sr: Image = net(torch.tensor(lr)[None, None])[0, 0].float().numpy()
        return sr

    return run


def product(net: DemSrNet | CoastNet, scene: Scene) -> Method:
    """Return a function that super-resolves the input of a scene as `demsr super-resolve` does, in float32.

    Parameters
    ----------
    net : the model
    scene : what is super-resolved
    """
    law = land_law(net, scene.grid) if scene.grid else None
    resolver = SuperResolver(net, precision="float32", law=law)
    return lambda lr: resolver(lr, Window(0, 0, *lr.shape))[0]


def smoothed_bicubic(width_px: int) -> Method:
    """Return bicubic interpolation under a Gaussian, (H, W) to (5H, 5W) metres."""
    bicubic = method(Bicubic(a=_BICUBIC_A))
    return lambda lr: ndimage.gaussian_filter(bicubic(lr), width_px, mode="nearest")


def nominal_bicubic(lr: Image) -> Image:
    """Interpolate where the SRTM pixels lie if the cells of the land of GEBCO are taken where the file says they are.

    There they are 1.5 arc-seconds north-east of their samples, so each pixel is read a tenth of a cell south-west.
    """
    offset = LAND_OFFSET_ARCSEC / 15
    rows = _keys_rows(lr, offset)
    return np.ascontiguousarray(_keys_rows(rows.T, -offset).T)


def _keys_rows(image: Image, offset: float) -> Image:
    """Interpolate along the first axis at the HR centres plus an offset in LR pixels, edges repeated."""
    places = (np.arange(SCALE * image.shape[0]) - SCALE // 2) / SCALE + offset
    first = np.floor(places).astype(int)
    total = np.zeros((len(places), image.shape[1]), np.float64)
    for tap in range(-1, 3):
        distance = np.abs(places - first - tap)
        near = (_BICUBIC_A + 2) * distance**3 - (_BICUBIC_A + 3) * distance**2 + 1
        far = _BICUBIC_A * (distance**3 - 5 * distance**2 + 8 * distance - 4)
        weight = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
        total += weight[:, None] * image[np.clip(first + tap, 0, image.shape[0] - 1)]
    return total.astype(np.float32)


def score(run: Method, scene: Scene) -> Metrics:
    """Return all metrics of a method by name."""
    sr = run(scene.lr)
    error = sr - scene.hr
    size = {"pixel_width_m": scene.pixel_width_m, "pixel_height_m": scene.pixel_height_m}
    measured = np.where(np.isnan(scene.hr), np.float32(np.nan), sr)
    found = elevation_errors(error) | terrain_errors(measured, scene.hr, **size)
    found["unbiased_rmse_m"] = float(np.sqrt(max(found["rmse_m"] ** 2 - found["bias_m"] ** 2, 0)))
    found["consistency_m"] = consistency_m(sr, scene.lr)
    found["shift_east_px"], found["shift_south_px"] = shift_px(sr, scene.hr)
    if (of_waves := spectra(measured, scene.hr, **size)) is not None:
        short = of_waves.wavelength_m < 2 * SCALE * max(size.values())  # beyond the Nyquist limit of LR
        found["coherent_to_m"] = of_waves.coherent_to_m
        found["short_wave_power_ratio"] = float(np.median(of_waves.power_ratio[short]))
    return found


def fit_linear(pairs: Iterable[tuple[Image, Image]]) -> LinearFilter:
    """Fit the linear baseline to whole rasters.

    Parameters
    ----------
    pairs : LR (H, W) and HR (5H, 5W) in metres
    """
    tensors: Iterable[tuple[Tensor, Tensor]] = (
        (torch.tensor(lr)[None, None], torch.tensor(hr)[None, None]) for lr, hr in pairs
    )
    return LinearFilter.fit(tensors, size=_LINEAR_SIZE)


def synthetic_errors(models: Mapping[str, Method]) -> dict[str, Metrics]:
    """Return the RMSE against the truth before rounding, in metres, of terrain that whole metres turn into steps.

    Parameters
    ----------
    models : methods by name

    Returns
    -------
    errors : by kind of terrain, then by method
    """
    rows, cols = np.indices((40 * SCALE, 40 * SCALE), np.float32)
    terrains = {
        "plateau": np.full(rows.shape, -2000.3, np.float32),
        "ramp, 1 m in 8 cells": -2000 + cols / (8 * SCALE) + rows / (11 * SCALE),
        "ramp, 1 m in 3 cells": -2000 + cols / (3 * SCALE) - rows / (7 * SCALE),
        "swell of 3 m": -2000 + 3 * np.sin(cols / 40) * np.cos(rows / 55),
    }
    inner = np.s_[8 * SCALE : -8 * SCALE, 8 * SCALE : -8 * SCALE]
    found: dict[str, Metrics] = {}
    for name, truth in terrains.items():
        lr = np.round(truth[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE])
        found[name] = {
            key: float(np.sqrt(np.square((run(lr) - truth)[inner], dtype=np.float64).mean()))
            for key, run in models.items()
        }
    return found
