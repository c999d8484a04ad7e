"""Slope, on pixels whose width depends on latitude."""

import numpy as np
from numpy.typing import NDArray


def slope_deg(elevation_m: NDArray[np.floating], *, pixel_width_m: float, pixel_height_m: float) -> NDArray[np.float64]:
    """Return the slope by Horn's method.

    Parameters
    ----------
    elevation_m : (..., H, W), metres, NaN where void
    pixel_width_m, pixel_height_m : size of a pixel at the place

    Returns
    -------
    slope : (..., H - 2, W - 2), degrees; NaN where one of the 3x3 pixels is void

    Source: Horn (1981), doi 10.1109/PROC.1981.11918.
    """
    z = elevation_m.astype(np.float64)
    across = z[..., :, 2:] - z[..., :, :-2]
    along = z[..., 2:, :] - z[..., :-2, :]
    gradient_x = (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / (8 * pixel_width_m)
    gradient_y = (along[..., :, :-2] + 2 * along[..., :, 1:-1] + along[..., :, 2:]) / (8 * pixel_height_m)
    slope: NDArray[np.float64] = np.degrees(np.arctan(np.hypot(gradient_x, gradient_y)))
    slope[np.isnan(z[..., 1:-1, 1:-1])] = np.nan  # the method does not look at the middle pixel
    return slope
