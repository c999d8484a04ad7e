"""Apply a net to one array that fits in memory, and restore its voids.

Needs neither rasterio nor PROJ, so served models stay small.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from demsr.dem.voids import fill_voids
from demsr.errors import CheckpointError
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

    Raises
    ------
    CheckpointError : see `restore_voids`
    """
    filled = torch.tensor(fill_voids(elevation_m), device=device_of(model))
    with torch.inference_mode():
        sr: NDArray[np.float32] = model(filled[None, None])[0, 0].cpu().numpy()
    return restore_voids(sr, np.isnan(elevation_m))


def restore_voids(sr: NDArray[np.float32], void: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the output of a net with NaN in the blocks of the LR voids, and there only.

    Parameters
    ----------
    sr : (..., scale*H, scale*W), metres
    void : (H, W), True where the input is not measured

    Raises
    ------
    CheckpointError : a value is not finite where the input is measured
    """
    scale = sr.shape[-1] // void.shape[-1]
    void_hr = void.repeat(scale, axis=0).repeat(scale, axis=1)
    if count := int((~(np.isfinite(sr) | void_hr)).sum()):
        message = (
            f"the model gives {count:,} values that are NaN or infinite where the input is measured, it must give "
            "elevations; use another model, or train it again"
        )
        raise CheckpointError(message)
    return np.where(void_hr, np.float32(np.nan), sr)
