"""Block means of HR: the only place where LR and HR pixels are registered, scale x scale HR pixels per LR pixel."""

import numpy as np
from numpy.typing import NDArray

from demsr.errors import GridError


def block_mean(hr: NDArray[np.float32], *, scale: int) -> NDArray[np.float32]:
    """Average HR elevation over scale x scale blocks, ignoring voids.

    Parameters
    ----------
    hr : (scale*H, scale*W), metres, NaN where void
    scale : HR pixels per LR pixel along one axis

    Returns
    -------
    lr : (H, W), metres; NaN where less than half of a block is measured

    Raises
    ------
    GridError : a side is not a multiple of `scale`
    """
    rows, cols = hr.shape
    if rows % scale or cols % scale:
        message = f"HR patch is {rows} x {cols} pixels; sides must be multiples of scale={scale}"
        raise GridError(message)
    blocks = hr.reshape(rows // scale, scale, cols // scale, scale).swapaxes(1, 2).reshape(-1, scale * scale)
    measured = np.isfinite(blocks)
    count = measured.sum(axis=1)
    total = np.where(measured, blocks, 0).sum(axis=1, dtype=np.float64)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=2 * count >= scale * scale)
    lr: NDArray[np.float32] = mean.reshape(rows // scale, cols // scale).astype(np.float32)
    return lr
