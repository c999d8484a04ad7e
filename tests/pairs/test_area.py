import dataclasses
import math

import pytest
from synthetic import dem, grid, plane, write_pairs

from demsr.pairs.area import Area, pair_kind
from demsr.pairs.pair_file import PairFile


def test_area_knows_source_datum_registration_and_spacing(tmp_path):
    pairs = PairFile(write_pairs(tmp_path / "a.h5", (1, 1)))
    known = {
        "source": "made",
        "pair_kind": "3 arc-second",
        "registration": "area",
        "vertical_datum": "EGM96",
        "crs": "EPSG:4326",
        "pixel_size": "0.0008333333333 x 0.0008333333333 degree",
        "degradation": "block mean",
        "lr_source": "mean of each block",
        "coregistration": "",
        "east_m": 0,
        "north_m": 0,
        "bias_m": 0,
    }
    for area, name in zip(pairs.areas, ("area 0", "area 1"), strict=True):
        stored = dataclasses.asdict(area)
        assert math.isnan(stored.pop("std_before_m"))
        assert math.isnan(stored.pop("std_after_m"))
        assert stored == {"name": name, **known}


@pytest.mark.parametrize(("source", "synthetic"), [("synthetic sea floor", True), ("Balanus Seamount", False)])
def test_area_knows_whether_its_terrain_was_made(source, synthetic):
    assert Area.from_dem("x", dem(plane(5, 5), source=source)).synthetic == synthetic


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "3 arc-second"),
        ({"pixel_width": 1.0000001 / 1200, "registration": "point"}, "3 arc-second"),
        ({"pixel_width": 4 / 3600}, "scale-free"),
        ({"pixel_width": 1 / 3600, "pixel_height": 1 / 3600}, "scale-free"),
        ({"crs": "EPSG:32633", "pixel_width": 3, "pixel_height": 3}, "scale-free"),
    ],
)
def test_kind_of_pairs_follows_from_the_spacing(options, kind):
    assert pair_kind(grid(5, 5, **options)) == kind
