"""Calibrate the uncertainty of a net on its errors: sample pixels of known truth and fit the coefficients to them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

from demsr.errors import VoidError
from demsr.metrics.terrain import slope_deg
from demsr.model.device import device_of
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import FEATURES, REACH_PX, Uncertainty, log_features, self_ensemble, upsample_linear
from demsr.pairs.pair_file import METRES, PairFile

SHARES = {1.0: 0.683, 1.645: 0.90}  # share of a normal distribution by half-width in standard errors
_SHARE_WEIGHTS = (2, 1)  # errors have longer tails than a normal distribution, so both shares cannot hold exactly
_STEP_PX = 3  # between sampled pixels: prime to the scale, so that every position in an LR pixel occurs
_MOST_PAIRS = 512
_PRIOR_PIXELS = 1000
_LEVELS, _LEVEL_PIXELS = 8, 1000  # most knots of the correction, fewest pixels per knot
_DECIMALS, _DIGITS = 4, 5  # of the stored coefficients and metres
_LEAST_ERROR_M = 1e-3  # smaller errors count as this

_Values = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorSample:
    """Errors of sampled HR pixels of one area, with the features that predict their size.

    Attributes
    ----------
    area : name of the area
    features : (5, N), see `log_features`
    error_m : (N,), sr - hr
    slope_deg : (N,), slope of the result, NaN where the pixel size is unknown
    """

    area: str
    features: NDArray[np.float32]
    error_m: NDArray[np.float32]
    slope_deg: NDArray[np.float32]


def sample_errors(
    area: str,
    net: DemSrNet,
    lr: Tensor,
    hr: NDArray[np.float32],
    pixel_size_m: tuple[float, float],
    *,
    margin_lr: int = 0,
    result: NDArray[np.float32] | None = None,
) -> ErrorSample:
    """Sample every third pixel along both axes and keep the measured ones.

    Parameters
    ----------
    area : name of the area
    net : net in eval mode
    lr : (1, 1, H, W), metres, without voids
    hr : (scale*H, scale*W), metres, NaN where void
    pixel_size_m : (width, height) of an HR pixel, NaN where unknown
    margin_lr : width of the border that is left out, LR pixels
    result : (scale*H, scale*W), metres, what was made of the output of the net; None for the output itself
    """
    with torch.inference_mode():
        sr, base, (_, spread) = net(lr)[:, :1], net.base(lr), self_ensemble(net, lr)
        features_lr = log_features(lr, sr, base, spread, scale=net.scale)
        features = upsample_linear(features_lr, scale=net.scale)[0].cpu().numpy()
    elevation, (width_m, height_m) = sr[0, 0].cpu().numpy() if result is None else result, pixel_size_m
    slope = slope_deg(elevation, pixel_width_m=width_m, pixel_height_m=height_m)
    slope = np.pad(slope, 1, constant_values=np.nan).astype(np.float32)
    inner = slice(margin_lr * net.scale, -margin_lr * net.scale or None, _STEP_PX)
    error = (elevation - hr)[inner, inner]
    measured = np.isfinite(error)
    return ErrorSample(area, features[:, inner, inner][:, measured], error[measured], slope[inner, inner][measured])


def sample_pair_errors(net: DemSrNet, pairs: PairFile, *, most_pairs: int = _MOST_PAIRS) -> list[ErrorSample]:
    """Sample the errors on pairs that are spread evenly over a file, one sample for each area.

    Parameters
    ----------
    net : net in eval mode
    pairs : pairs in metres; the border of each patch is left out
    most_pairs : number of pairs at most
    """
    parts: dict[int, list[ErrorSample]] = defaultdict(list)
    margin_lr = min(REACH_PX, pairs.patch_lr // 4)
    for index in np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), most_pairs), dtype=int)):
        lr, hr = pairs.pair(index)
        area, batch = int(pairs.samples["area"][index]), torch.from_numpy(lr[None]).to(device_of(net))
        part = sample_errors(pairs.areas[area].name, net, batch, hr[0], pairs.pixel_size_m(index), margin_lr=margin_lr)
        parts[area].append(part)
    return [_concatenate(of_area) for of_area in parts.values()]


def calibrate(net: DemSrNet, pairs: PairFile, *, most_pairs: int = _MOST_PAIRS) -> Uncertainty | None:
    """Calibrate the uncertainty of a net on pairs that it was not trained on; every area has the same weight.

    Parameters
    ----------
    net : net in eval mode
    pairs : pairs of at least one area
    most_pairs : number of pairs at most

    Returns
    -------
    coefficients, or None if the pairs are not in metres
    """
    if pairs.unit != METRES:
        return None
    return fit_uncertainty(sample_pair_errors(net, pairs, most_pairs=most_pairs), scale=net.scale)


def fit_uncertainty(samples: Sequence[ErrorSample], *, scale: int) -> Uncertainty:
    """Fit the coefficients of the uncertainty to the errors of several areas, each with the same weight.

    The first step maximises the likelihood of the errors under a Laplace distribution whose scale is the raw standard
    error, a convex problem. The second step fits a monotone correction of it: at several levels, the factor is the
    weighted geometric mean of the one with which 68 % of the errors lie within one standard error and the one with
    which 90 % lie within 1.645.

    Parameters
    ----------
    samples : errors by area
    scale : HR pixels per LR pixel along one axis

    Raises
    ------
    VoidError : no pixel was measured
    """
    measured = [sample for sample in samples if sample.error_m.size]
    if not measured:
        message = f"{len(samples)} areas: no pixel was measured, a calibration needs some; add areas with elevations"
        raise VoidError(message)
    features = np.concatenate([sample.features for sample in measured], axis=1).astype(np.float64)
    error_m = np.maximum(np.abs(np.concatenate([sample.error_m for sample in measured])), _LEAST_ERROR_M, dtype=float)
    weight = np.concatenate([np.full(sample.error_m.size, 1 / sample.error_m.size) for sample in measured])
    weight /= weight.sum()
    offset, weights = _fit_laplace_scale(features, error_m, weight)
    raw_m, sigma_m = _fit_correction(np.exp(offset + weights @ features), error_m, weight)
    return Uncertainty(
        scale=scale,
        log_offset=offset,
        log_weights=tuple(weights.tolist()),
        raw_m=raw_m,
        sigma_m=sigma_m,
        constant_m=_rounded(_standard_error(error_m, weight)),
        areas=tuple(dict.fromkeys(sample.area for sample in measured)),
        pixels=error_m.size,
    )


def _concatenate(parts: Sequence[ErrorSample]) -> ErrorSample:
    features = np.concatenate([part.features for part in parts], axis=1)
    error_m, slope = (np.concatenate([getattr(part, name) for part in parts]) for name in ("error_m", "slope_deg"))
    return ErrorSample(parts[0].area, features, error_m, slope)


def _fit_laplace_scale(features: _Values, error_m: _Values, weight: _Values) -> tuple[float, _Values]:
    """Return offset and weights of the logarithm of the scale of a Laplace distribution.

    A prior worth `_PRIOR_PIXELS` pixels makes the scale proportional to the curvature of the result, so that few
    pixels cannot be overfitted and a constant feature has no weight.
    """
    prior = np.array([name == "sr_curvature" for name in FEATURES], dtype=np.float64)
    strength = _PRIOR_PIXELS / error_m.size
    middle = features @ weight
    centred = np.vstack([np.ones(error_m.size), features - middle[:, None]])

    def negative_log_likelihood(coefficients: _Values) -> tuple[float, _Values]:
        log_scale = coefficients @ centred
        ratio = error_m * np.exp(-log_scale)
        pull = strength * np.append(0, coefficients[1:] - prior)
        value = float(weight @ (ratio + log_scale) + pull @ pull / (2 * strength))
        return value, centred @ (weight * (1 - ratio)) + pull

    start = np.append(np.log(weight @ error_m), prior)
    found = optimize.minimize(negative_log_likelihood, start, jac=True, method="L-BFGS-B").x
    weights = found[1:].round(_DECIMALS) + 0.0  # no -0.0
    return round(float(found[0] - weights @ middle), _DECIMALS), weights


def _fit_correction(raw_m: _Values, error_m: _Values, weight: _Values) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return raw and calibrated standard errors, both ascending, at levels of equal weight."""
    order = np.argsort(raw_m, kind="stable")
    count = int(np.clip(raw_m.size // _LEVEL_PIXELS, 1, _LEVELS))
    cuts = np.searchsorted(np.cumsum(weight[order]), np.arange(1, count) / count)
    knots: dict[float, float] = {}
    highest = 0.0
    for level in np.split(order, cuts):
        if level.size:
            raw = np.exp(np.average(np.log(raw_m[level]), weights=weight[level]))
            highest = max(highest, raw * _standard_error(error_m[level] / raw_m[level], weight[level]))
            knots.setdefault(_rounded(raw), _rounded(highest))
    return tuple(knots), tuple(knots.values())


def _standard_error(error: _Values, weight: _Values) -> float:
    """Return the standard error with which the shares of the errors are closest to `SHARES`."""
    order = np.argsort(error)
    cumulated = np.cumsum(weight[order])
    places = [np.searchsorted(cumulated, share * cumulated[-1]) for share in SHARES.values()]
    exact = [error[order[place]] / factor for place, factor in zip(places, SHARES, strict=True)]
    return float(np.exp(np.average(np.log(exact), weights=_SHARE_WEIGHTS)))


def _rounded(metres: float) -> float:
    return float(f"{metres:.{_DIGITS}g}")
