"""Find the coefficients of the uncertainty band, and count what share of the truth lies within it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

from demsr.errors import VoidError
from demsr.metrics.terrain import slope_deg
from demsr.model.device import device_of
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import (
    FEATURES,
    REACH_PX,
    Uncertainty,
    calibrated_sigma,
    log_features,
    raw_log_sigma,
    self_ensemble,
    upsample_linear,
)
from demsr.pairs.store import METRES, PairFile

SLOPE_EDGES_DEG = (0, 2, 5, 10, 20, 30, 90)
SHARES = {1.0: 0.683, 1.645: 0.90}  # of a normal distribution, within so many standard errors
_COUNTS = (2, 1)  # how much each of the shares counts: errors have longer tails, so that both cannot hold exactly
UNKNOWN = "unknown"  # the slope class of pixels without a slope
_STEP_PX = 3  # from one pixel that counts to the next: prime to the scale, so that all places in an LR pixel occur
_MOST_PAIRS = 512
_PRIOR_PIXELS = 1000
_LEVELS, _LEVEL_PIXELS = 8, 1000  # knots of the correction, and the pixels that one of them needs
_CLASS_PIXELS = 1000
_DECIMALS, _DIGITS = 4, 5  # that coefficients and metres are kept with
_LEAST_ERROR_M = 1e-3  # smaller ones count as this

Counts = NDArray[np.int64]  # (slope classes and one where slopes are unknown, 5), see `inside`
Rows = list[dict[str, Any]]
_Values = NDArray[np.float64]


@dataclass(frozen=True)
class Pixels:
    """Some HR pixels of one area, with what their uncertainty is derived from.

    Attributes
    ----------
    features : (5, N), see `log_features`
    error_m : (N,), sr - hr
    slope_deg : (N,), of the result; NaN where pixels have no size
    """

    area: str
    features: NDArray[np.float32]
    error_m: NDArray[np.float32]
    slope_deg: NDArray[np.float32]


def pixels_of(
    area: str,
    net: DemSrNet,
    lr: Tensor,
    hr: NDArray[np.float32],
    pixel_size_m: tuple[float, float],
    *,
    margin_lr: int = 0,
) -> Pixels:
    """Return every third pixel along both axes, of those that were measured.

    Parameters
    ----------
    lr : (1, 1, H, W), metres, without voids
    hr : (scale*H, scale*W), metres, NaN where void
    pixel_size_m : width and height of an HR pixel
    margin_lr : LR pixels along the border that are left out
    """
    with torch.inference_mode():
        sr, base, (_, spread) = net(lr)[:, :1], net.base(lr), self_ensemble(net, lr)
        features_lr = log_features(lr, sr, base, spread, scale=net.scale)
        features = upsample_linear(features_lr, scale=net.scale)[0].cpu().numpy()
    elevation = sr[0, 0].cpu().numpy()
    width_m, height_m = pixel_size_m
    slope = np.pad(
        slope_deg(elevation, pixel_width_m=width_m, pixel_height_m=height_m), 1, constant_values=np.nan
    )  # NaN where a size is NaN
    inner = slice(margin_lr * net.scale, -margin_lr * net.scale or None, _STEP_PX)
    error = (elevation - hr)[inner, inner]
    measured = np.isfinite(error)
    return Pixels(
        area, features[:, inner, inner][:, measured], error[measured], slope[inner, inner][measured].astype(np.float32)
    )


def calibrate(net: DemSrNet, pairs: PairFile, *, most_pairs: int = _MOST_PAIRS) -> Uncertainty | None:
    """Calibrate the uncertainty of a net on pairs that it was not trained on; areas count alike.

    Returns None for pairs that are not in metres: nobody knows what their unit is.
    """
    if pairs.unit != METRES:
        return None
    return fit_uncertainty(pixels_of_pairs(net, pairs, most_pairs=most_pairs), scale=net.scale)


def coverage(net: DemSrNet, pairs: PairFile, *, most_pairs: int = _MOST_PAIRS) -> Rows:
    """Return by slope class what share of the truth lies within the band of a net, and within a constant one.

    Returns no rows for a net without a calibration.
    """
    if (uncertainty := net.uncertainty) is None:
        return []
    areas = pixels_of_pairs(net, pairs, most_pairs=most_pairs)
    return share_rows(sum((inside(pixels, uncertainty) for pixels in areas), start=no_counts()))


def pixels_of_pairs(net: DemSrNet, pairs: PairFile, *, most_pairs: int) -> list[Pixels]:
    """Return pixels by area, of pairs spread evenly over the file and not of their borders."""
    found: dict[int, list[Pixels]] = defaultdict(list)
    margin_lr = min(REACH_PX, pairs.patch_lr // 4)
    device = device_of(net)
    for index in np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), most_pairs), dtype=int)):
        lr, hr = pairs.pair(index)
        area = int(pairs.samples["area"][index])
        size = float(pairs.samples["pixel_width_m"][index]), float(pairs.samples["pixel_height_m"][index])
        part = pixels_of("", net, torch.from_numpy(lr[None]).to(device), hr[0], size, margin_lr=margin_lr)
        found[area].append(part)
    return [_joined(pairs.areas[area].name, parts) for area, parts in found.items()]


def fit_uncertainty(areas: Sequence[Pixels], *, scale: int) -> Uncertainty:
    """Find the uncertainty that fits the errors of some areas, each of which counts the same.

    First the raw standard error whose Laplace distribution makes the errors most likely, a convex problem, then its
    monotone correction: at each of several levels, the factor that lies, in the logarithm, a third of the way from the
    one that lets 68 % of the errors lie within one standard error to that which lets 90 % lie within 1.645.

    Raises
    ------
    VoidError : no pixel was measured
    """
    measured = [pixels for pixels in areas if pixels.error_m.size]
    if not measured:
        message = f"{len(areas)} areas: no pixel was measured; a calibration needs some, give pairs with heights"
        raise VoidError(message)
    features = np.concatenate([pixels.features for pixels in measured], axis=1).astype(np.float64)
    error_m = np.maximum(np.abs(np.concatenate([pixels.error_m for pixels in measured])), _LEAST_ERROR_M, dtype=float)
    share = np.concatenate([np.full(pixels.error_m.size, 1 / pixels.error_m.size) for pixels in measured])
    share /= share.sum()
    offset, weights = _most_likely(features, error_m, share)
    raw_m, sigma_m = _levels(np.exp(offset + weights @ features), error_m, share)
    return Uncertainty(
        scale=scale,
        log_offset=offset,
        log_weights=tuple(weights.tolist()),
        raw_m=raw_m,
        sigma_m=sigma_m,
        constant_m=_short(_standard_error(error_m, share)),
        areas=tuple(dict.fromkeys(pixels.area for pixels in measured)),
        pixels=error_m.size,
    )


def no_counts() -> Counts:
    """Return what `inside` counts of nothing, to begin a sum with."""
    return np.zeros((len(SLOPE_EDGES_DEG), 1 + 2 * len(SHARES)), np.int64)


def sigma_of(pixels: Pixels, uncertainty: Uncertainty) -> NDArray[np.float32]:
    """Return the standard error of each pixel, (N,) metres."""
    log_raw = raw_log_sigma(torch.from_numpy(pixels.features[None]), uncertainty)
    sigma: NDArray[np.float32] = calibrated_sigma(log_raw, uncertainty)[0, 0].numpy()
    return sigma


def inside(pixels: Pixels, uncertainty: Uncertainty) -> Counts:
    """Count by slope class all pixels, those within 1 and 1.645 standard errors, and those within the constant band."""
    bands, error = (sigma_of(pixels, uncertainty), uncertainty.constant_m), np.abs(pixels.error_m)
    within = [error <= factor * band for band in bands for factor in SHARES]
    slope_class = np.digitize(pixels.slope_deg, SLOPE_EDGES_DEG[1:])  # NaN is beyond the last edge
    table = np.stack([np.ones(error.shape, bool), *within], axis=1)
    counts = no_counts()
    np.add.at(counts, slope_class, table)
    return counts


def share_rows(counts: Counts) -> Rows:
    """Return the shares in per cent by slope class; a class of few pixels is joined to the one beside it."""
    rows: list[tuple[float, float, Counts]] = []
    edges = SLOPE_EDGES_DEG
    for low, high, row in zip(edges[:-1], edges[1:], counts[:-1], strict=True):
        if not row[0]:
            continue
        if rows and min(row[0], rows[-1][2][0]) < _CLASS_PIXELS:
            flatter, _, joined = rows.pop()
            rows.append((flatter, high, joined + row))
        else:
            rows.append((low, high, row))
    named = [(f"{low}-{high}" if high < edges[-1] else f">{low}", row) for low, high, row in rows]
    if counts[-1, 0]:
        named.append((UNKNOWN, counts[-1]))
    names = [f"{band}within_{factor:g}_sigma_percent" for band in ("", "constant_") for factor in SHARES]
    return [
        {"slope_deg": label, "pixels": int(row[0]), **dict(zip(names, _percent(row), strict=True))}
        for label, row in named
    ]


def _percent(row: Counts) -> list[float]:
    return [round(100 * int(count) / int(row[0]), 1) for count in row[1:]]


def _joined(area: str, parts: Sequence[Pixels]) -> Pixels:
    return Pixels(
        area,
        np.concatenate([part.features for part in parts], axis=1),
        np.concatenate([part.error_m for part in parts]),
        np.concatenate([part.slope_deg for part in parts]),
    )


def _most_likely(features: _Values, error_m: _Values, share: _Values) -> tuple[float, _Values]:
    """Return offset and weights of the logarithm of a Laplace scale.

    As if seen on `_PRIOR_PIXELS` before, the scale is proportional to the curvature of the result: few pixels cannot
    make it follow chance, and what is the same everywhere has no weight.
    """
    prior = np.array([name == "sr_curvature" for name in FEATURES], dtype=np.float64)
    strength = _PRIOR_PIXELS / error_m.size
    middle = features @ share
    centred = np.vstack([np.ones(error_m.size), features - middle[:, None]])

    def misfit(coefficients: _Values) -> tuple[float, _Values]:
        log_scale = coefficients @ centred
        ratio = error_m * np.exp(-log_scale)
        pull = strength * np.append(0, coefficients[1:] - prior)
        return float(share @ (ratio + log_scale) + pull @ pull / (2 * strength)), centred @ (share * (1 - ratio)) + pull

    start = np.append(np.log(share @ error_m), prior)
    found = optimize.minimize(misfit, start, jac=True, method="L-BFGS-B").x
    weights = found[1:].round(_DECIMALS) + 0.0  # no -0.0
    return round(float(found[0] - weights @ middle), _DECIMALS), weights


def _levels(raw_m: _Values, error_m: _Values, share: _Values) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return raw and calibrated standard errors at levels with as many pixels each, both ascending."""
    order = np.argsort(raw_m, kind="stable")
    count = int(np.clip(raw_m.size // _LEVEL_PIXELS, 1, _LEVELS))
    cuts = np.searchsorted(np.cumsum(share[order]), np.arange(1, count) / count)
    knots: dict[float, float] = {}
    highest = 0.0
    for level in np.split(order, cuts):
        if level.size:
            raw = np.exp(np.average(np.log(raw_m[level]), weights=share[level]))
            highest = max(highest, raw * _standard_error(error_m[level] / raw_m[level], share[level]))
            knots.setdefault(_short(raw), _short(highest))
    return tuple(knots), tuple(knots.values())


def _standard_error(error: _Values, share: _Values) -> float:
    """Return the standard error within which, and within 1.645 of which, about `SHARES` of the errors lie."""
    order = np.argsort(error)
    cumulated = np.cumsum(share[order])
    places = [np.searchsorted(cumulated, part * cumulated[-1]) for part in SHARES.values()]
    wanted = [error[order[place]] / factor for place, factor in zip(places, SHARES, strict=True)]
    return float(np.exp(np.average(np.log(wanted), weights=_COUNTS)))


def _short(metres: float) -> float:
    return float(f"{metres:.{_DIGITS}g}")
