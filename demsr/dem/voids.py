"""Pixels without measurement: filling them for the net's sake."""

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
