"""Correct a result where its degradation is known: degraded again, it has to give the input.

Source: iterative back-projection, Irani and Peleg 1991, doi 10.1016/1049-9652(91)90045-L.
"""

import torch
from torch import Tensor
from torch.nn import functional


def gaussian_residual(sr: Tensor, lr: Tensor, sigma_px: Tensor, *, reach_px: tuple[int, int]) -> Tensor:
    """Return LR minus SR under a Gaussian in the middle of each block, (B, 1, H, W) metres.

    Parameters
    ----------
    sr : (B, 1, scale*H, scale*W), metres
    lr : (B, 1, H, W), metres
    sigma_px : (2, H), standard deviation along columns and along rows of SR in each row of LR, HR pixels
    reach_px : distance along both at which the Gaussian is cut off, HR pixels; beyond its edges SR is repeated
    """
    scale = sr.shape[-1] // lr.shape[-1]
    down, along = reach_px
    rows = _sampled(functional.pad(sr, (0, 0, down, down), mode="replicate").mT, sigma_px[0], down, scale).mT
    padded = functional.pad(rows, (along, along, 0, 0), mode="replicate")
    return lr - _sampled(padded, sigma_px[1][:, None], along, scale)


def _sampled(padded: Tensor, sigma_px: Tensor, reach_px: int, scale: int) -> Tensor:
    """Map (..., scale * N + 2 * reach) to (..., N), by differences, so that planes stay exact."""
    count = (padded.shape[-1] - 2 * reach_px) // scale

    def at(offset_px: int) -> Tensor:
        return padded[..., reach_px + scale // 2 + offset_px :: scale][..., :count]

    centre, detail, total = at(0), torch.zeros_like(at(0)), torch.ones_like(sigma_px)
    for offset in range(1, reach_px + 1):
        weight = torch.exp(-0.5 * (offset / sigma_px) ** 2)
        detail = detail + weight * ((at(offset) - centre) + (at(-offset) - centre))
        total = total + 2 * weight
    return centre + detail / total
