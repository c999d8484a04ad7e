"""How far the truth may lie from a super-resolved height: one standard error for each HR pixel, from what is around it.

Torch only. The coefficients are found in `demsr.evaluation.calibration`. Errors of the input itself are not included.
"""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from demsr.model.interpolation import linear_taps, pad_linear, pad_replicate, upsample

REACH_PX = 7
"""LR pixels that a standard error depends on around its own; add the reach of the net, on which `sr` depends."""

FEATURES = ("detail", "sr_curvature", "spread", "lr_fine", "lr_coarse")
_FLOOR_M = 0.1  # of all features: the curvature of heights rounded to whole metres is 0.7 m
_CELLS, _FINE_CELLS, _COARSE_CELLS = 3, 7, 5  # sides of the squares that energies are averaged over, LR pixels
_COARSE = 3  # side of the squares whose means make the coarse roughness, LR pixels

Positive = Annotated[float, Field(gt=0)]


class Uncertainty(BaseModel):
    """A calibration of `sigma_m`.

    Attributes
    ----------
    scale : HR pixels per LR pixel along one axis
    log_weights, log_offset : the raw standard error is exp(offset + weights @ log features), in metres
    raw_m, sigma_m : knots, both ascending, of the correction that maps a raw standard error to the calibrated one
    constant_m : one standard error for all pixels, calibrated likewise, to compare with
    areas, pixels : where it was calibrated, and on how many HR pixels
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
            message = f"knots are {self.raw_m} and {self.sigma_m}; they must be as many, and ascend"
            raise ValueError(message)
        return self


def sigma_m(lr: Tensor, sr: Tensor, base: Tensor, spread: Tensor, uncertainty: Uncertainty) -> Tensor:
    """Return the standard error of each HR pixel.

    It turns and moves with its input, does not change with the level of the heights nor with any plane that is added
    to them, and depends on LR pixels up to `REACH_PX` away.

    Parameters
    ----------
    lr : (B, 1, H, W), metres, without voids
    sr, base : (B, 1, scale*H, scale*W), metres, the result and the interpolation that it starts from
    spread : likewise, from `self_ensemble`
    uncertainty : of the net that made `sr`

    Returns
    -------
    sigma : (B, 1, scale*H, scale*W), metres, positive; 68 % of the errors are smaller, 90 % smaller than 1.645 of it
    """
    with torch.autocast(lr.device.type, enabled=False):
        features = log_features(lr, sr, base, spread, scale=uncertainty.scale)
        log_raw = raw_log_sigma(features, uncertainty)
        return calibrated_sigma(upsample_linear(log_raw, scale=uncertainty.scale), uncertainty)


def self_ensemble(net: nn.Module, lr: Tensor) -> tuple[Tensor, Tensor]:
    """Super-resolve an image in its eight orientations.

    Parameters
    ----------
    lr : (B, 1, H, W), metres

    Returns
    -------
    mean, spread : (B, 1, scale*H, scale*W), metres, of the results turned back, the spread being their standard
        deviation; a net that is symmetric answers all orientations alike, so one pass is enough and the spread is zero
    """
    if getattr(net, "symmetric", False):
        sr: Tensor = net(lr)[:, :1]
        return sr, torch.zeros_like(sr)
    results = torch.stack([_turned_back(net(_turned(lr, way))[:, :1], way) for way in range(8)])
    spread, mean = torch.std_mean(results, dim=0, correction=0)
    return mean, spread


def log_features(lr: Tensor, sr: Tensor, base: Tensor, spread: Tensor, *, scale: int) -> Tensor:
    """Return the logarithms of five local amplitudes in metres, (B, 5, H, W), in the order of `FEATURES`.

    They are what the net added to the interpolation, the curvature of the result, the spread, and the roughness of the
    input at wavelengths of two and of six LR pixels, whose ratio tells how relief fades towards short waves.
    """
    of_cells = functional.avg_pool2d(torch.cat(((sr - base).square(), _curvature(sr), spread.square()), dim=1), scale)
    lr_fine = _averaged(_laplacian(_laplacian(lr)).square(), _FINE_CELLS)
    lr_coarse = _averaged(_coarse_curvature(lr), _COARSE_CELLS)
    energies = torch.cat((_averaged(of_cells, _CELLS), lr_fine, lr_coarse), dim=1)
    return 0.5 * torch.log(energies + _FLOOR_M**2)


def raw_log_sigma(features: Tensor, uncertainty: Uncertainty) -> Tensor:
    """Return the logarithm of the raw standard error, (B, 1, ...), for logarithms of features, (B, 5, ...)."""
    weights = torch.tensor(uncertainty.log_weights, dtype=features.dtype, device=features.device)
    return uncertainty.log_offset + torch.einsum("f,bf...->b...", weights, features)[:, None]


def calibrated_sigma(log_raw: Tensor, uncertainty: Uncertainty) -> Tensor:
    """Return the standard error for the logarithm of a raw one: linear between the knots, by a factor beyond them."""
    knots = torch.tensor((uncertainty.raw_m, uncertainty.sigma_m), dtype=torch.float64).log()
    starts, steps, factors = knots[0].tolist(), knots.diff(dim=1).T.tolist(), (knots[1] - knots[0]).tolist()
    log_sigma: Tensor = log_raw + factors[0]
    for start, (raw_step, sigma_step) in zip(starts, steps, strict=False):
        log_sigma = log_sigma + (sigma_step / raw_step - 1) * (log_raw - start).clamp(0, raw_step)
    return log_sigma.exp()


def upsample_linear(image: Tensor, *, scale: int) -> Tensor:
    """Interpolate (B, C, H, W) linearly to (B, C, scale*H, scale*W)."""
    return upsample(image, linear_taps(scale, anchor="half_pixel").float(), pad=pad_replicate)


def _curvature(image: Tensor, step: int = 1) -> Tensor:
    """Return the sum of the squared second differences, over `step` pixels, in all directions.

    Differences to the middle come first: they are exact however far the level lies from zero.
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
    """Return the curvature of the means of `_COARSE` x `_COARSE` LR pixels."""
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


def _turned(image: Tensor, way: int) -> Tensor:
    return torch.rot90(image.flip(-1) if way >= 4 else image, way % 4, (-2, -1))


def _turned_back(image: Tensor, way: int) -> Tensor:
    turned = torch.rot90(image, -(way % 4), (-2, -1))
    return turned.flip(-1) if way >= 4 else turned
