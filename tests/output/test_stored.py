import numpy as np
import pytest
from product_files import KINDS, holed, write
from synthetic import grid, plane, write_raw

from demsr.dem.windows import Window
from demsr.errors import GridError
from demsr.output.stored import open_product

PART = Window(10, 20, 30, 40)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_back_its_bands_tags_and_datum(tmp_path, kind):
    values = holed()
    write(tmp_path / kind, values, grid(70, 90), UNCERTAINTY="True", MODEL="a b", COMMAND="demsr super-resolve")
    product = open_product(tmp_path / kind)
    elevation, sigma = product.read(PART)
    np.testing.assert_array_equal(elevation, values[(0, *PART.slices)])
    np.testing.assert_array_equal(sigma, values[(1, *PART.slices)])
    assert {name: product.tags[name] for name in ("MODEL", "COMMAND")} == {
        "MODEL": "a b",
        "COMMAND": "demsr super-resolve",
    }
    assert product.header.vertical_datum == "EGM96"
    assert product.is_quickly_decimated


def test_decimated_pixels_are_means_of_the_measured_ones(tmp_path):
    values = holed(bands=1)
    write(tmp_path / "a.tif", values, grid(70, 90))
    found, sigma = open_product(tmp_path / "a.tif").decimated(Window(0, 10, 70, 80), 10)
    assert sigma is None
    blocks = values[0, :, 10:].reshape(7, 10, 8, 10)
    np.testing.assert_allclose(found, np.nanmean(blocks, axis=(1, 3)), rtol=1e-5)


def test_a_raster_of_whole_numbers_is_no_product(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(5, 5).astype(np.int16))
    with pytest.raises(GridError, match=r"stores int16 .* name what super-resolve has written"):
        open_product(path)
