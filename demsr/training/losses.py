"""Training losses. To add one, write a function, enter it in `LOSSES` and add its word to `demsr.options.Loss`.

A loss takes the net, lr (B, C, h, w), sr and hr (B, C, scale*h, scale*w) in metres, hr being NaN at voids, and returns
a scalar of the order of one.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from demsr.model.srnet import DemSrNet
from demsr.options import Loss

_NOISE_M = 0.5  # smallest detail that a patch is weighted by: about the rounding to whole metres
_SMOOTHING = 1e-4  # added to squared errors: makes the absolute value differentiable at zero


def mse(net: DemSrNet, _: Tensor, sr: Tensor, hr: Tensor) -> Tensor:
    """Return the masked mean squared error in units of the elevation scale."""
    return masked_mse(sr / net.elevation_scale_m, hr / net.elevation_scale_m)


def balanced(net: DemSrNet, lr: Tensor, sr: Tensor, hr: Tensor) -> Tensor:
    """Return `balanced_charbonnier` relative to the net's base interpolation."""
    with torch.no_grad():
        base = net.base(lr)
    return balanced_charbonnier(sr, hr, base, scale_m=net.elevation_scale_m)


LOSSES: Mapping[Loss, Callable[[DemSrNet, Tensor, Tensor, Tensor], Tensor]] = {"mse": mse, "balanced": balanced}


def masked_mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Return the mean squared error over the measured pixels of `hr`; zero if there are none.

    Parameters
    ----------
    sr, hr : same shape and unit; hr is NaN where void
    """
    measured = hr.isfinite()
    error = torch.where(measured, sr - hr, 0.0)
    return error.square().sum() / measured.sum().clamp(min=1)


def balanced_charbonnier(sr: Tensor, hr: Tensor, base: Tensor, *, scale_m: float) -> Tensor:
    """Return the mean Charbonnier error, each patch divided by the root of the detail that its base lacks.

    Squared errors of mountains are thousands of times those of plains, so their mean would learn from mountains alone.
    Here the contribution of a patch grows with the square root of its detail.

    Parameters
    ----------
    sr, hr, base : (B, C, H, W), metres; hr is NaN where void
    scale_m : elevation scale of the net, which makes the loss dimensionless

    Source of the smooth absolute value: Charbonnier et al. (1994), doi 10.1109/ICIP.1994.413553.
    """
    measured = hr.isfinite()
    detail = torch.where(measured, hr - base, 0.0).square().mean(dim=(1, 2, 3), keepdim=True)
    weight = (scale_m**2 * (detail + _NOISE_M**2)).pow(-0.25)
    error = torch.where(measured, weight * (sr - hr), 0.0)
    return torch.where(measured, (error.square() + _SMOOTHING).sqrt(), 0.0).sum() / measured.sum().clamp(min=1)
