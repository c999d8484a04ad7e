"""Apply a net to one array that fits in memory. Needs neither rasterio nor PROJ, so served models stay small."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from demsr.dem.voids import fill_voids
from demsr.model.device import device_of


def super_resolve_array(elevation_m: NDArray[np.float32], model: nn.Module) -> NDArray[np.float32]:
    """Super-resolve one array; an LR void becomes scale x scale void HR pixels.

    Parameters
    ----------
    elevation_m : (H, W), metres, NaN at voids; at least one pixel is measured
    model : maps (1, 1, H, W) to (1, 1, scale*H, scale*W), metres

    Returns
    -------
    sr : (scale*H, scale*W), metres, NaN at voids
    """
    filled = torch.tensor(fill_voids(elevation_m), device=device_of(model))
    with torch.inference_mode():
        sr: NDArray[np.float32] = model(filled[None, None])[0, 0].cpu().numpy()
    scale = sr.shape[0] // elevation_m.shape[0]
    void = np.kron(np.isnan(elevation_m), np.ones((scale, scale), dtype=bool))
    return np.where(void, np.float32(np.nan), sr)
