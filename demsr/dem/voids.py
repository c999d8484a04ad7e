"""Pixels without measurement: finding water that is no terrain, and filling for the net's sake."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FILL_REACH_PX = 16


def fill_voids(elevation: NDArray[np.float32], *, reach_px: int = FILL_REACH_PX) -> NDArray[np.float32]:
    """Replace NaN by the nearest measured value, so that a net can run; the caller makes the pixels void again.

    Parameters
    ----------
    elevation : (rows, cols), metres, NaN where void; at least one pixel is measured
    reach_px : void pixels further than this from any measured one take the mean level

    Returns
    -------
    filled : same shape, finite; the input itself where nothing is void
    """
    void = np.isnan(elevation)
    if not void.any():
        return elevation
    distance, nearest = ndimage.distance_transform_edt(void, return_indices=True)
    filled: NDArray[np.float32] = elevation[tuple(nearest)]
    filled[distance > reach_px] = np.nanmean(elevation, dtype=np.float64)
    return filled


def flat_water(elevation: NDArray[np.float32], *, level_m: float, min_pixels: int) -> NDArray[np.bool_]:
    """Find connected areas at exactly a water level, such as the sea in SRTM: a filled-in value, not terrain.

    Parameters
    ----------
    elevation : (rows, cols), metres
    level_m : the value that stands for water
    min_pixels : smaller areas (in pixels, joined by sides) may be real ground and are kept

    Returns
    -------
    water : same shape
    """
    labels, _ = ndimage.label(elevation == level_m)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    water: NDArray[np.bool_] = (sizes >= min_pixels)[labels]
    return water
