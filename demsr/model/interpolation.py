"""Interpolation by one fixed kernel per HR phase, so that a result depends on the neighbourhood only.

`torch.nn.functional.interpolate` computes source coordinates in float32 from the absolute position, so that a tile and
the whole image differ by up to metres.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Pad = Callable[[Tensor, int], Tensor]


def keys_taps(scale: int, *, a: float) -> Tensor:
    """Return the cubic convolution weights of each HR phase, for half-pixel centres.

    Parameters
    ----------
    scale : HR pixels per LR pixel along one axis, odd
    a : slope of the kernel at 1; -0.5 reproduces planes (Keys 1981), -0.75 is what torch and OpenCV use

    Returns
    -------
    taps : (scale, 5) float64; taps[p] are the weights of the LR pixels -2..2 around the pixel that contains phase p
    """
    distance = (_half_pixel_offsets(scale)[:, None] - torch.arange(-2, 3, dtype=torch.float64)).abs()
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, 0.0))


def linear_taps(scale: int, *, anchor: str) -> Tensor:
    """Return the linear interpolation weights of each HR phase.

    Parameters
    ----------
    scale : HR pixels per LR pixel along one axis, odd
    anchor : "half_pixel" (centres coincide, as in `interpolate(align_corners=False)`) or "corner" (source index =
        target index / scale, as in MindSpore's ResizeBilinearV2 by default: 2 HR pixels away at scale 5)

    Returns
    -------
    taps : (scale, 3) float64; taps[p] are the weights of the LR pixels -1..1

    Raises
    ------
    ValueError : the anchor is unknown or the scale is even
    """
    offsets = _half_pixel_offsets(scale)
    if anchor == "corner":
        offsets = torch.arange(scale, dtype=torch.float64) / scale
    elif anchor != "half_pixel":
        message = f"interpolation is {anchor!r}; it must be 'half_pixel' or 'corner'"
        raise ValueError(message)
    distance = (offsets[:, None] - torch.arange(-1, 2, dtype=torch.float64)).abs()
    return (1 - distance).clamp(min=0)


def upsample(image: Tensor, taps: Tensor, *, pad: Pad) -> Tensor:
    """Upsample every channel by separable per-phase kernels.

    The weights apply to differences from the centre pixel, so the rounding error is one or two ulp of the result even
    where the image lies far from zero.

    Parameters
    ----------
    image : (B, C, H, W)
    taps : (scale, K) with K odd, each row sums to one
    pad : function that adds K // 2 pixels on each side

    Returns
    -------
    upsampled : (B, C, scale*H, scale*W), dtype of `image`
    """
    taps = taps.to(image)
    padded = pad(image, taps.shape[1] // 2)
    rows = _upsample_last_axis(padded.mT, taps).mT  # (B, C, scale*H, W + 2 * reach)
    return _upsample_last_axis(rows, taps)


def pad_replicate(image: Tensor, reach: int) -> Tensor:
    """Repeat the outermost pixels `reach` times on each side."""
    return functional.pad(image, (reach, reach, reach, reach), mode="replicate")


def pad_linear(image: Tensor, reach: int) -> Tensor:
    """Extrapolate the outermost two pixels linearly by `reach` pixels on each side, so that planes stay planes."""
    for axis in (-2, -1):
        steps = torch.arange(1, reach + 1, dtype=image.dtype, device=image.device)
        steps = steps.reshape(-1, 1) if axis == -2 else steps
        first, second = image.narrow(axis, 0, 1), image.narrow(axis, 1, 1)
        last, before = image.narrow(axis, -1, 1), image.narrow(axis, -2, 1)
        head = first + steps.flip(0 if axis == -2 else -1) * (first - second)
        tail = last + steps * (last - before)
        image = torch.cat((head, image, tail), dim=axis)
    return image


def _upsample_last_axis(padded: Tensor, taps: Tensor) -> Tensor:
    """Map (..., N + K - 1) to (..., scale * N).

    Products are summed in a fixed order: the order of a matrix product depends on the processor and on the position
    in the image. Taps at equal distance are added first, so that a mirrored image gives exactly the mirrored result.
    """
    reach = taps.shape[1] // 2
    size = padded.shape[-1] - 2 * reach
    centre = padded.narrow(-1, reach, size)

    def weighted(tap: int) -> Tensor:
        return (padded.narrow(-1, tap, size) - centre)[..., None] * taps[:, tap]

    detail = weighted(0) + weighted(2 * reach)
    for tap in range(1, reach):
        detail = detail + (weighted(tap) + weighted(2 * reach - tap))
    return (centre[..., None] + detail).flatten(-2)


def _half_pixel_offsets(scale: int) -> Tensor:
    """Return the offsets of the HR centres from the centre of their LR pixel, in LR pixels."""
    if scale % 2 == 0:
        message = f"scale is {scale}; it must be odd, so that each LR centre is an HR centre"
        raise ValueError(message)
    return (torch.arange(scale, dtype=torch.float64) - scale // 2) / scale
