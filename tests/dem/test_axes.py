import numpy as np
import pytest

from demsr.dem.axes import Variable, direction, even_axis, in_degrees, one_line, read_axes
from demsr.errors import GridError

CENTRES = 10 + (np.arange(40) + 0.5) / 240


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_axis_of_even_coordinates_has_their_edges(order):
    axis = even_axis(CENTRES[order], name="lon", where="a.nc")
    assert (axis.lowest_edge, axis.highest_edge) == pytest.approx((10, 10 + 40 / 240), abs=1e-12)
    np.testing.assert_allclose(axis.centres(), CENTRES[order], atol=1e-12)


def test_first_uneven_step_is_named():
    with pytest.raises(GridError, match=r"a\.nc: coordinates lon are not evenly spaced; from lon\[16\] = 10\.06875 "):
        even_axis(np.delete(CENTRES, [17, 18]), name="lon", where="a.nc")


@pytest.mark.parametrize(("off", "is_even"), [(0.04, True), (0.06, False)])
def test_one_coordinate_may_be_a_twentieth_of_a_cell_off(off, is_even):
    centres = CENTRES.copy()
    centres[20] += off / 240
    if is_even:
        even_axis(centres, name="lon", where="a.nc")
        return
    with pytest.raises(GridError, match="not evenly spaced"):
        even_axis(centres, name="lon", where="a.nc")


def test_longitudes_that_jump_are_joined():
    jumping = (CENTRES + 169.9 + 180) % 360 - 180
    assert jumping.max() - jumping.min() > 350
    axis = even_axis(jumping, name="lon", where="a.nc", joins_turns=True)
    assert axis.step == pytest.approx(1 / 240)
    with pytest.raises(GridError, match="not evenly spaced"):
        even_axis(jumping, name="lon", where="a.nc")


@pytest.mark.parametrize(("spacing", "unit", "is_joined"), [(1 / 240, "", True), (1 / 240, "m", False), (7, "", False)])
def test_bare_x_that_may_be_longitudes_is_joined(spacing, unit, is_joined):
    jumping = (179.9 + np.arange(30) * spacing + 180) % 360 - 180
    variables = {
        "z": Variable(("y", "x"), {}, lambda: np.zeros((3, 30))),
        "y": Variable(("y",), {}, lambda: np.arange(3.0)),
        "x": Variable(("x",), {"units": unit}, lambda: jumping),
    }
    if is_joined:
        assert read_axes("z", variables, where="a.nc").x.step == pytest.approx(spacing)
        return
    with pytest.raises(GridError, match=r"a\.nc: coordinates x are not evenly spaced"):
        read_axes("z", variables, where="a.nc")


def test_coordinate_that_is_missing_is_named():
    with pytest.raises(GridError, match="coordinate 3 of lat is nan"):
        even_axis(np.array([1, 2, 3, np.nan, 5]), name="lat", where="a.nc")


def test_two_dimensional_coordinates_of_a_regular_grid_are_one_line():
    lon, lat = np.meshgrid(CENTRES, CENTRES[:7] + 30)
    np.testing.assert_array_equal(one_line(lon, 1, name="nav_lon", where="a.nc"), CENTRES)
    np.testing.assert_array_equal(one_line(lat, 0, name="nav_lat", where="a.nc"), CENTRES[:7] + 30)
    with pytest.raises(GridError, match="differ by up to .* so the grid is curved"):
        one_line(lon + 0.01 * lat, 1, name="nav_lon", where="a.nc")


@pytest.mark.parametrize(
    ("name", "attributes", "axis", "degrees"),
    [
        ("lon", {}, "x", True),
        ("nav_lat", {}, "y", True),
        ("x", {}, "x", False),
        ("x", {"units": "degrees_east"}, "x", True),
        ("x", {"units": "m"}, "x", False),
        ("a", {"standard_name": "latitude"}, "y", True),
        ("a", {"standard_name": "projection_y_coordinate", "units": "m"}, "y", False),
        ("time", {"units": "days"}, None, False),
    ],
)
def test_meaning_of_coordinates_follows_from_attributes_before_the_name(name, attributes, axis, degrees):
    assert (direction(name, attributes), in_degrees(name, attributes)) == (axis, degrees)
