"""Filling of void pixels, so that a net can run on the raster."""

import numpy as np
from numpy.typing import NDArray

FILL_REACH_PX = 16
_FLATTEST = 0.05  # smallest squared ratio of the axes of the measured pixels to which a plane is fitted


def fill_voids(elevation: NDArray[np.float32], *, reach_px: int = FILL_REACH_PX) -> NDArray[np.float32]:
    """Extrapolate measured pixels into the voids, so that a net can run; the caller makes the pixels void again.

    A void pixel takes the value of a plane fitted to the measured pixels around it, in the smallest neighbourhood of
    2, 4, 8, ... pixels that determines one, so that a plane with holes becomes the whole plane.

    Parameters
    ----------
    elevation : (rows, cols), metres, NaN where void; at least one pixel is measured
    reach_px : radius of the largest neighbourhood; void pixels further from any measured one take the mean elevation

    Returns
    -------
    filled : same shape, finite; the input itself if nothing is void
    """
    void = np.isnan(elevation)
    if not void.any():
        return elevation
    measured = ~void
    level = np.nanmean(elevation, dtype=np.float64)
    heights = np.where(void, 0.0, elevation - level)
    filled = np.where(void, np.float32(level), elevation)
    for radius in _radii(reach_px):
        around = _bounds(void, radius)
        plane, known = _local_plane(heights[around], measured[around], radius, last=radius == reach_px)
        now = void[around] & known
        filled[around][now] = plane[now] + level
        void[around] &= ~now
        if not void.any():
            break
    return filled


def _radii(reach_px: int) -> list[int]:
    """Return 2, 4, 8, ... up to the reach."""
    return [2**power for power in range(1, reach_px.bit_length()) if 2**power < reach_px] + [reach_px]


def _bounds(pixels: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    """Return the smallest window that contains all pixels of a mask and a margin."""
    rows, cols = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
    top, left = max(0, rows[0] - margin), max(0, cols[0] - margin)
    return slice(top, rows[-1] + margin + 1), slice(left, cols[-1] + margin + 1)


def _local_plane(
    heights: NDArray[np.float64], measured: NDArray[np.bool_], radius: int, *, last: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Fit a plane around every pixel by weighted least squares; return its value there, and a mask of valid fits.

    Where too few pixels were measured, or all on one line, the last radius takes their weighted mean.
    """
    offsets = np.arange(-radius, radius + 1, dtype=np.float64)
    weights = (1 - (offsets / (radius + 1)) ** 2) ** 2

    from scipy import ndimage  # here, since most rasters have no voids and the import takes a third of a second

    def moment(image: NDArray[np.float64], row_power: int, col_power: int) -> NDArray[np.float64]:
        for axis, power in ((0, row_power), (1, col_power)):
            image = ndimage.correlate1d(image, weights * offsets**power, axis=axis, mode="constant")
        return image

    ones = measured.astype(np.float64)
    weight = moment(ones, 0, 0)
    some = weight > 1e-12
    total = np.where(some, weight, 1.0)
    row, col, height = moment(ones, 1, 0) / total, moment(ones, 0, 1) / total, moment(heights, 0, 0) / total
    rows = moment(ones, 2, 0) / total - row**2
    cols = moment(ones, 0, 2) / total - col**2
    mixed = moment(ones, 1, 1) / total - row * col
    of_rows = moment(heights, 1, 0) / total - row * height
    of_cols = moment(heights, 0, 1) / total - col * height
    area = rows * cols - mixed**2
    fits = some & (area > _FLATTEST * ((rows + cols) / 2) ** 2)
    area = np.where(fits, area, 1.0)
    row_slope = (of_rows * cols - of_cols * mixed) / area
    col_slope = (of_cols * rows - of_rows * mixed) / area
    plane = height - row_slope * row - col_slope * col
    return np.where(fits, plane, height), some if last else fits
