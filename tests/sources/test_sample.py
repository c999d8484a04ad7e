from importlib.resources import files

import numpy as np
import pytest

from demsr.dem.dem import SYNTHETIC
from demsr.pairs.area import THREE_ARCSEC, pair_kind
from demsr.sources import sample
from demsr.sources.sea_floor import synthetic_sea_floor


@pytest.fixture(scope="module")
def floor():
    return sample.sea_floor(seed=1)


def test_land_is_the_packaged_grid_unchanged():
    packaged = files("matplotlib") / "mpl-data" / "sample_data" / "jacksboro_fault_dem.npz"
    with packaged.open("rb") as file, np.load(file) as archive:
        elevation = archive["elevation"]
        west, east, north = (float(archive[name]) for name in ("xmin", "xmax", "ymax"))
    land = sample.land()
    np.testing.assert_array_equal(land.elevation_m, elevation)
    assert (land.grid.west, land.grid.east, land.grid.north) == pytest.approx((west, east, north), abs=1e-6)


def test_highest_pixel_of_the_land_is_cross_mountain():
    land = sample.land()
    top = np.unravel_index(land.elevation_m.argmax(), land.elevation_m.shape)
    assert land.grid.centre(*top) == pytest.approx((-84.2306, 36.1983), abs=3 / 3600)
    assert land.elevation_m[top] == pytest.approx(1077, abs=3)


def test_land_is_real_names_its_datum_and_stands_for_points():
    land = sample.land()
    assert not land.source.startswith(SYNTHETIC)
    assert (land.vertical_datum, land.grid.registration) == ("EGM96", "point")
    assert land.valid.all()


def test_land_lies_in_tennessee():
    assert sample.land().grid.centre(172, 201) == pytest.approx((-84.25, 36.3), abs=0.05)


def test_both_samples_make_three_arc_second_pairs(floor):
    assert pair_kind(sample.land().grid) == pair_kind(floor.grid) == THREE_ARCSEC


def test_sea_floor_says_that_it_is_made(floor):
    assert floor.source.startswith(SYNTHETIC)
    assert floor.vertical_datum == "MSL"


def test_sea_floor_is_the_synthetic_one_of_its_seed(floor):
    made = synthetic_sea_floor(680, 680, pixel_size_m=floor.grid.pixel_size_m(), seed=1)
    np.testing.assert_array_equal(floor.elevation_m, made)
