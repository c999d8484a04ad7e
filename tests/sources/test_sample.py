from importlib.resources import files

import numpy as np
import pytest

from demsr.dem.raster import SYNTHETIC
from demsr.pairs.cut import THREE_ARCSEC, pair_kind
from demsr.sources import sample


def test_land_is_the_packaged_grid_unchanged():
    packaged = files("matplotlib") / "mpl-data" / "sample_data" / "jacksboro_fault_dem.npz"
    with packaged.open("rb") as file, np.load(file) as archive:
        elevation = archive["elevation"]
        corners = [float(archive[name]) for name in ("xmin", "xmax", "ymin", "ymax")]
    land = sample.land()
    np.testing.assert_array_equal(land.elevation_m, elevation)
    found = [land.grid.west, land.grid.east, land.grid.north, land.grid.south]  # ymin and ymax are swapped in the file
    assert found == pytest.approx(corners, abs=1e-6)


def test_land_is_real_names_its_datum_and_stands_for_points():
    land = sample.land()
    assert not land.source.startswith(SYNTHETIC)
    assert (land.vertical_datum, land.grid.registration) == ("EGM96", "point")
    assert land.valid.all()


def test_land_lies_in_tennessee():
    assert sample.land().grid.centre(172, 201) == pytest.approx((-84.25, 36.6), abs=0.05)


def test_both_samples_make_three_arc_second_pairs():
    assert pair_kind(sample.land().grid) == pair_kind(sample.sea_floor(seed=1).grid) == THREE_ARCSEC


def test_sea_floor_says_that_it_is_made():
    floor = sample.sea_floor(seed=1)
    assert floor.source.startswith(SYNTHETIC)
    assert floor.vertical_datum == "MSL"


def test_sea_floor_follows_from_its_seed():
    first = sample.sea_floor(seed=1).elevation_m
    np.testing.assert_array_equal(sample.sea_floor(seed=1).elevation_m, first)
    assert not np.array_equal(sample.sea_floor(seed=2).elevation_m, first)
