"""Rasters as text in a page: whole steps, differences along rows, DEFLATE, base64."""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SMALLEST_STEP_M = 0.01
_LEVELS = 65_534  # in 16 bits, beside the void


def encode_band(values: NDArray[np.floating], *, levels: int = _LEVELS) -> dict[str, Any]:
    """Return a raster as text, rounded to steps of a centimetre, or larger ones where 16 bits need them.

    Pixels are numbered from 1, 0 is void. Differences along the rows, with the sign in the lowest bit, are split into
    high and low bytes and compressed. `viewer.js` undoes it.

    Parameters
    ----------
    values : (rows, cols) metres, NaN where void
    levels : number of steps at most
    """
    measured = np.isfinite(values)
    low, high = (float(values[measured].min()), float(values[measured].max())) if measured.any() else (0.0, 0.0)
    step = max((high - low) / levels, _SMALLEST_STEP_M)
    numbers = np.where(measured, np.rint((np.nan_to_num(values, nan=low) - low) / step) + 1, 0).astype(np.int32)
    differences = np.diff(numbers, axis=1, prepend=0).astype(np.int16)  # modulo 2**16
    unsigned = ((differences << 1) ^ (differences >> 15)).astype(np.uint16)
    stored = np.concatenate(((unsigned >> 8).astype(np.uint8).ravel(), (unsigned & 255).astype(np.uint8).ravel()))
    packed = base64.b64encode(zlib.compress(stored.tobytes(), 9)).decode()
    return {"rows": values.shape[0], "cols": values.shape[1], "low": low, "step": step, "packed": packed}
