import numpy as np
import pytest
from rasterio.transform import Affine
from synthetic import grid, plane, write_raw

from demsr.inference.expectation import card_gains, expected_gain, measured_percent
from demsr.inference.source import RasterSource, open_source

FIFTEEN = grid(4, 6, pixel_width=15 / 3600, pixel_height=15 / 3600)


def test_the_gains_are_those_of_the_card(root):
    card = (root / "demsr/weights/README.md").read_text()
    gains = card_gains()
    for row in ("real GEBCO on land", "real GEBCO at sea", "block means on land", "block means of the sea floor"):
        mean, worst = gains[row]
        assert f"| {row} | {mean} % | {worst} % |" in card
    land, sea = gains["the same, at true instead of nominal positions"], gains["real GEBCO at sea"]
    said = expected_gain("builtin", "gebco", FIFTEEN, "srtm")
    assert f"by {land[0]:g} % on land and {sea[0]:g} % at sea" in said
    assert said.endswith(f"worst {land[1]:g} % and {sea[1]:g} %")
    land = gains["block means on land"]
    assert f"by {land[0]:g} % on land" in expected_gain("builtin#mean", "mean", FIFTEEN, "nominal")


@pytest.mark.parametrize(
    ("model", "operator", "of", "why"),
    [
        ("models:/mine/1", None, FIFTEEN, "this model"),
        ("builtin", "gebco", grid(4, 6), "this spacing"),
        ("builtin", "blind", FIFTEEN, "cells that were made in this way"),
    ],
)
def test_what_was_not_measured_is_not_promised(model, operator, of, why):
    said = expected_gain(model, operator, of, "nominal")
    assert said == f"how much better than bicubic interpolation it is was not measured for {why}"


def test_measured_cells_are_counted_by_their_identifiers(tmp_path):
    size = 15 / 3600
    place = {"transform": Affine(size, 0, 10, 0, -size, 50)}
    raster = write_raw(tmp_path / "gebco.tif", plane(4, 6), **place)
    tid = np.full((4, 6), 40, np.int16)
    tid[1, :3] = 11
    identifiers = write_raw(tmp_path / "tid.tif", tid, **place)
    with open_source(RasterSource(path=raster, tid=identifiers)) as source:
        assert measured_percent(source) == pytest.approx(12.5)
    with open_source(RasterSource(path=raster)) as source:
        assert measured_percent(source) is None
