"""Run a net over one array that fits in memory. Needs neither rasterio nor PROJ, so served models stay small."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from demsr.dem.voids import fill_voids


def super_resolve_array(elevation_m: NDArray[np.float32], model: nn.Module) -> NDArray[np.float32]:
    """Super-resolve (H, W) metres with NaN at voids to (scale*H, scale*W) likewise; some pixel is measured."""
    filled = torch.tensor(fill_voids(elevation_m), device=device_of(model))
    with torch.inference_mode():
        sr: NDArray[np.float32] = model(filled[None, None])[0, 0].cpu().numpy()
    scale = sr.shape[0] // elevation_m.shape[0]
    void = np.kron(np.isnan(elevation_m), np.ones((scale, scale), dtype=bool))
    return np.where(void, np.float32(np.nan), sr)


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's weights lie."""
    return next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))


def best_device(name: str = "auto") -> torch.device:
    """Return the named device, or the fastest one that this machine has."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for products of 16-bit numbers, so that they are faster there."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
