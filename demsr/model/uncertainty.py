"""Standard error of each super-resolved HR pixel, predicted from the terrain around it.

Errors of the input itself are not included. The coefficients are fitted in `demsr.evaluation.calibration`.
"""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from demsr.model.interpolation import linear_taps, pad_linear, pad_replicate, upsample

REACH_PX = 7
"""Radius in LR pixels that `sigma_m` needs around a pixel, in addition to the receptive field of the net."""

FEATURES = ("detail", "sr_curvature", "spread", "lr_fine", "lr_coarse")
_FLOOR_M = 0.1  # smallest amplitude; rounding to whole metres alone has a curvature of 0.7 m
_CELLS, _FINE_CELLS, _COARSE_CELLS = 3, 7, 5  # sides of the averaging windows, LR pixels
_COARSE = 3  # side of the block means of the coarse roughness, LR pixels

Positive = Annotated[float, Field(gt=0, le=1e5)]


class Uncertainty(BaseModel):
    """Calibration of `sigma_m`.

    Attributes
    ----------
    scale : HR pixels per LR pixel along one axis
    log_weights, log_offset : the raw standard error is exp(offset + weights @ log features), in metres
    raw_m, sigma_m : ascending knots of the correction from the raw to the calibrated standard error
    constant_m : calibrated standard error of all pixels together, for comparison
    areas, pixels : names of the areas and number of HR pixels of the calibration
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    scale: Annotated[int, Field(gt=1)]
    log_weights: tuple[float, ...] = Field(min_length=len(FEATURES), max_length=len(FEATURES))
    log_offset: float
    raw_m: tuple[Positive, ...] = Field(min_length=1)
    sigma_m: tuple[Positive, ...] = Field(min_length=1)
    constant_m: Positive
    areas: tuple[str, ...]
    pixels: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _check_knots(self) -> "Uncertainty":
        ascending = list(self.raw_m) == sorted(set(self.raw_m)) and list(self.sigma_m) == sorted(self.sigma_m)
        if len(self.raw_m) != len(self.sigma_m) or not ascending:
            message = f"knots are {self.raw_m} and {self.sigma_m}; both lists must ascend and have the same length"
            raise ValueError(message)
        return self


def sigma_m(lr: Tensor, sr: Tensor, base: Tensor, spread: Tensor, uncertainty: Uncertainty) -> Tensor:
    """Return the standard error of each HR pixel.

    It commutes with turns and shifts of the input, is invariant to any plane added to the elevations, and depends on LR
    pixels up to `REACH_PX` away.

    Parameters
    ----------
    lr : (B, 1, H, W), metres, without voids
    sr, base : (B, 1, scale*H, scale*W), metres, the result and its base interpolation
    spread : (B, 1, scale*H, scale*W), metres, from `self_ensemble`
    uncertainty : calibration of the net that computed `sr`

    Returns
    -------
    sigma : (B, 1, scale*H, scale*W), metres, positive; 68 % of the errors are smaller than it, 90 % than 1.645 of it
    """
    with torch.autocast(lr.device.type, enabled=False):
        features = log_features(lr, sr, base, spread, scale=uncertainty.scale)
        log_raw = raw_log_sigma(features, uncertainty)
        return calibrated_sigma(upsample_linear(log_raw, scale=uncertainty.scale), uncertainty)


def self_ensemble(net: nn.Module, lr: Tensor) -> tuple[Tensor, Tensor]:
    """Super-resolve an image in its eight orientations.

    Parameters
    ----------
    net : maps (B, 1, H, W) to (B, C, scale*H, scale*W), metres; channel 0 is used
    lr : (B, 1, H, W), metres

    Returns
    -------
    mean, spread : (B, 1, scale*H, scale*W), metres, mean and standard deviation of the eight results; a symmetric net
        needs one pass, and its spread is zero
    """
    if getattr(net, "symmetric", False):
        sr: Tensor = net(lr)[:, :1]
        return sr, torch.zeros_like(sr)
    results = torch.stack([_turned_back(net(_turned(lr, orientation))[:, :1], orientation) for orientation in range(8)])
    spread, mean = torch.std_mean(results, dim=0, correction=0)
    return mean, spread


def log_features(lr: Tensor, sr: Tensor, base: Tensor, spread: Tensor, *, scale: int) -> Tensor:
    """Return the logarithms of five local amplitudes in metres, in the order of `FEATURES`.

    They are the detail that the net adds to the base, the curvature of the result, the spread, and the roughness of the
    input at wavelengths of two and of six LR pixels, whose ratio is the slope of the spectrum.

    Parameters
    ----------
    lr, sr, base, spread : see `sigma_m`
    scale : HR pixels per LR pixel along one axis

    Returns
    -------
    features : (B, 5, H, W)
    """
    energies_hr = torch.cat(((sr - base).square(), _curvature(sr), spread.square()), dim=1)
    lr_fine = _averaged(_laplacian(_laplacian(lr)).square(), _FINE_CELLS)
    lr_coarse = _averaged(_coarse_curvature(lr), _COARSE_CELLS)
    energies = torch.cat((_averaged(functional.avg_pool2d(energies_hr, scale), _CELLS), lr_fine, lr_coarse), dim=1)
    return 0.5 * torch.log(energies + _FLOOR_M**2)


def raw_log_sigma(features: Tensor, uncertainty: Uncertainty) -> Tensor:
    """Return the logarithm of the raw standard error (B, 1, ...) from `log_features` (B, 5, ...)."""
    weights = torch.tensor(uncertainty.log_weights, dtype=features.dtype, device=features.device)
    return uncertainty.log_offset + torch.einsum("f,bf...->b...", weights, features)[:, None]


def calibrated_sigma(log_raw: Tensor, uncertainty: Uncertainty) -> Tensor:
    """Return the calibrated standard error in metres from `raw_log_sigma`.

    The correction is linear between the knots in logarithms, and a constant factor beyond them.
    """
    knots = torch.tensor((uncertainty.raw_m, uncertainty.sigma_m), dtype=torch.float64).log()
    starts, steps, factors = knots[0].tolist(), knots.diff(dim=1).T.tolist(), (knots[1] - knots[0]).tolist()
    log_sigma: Tensor = log_raw + factors[0]
    for start, (raw_step, sigma_step) in zip(starts, steps, strict=False):
        log_sigma = log_sigma + (sigma_step / raw_step - 1) * (log_raw - start).clamp(0, raw_step)
    return log_sigma.exp()


def upsample_linear(image: Tensor, *, scale: int) -> Tensor:
    """Interpolate (B, C, H, W) bilinearly to (B, C, scale*H, scale*W)."""
    return upsample(image, linear_taps(scale, anchor="half_pixel").float(), pad=pad_replicate)


def _curvature(image: Tensor, step: int = 1) -> Tensor:
    """Return the sum of the squared second differences over `step` pixels, in all directions.

    Differences to the centre pixel come first: they are exact even where the image lies far from zero.
    """
    padded = pad_linear(image, step)
    middle = padded[..., step:-step, step:-step]

    def shifted(rows: int, cols: int) -> Tensor:
        top, left = step * (1 + rows), step * (1 + cols)
        return padded[..., top : top + middle.shape[-2], left : left + middle.shape[-1]] - middle

    along, across = shifted(-1, 0) + shifted(1, 0), shifted(0, -1) + shifted(0, 1)
    mixed = (shifted(1, 1) - shifted(1, -1) - shifted(-1, 1) + shifted(-1, -1)) / 4
    return along.square() + 2 * mixed.square() + across.square()


def _coarse_curvature(lr: Tensor) -> Tensor:
    """Return the curvature of the means over `_COARSE` x `_COARSE` LR pixels."""
    padded = pad_linear(lr, _COARSE + _COARSE // 2)
    means = functional.avg_pool2d(padded - padded[..., :1, :1], _COARSE, stride=1)
    return _curvature(means, _COARSE)[..., _COARSE:-_COARSE, _COARSE:-_COARSE]


def _laplacian(image: Tensor) -> Tensor:
    padded = pad_linear(image, 1)
    middle = padded[..., 1:-1, 1:-1]
    sides = (padded[..., :-2, 1:-1], padded[..., 2:, 1:-1], padded[..., 1:-1, :-2], padded[..., 1:-1, 2:])
    return torch.stack([side - middle for side in sides]).sum(dim=0)


def _averaged(image: Tensor, side: int) -> Tensor:
    return functional.avg_pool2d(pad_replicate(image, side // 2), side, stride=1)


def _turned(image: Tensor, orientation: int) -> Tensor:
    return torch.rot90(image.flip(-1) if orientation >= 4 else image, orientation % 4, (-2, -1))


def _turned_back(image: Tensor, orientation: int) -> Tensor:
    turned = torch.rot90(image, -(orientation % 4), (-2, -1))
    return turned.flip(-1) if orientation >= 4 else turned
