import numpy as np
import pytest
from synthetic import dem, grid, plane

from demsr.dem.dem import Dem
from demsr.errors import DatumError, GridError


def test_depths_and_heights_of_the_earth_are_believed():
    extremes = np.array([[-10_935, 8_849]], np.float32)
    assert dem(extremes).valid.all()


def test_dem_refuses_elevation_that_does_not_fit_its_grid():
    with pytest.raises(GridError, match=r"x: elevation has shape \(3, 4\), its grid has 4 x 3 cells"):
        Dem(elevation_m=plane(3, 4), grid=grid(4, 3), vertical_datum="EGM96", source="x")


def test_dem_refuses_other_types_than_float32():
    with pytest.raises(GridError, match="x: elevation is float64, it must be float32"):
        Dem(elevation_m=np.zeros((3, 4)), grid=grid(3, 4), vertical_datum="EGM96", source="x")


def test_dem_refuses_an_unknown_datum():
    with pytest.raises(DatumError, match="x: vertical datum is 'sea'"):
        dem(plane(3, 4), vertical_datum="sea", source="x")


def test_elevation_of_a_dem_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        dem(plane(3, 4)).elevation_m[0, 0] = 1


def test_window_of_a_dem_has_its_pixels_and_its_place():
    whole = dem(plane(8, 9))
    part = whole.window(2, 3, 4, 5)
    np.testing.assert_array_equal(part.elevation_m, whole.elevation_m[2:6, 3:8])
    assert part.grid.centre(0, 0) == pytest.approx(whole.grid.centre(2, 3))


def test_without_makes_pixels_void_and_leaves_the_original():
    whole = dem(plane(3, 4))
    pixels = np.zeros((3, 4), bool)
    pixels[1, 2] = True
    np.testing.assert_array_equal(whole.without(pixels).valid, ~pixels)
    assert whole.valid.all()


def test_datum_that_is_not_stated_is_refused_only_where_it_is_needed():
    made = dem(plane(3, 4), vertical_datum=None, source="x")
    assert made.vertical_datum is None
    with pytest.raises(DatumError, match="x: the file names no vertical datum; declare it"):
        _ = made.stated_datum
