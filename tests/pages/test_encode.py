import base64
import zlib

import numpy as np
from synthetic import rough

from demsr.pages.encode import encode_band


def decoded(band: dict) -> np.ndarray:
    """Undo the encoding with loops, as the viewer does."""
    stored = zlib.decompress(base64.b64decode(band["packed"]))
    rows, cols = band["rows"], band["cols"]
    values = np.empty((rows, cols))
    for row in range(rows):
        number = 0
        for col in range(cols):
            unsigned = stored[row * cols + col] << 8 | stored[rows * cols + row * cols + col]
            number = (number + (unsigned // 2 if unsigned % 2 == 0 else -(unsigned // 2) - 1)) % 65536
            values[row, col] = band["low"] + (number - 1) * band["step"] if number else np.nan
    return values


def test_a_raster_comes_back_to_half_a_centimetre_and_voids_stay_void():
    values = rough(7, 9)
    values[2, 3] = values[0, 0] = np.nan
    np.testing.assert_allclose(decoded(encode_band(values)), values, atol=0.00501)


def test_the_range_of_the_earth_comes_back_in_the_steps_of_16_bits():
    values = np.array([[-11_000, 8_800, -11_000], [0, np.nan, 8_800]], np.float32)
    np.testing.assert_allclose(decoded(encode_band(values)), values, atol=19_800 / 65_534 / 2 + 1e-6)


def test_fewer_levels_are_larger_steps():
    values = np.linspace(0, 100, 50, dtype=np.float32)[None]
    band = encode_band(values, levels=100)
    assert band["step"] == 1
    np.testing.assert_allclose(decoded(band), values, atol=0.5001)


def test_a_raster_without_a_measurement_is_void():
    assert np.isnan(decoded(encode_band(np.full((2, 3), np.nan, np.float32)))).all()
