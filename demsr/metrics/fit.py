"""Whether a result fits its input and lies where the truth lies."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.floating]


def consistency_m(sr: Image, lr: Image) -> float:
    """Return the RMS of the block means of a result less its input, metres, over blocks without a void."""
    scale = sr.shape[0] // lr.shape[0]
    means = sr.astype(np.float64).reshape(lr.shape[0], scale, lr.shape[1], scale).mean(axis=(1, 3))
    remainder = means - lr
    return float(np.sqrt(np.nanmean(np.square(remainder)))) if np.isfinite(remainder).any() else float("nan")


def shift_px(sr: Image, hr: Image) -> tuple[float, float]:
    """Return by how many pixels a result lies east and south of the truth.

    A shift changes heights by slope times shift: so it is the least-squares factor of the truth's slopes in the
    difference. Right for shifts that are small against the relief (Lucas and Kanade 1981).
    """
    truth = hr.astype(np.float64)
    south, east = np.gradient(truth, axis=0), np.gradient(truth, axis=1)
    difference = sr.astype(np.float64) - truth
    measured = np.isfinite(difference) & np.isfinite(east) & np.isfinite(south)
    seen = np.stack((-east[measured], -south[measured], np.ones(measured.sum())), axis=1)
    found = np.linalg.lstsq(seen, difference[measured], rcond=None)[0] if len(seen) > 2 else np.full(3, np.nan)
    return float(found[0]), float(found[1])


def rmse_by_distance(error: Image, *, tile_px: int, bins_px: int) -> NDArray[np.float64]:
    """Return the RMSE by distance to the edge of the tile that a pixel was computed in.

    Parameters
    ----------
    error : (H, W), sides multiples of `tile_px`, NaN where not measured
    tile_px : side of the tiles
    bins_px : pixels of distance that are taken together

    Returns
    -------
    rmse : (tile_px / 2 / bins_px,), metres; the first is at the edge
    """
    along = np.minimum(np.arange(tile_px), np.arange(tile_px)[::-1])
    of_tile = np.minimum(along[:, None], along) // bins_px
    place = np.tile(of_tile, (error.shape[0] // tile_px, error.shape[1] // tile_px))
    measured = np.isfinite(error)
    count = np.bincount(place[measured], minlength=of_tile.max() + 1)
    squares = np.bincount(place[measured], np.square(error[measured], dtype=np.float64), minlength=of_tile.max() + 1)
    return np.sqrt(squares / np.maximum(count, 1))
