from dataclasses import replace

import pytest
from synthetic import grid

from demsr.dem.read.identity import product_of

CELLS = grid(10, 10, pixel_width=15 / 3600, pixel_height=15 / 3600)


@pytest.mark.parametrize(
    ("name", "tags", "product"),
    [
        ("gebco_2024_n39.8_s39.0_w-65.8_e-65.0.nc", {}, "GEBCO"),
        ("crop.tif", {"NC_GLOBAL#title": "The GEBCO_2023 Grid - a continuous terrain model"}, "GEBCO"),
        ("SRTM15_V2.5.5.nc", {}, "SRTM15+"),
        ("earth_relief_15s.grd", {}, "SRTM15+"),
        ("crop.nc", {"title": "SRTM15+V2.6 Earth Relief at 15 arc seconds"}, "SRTM15+"),
        ("survey.tif", {"MODEL": "gebco"}, None),
        ("survey.tif", {}, None),
    ],
)
def test_a_product_shows_in_its_name_or_its_texts(name, tags, product):
    assert product_of(CELLS, name, tags) == product


def test_cells_that_are_not_the_products_are_not_the_product():
    assert product_of(replace(CELLS, west=CELLS.west + CELLS.pixel_width / 2), "gebco.tif", {}) is None
    assert product_of(grid(10, 10), "gebco.tif", {}) is None
