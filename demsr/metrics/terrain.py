"""Slope, aspect and roughness, for pixels whose width depends on latitude."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.floating]
_STEEP_ENOUGH_DEG = 2.0  # the aspect of flatter ground is noise


def slope_deg(elevation_m: Image, *, pixel_width_m: float, pixel_height_m: float) -> NDArray[np.float64]:
    """Return the slope by Horn's method.

    Parameters
    ----------
    elevation_m : (..., H, W), metres, NaN where void
    pixel_width_m, pixel_height_m : size of a pixel

    Returns
    -------
    slope : (..., H - 2, W - 2), degrees; NaN where one of the 3x3 pixels is void

    Source: Horn (1981), doi 10.1109/PROC.1981.11918.
    """
    gradient = _gradient(elevation_m, pixel_width_m, pixel_height_m)
    slope: NDArray[np.float64] = np.degrees(np.arctan(np.hypot(*gradient)))
    return slope


def aspect_deg(elevation_m: Image, *, pixel_width_m: float, pixel_height_m: float) -> NDArray[np.float64]:
    """Return the downslope direction in degrees clockwise from north, by Horn's method; see `slope_deg`."""
    east, south = _gradient(elevation_m, pixel_width_m, pixel_height_m)
    aspect: NDArray[np.float64] = np.degrees(np.arctan2(-east, south)) % 360
    return aspect


def roughness_m(elevation_m: Image) -> NDArray[np.float64]:
    """Return the range of each 3x3 neighbourhood in metres, (..., H - 2, W - 2); NaN where one of its pixels is void.

    Parameters
    ----------
    elevation_m : (..., H, W), metres, NaN where void

    Source: Wilson et al. (2007), doi 10.1080/01490410701295962.
    """
    windows = np.lib.stride_tricks.sliding_window_view(elevation_m.astype(np.float64), (3, 3), axis=(-2, -1))
    roughness: NDArray[np.float64] = windows.max(axis=(-2, -1)) - windows.min(axis=(-2, -1))
    return roughness


def terrain_errors(sr: Image, hr: Image, *, pixel_width_m: float, pixel_height_m: float) -> dict[str, float]:
    """Return slope_rmse_deg, aspect_rmse_deg and roughness_rmse_m of a result against the truth.

    Aspects are compared where the truth is steeper than 2 degrees. An error is NaN if no 3x3 pixels are measured.

    Parameters
    ----------
    sr, hr : (..., H, W), metres, NaN where void
    pixel_width_m, pixel_height_m : size of a pixel
    """
    size = {"pixel_width_m": pixel_width_m, "pixel_height_m": pixel_height_m}
    steepness = slope_deg(hr, **size)
    turned = (aspect_deg(sr, **size) - aspect_deg(hr, **size) + 180) % 360 - 180
    return {
        "slope_rmse_deg": _rms(slope_deg(sr, **size) - steepness),
        "aspect_rmse_deg": _rms(np.where(steepness > _STEEP_ENOUGH_DEG, turned, np.nan)),
        "roughness_rmse_m": _rms(roughness_m(sr) - roughness_m(hr)),
    }


def _gradient(
    elevation_m: Image, pixel_width_m: float, pixel_height_m: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rise to the east and to the south, metres per metre."""
    z = elevation_m.astype(np.float64)
    across = z[..., :, 2:] - z[..., :, :-2]
    along = z[..., 2:, :] - z[..., :-2, :]
    east = (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / (8 * pixel_width_m)
    south = (along[..., :, :-2] + 2 * along[..., :, 1:-1] + along[..., :, 2:]) / (8 * pixel_height_m)
    east[np.isnan(z[..., 1:-1, 1:-1])] = np.nan  # the method does not use the centre pixel
    return east, south


def _rms(error: NDArray[np.float64]) -> float:
    measured = error[np.isfinite(error)]
    return float(np.sqrt(np.square(measured).mean())) if measured.size else float("nan")
