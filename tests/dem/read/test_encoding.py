import re

import numpy as np
import pytest
from synthetic import rough, write_raw

from demsr.dem.read.declared import Declared
from demsr.dem.read.raster import read_dem, read_raster
from demsr.errors import GridError, VoidError


@pytest.mark.parametrize(
    ("sentinel", "dtype"),
    [
        (32767, np.int16),
        (-32768, np.int16),
        (-9999, np.int16),
        (-99999, np.float32),
        (1e6, np.float64),
    ],
)
def test_undeclared_sentinel_is_void_and_said_so(tmp_path, sentinel, dtype):
    values = np.full((4, 5), 7, dtype)
    values[2, 3] = sentinel
    reading = read_raster(write_raw(tmp_path / "a.tif", values), vertical_datum="EGM96")
    assert np.argwhere(~reading.dem.valid).tolist() == [[2, 3]]
    assert any(
        re.match(rf"voids: 1 pixels are {sentinel:.1g}".replace("+", r"\+")[:18], note) for note in reading.assumptions
    )


def test_usual_sentinel_among_depths_of_a_trench_is_refused_until_declared(tmp_path):
    values = np.array([[-9800, -9999], [-9900, -9950]], np.int16)
    with pytest.raises(VoidError, match=r"a\.tif: 1 pixels are -9999 and the file declares no value for voids"):
        read_dem(write_raw(tmp_path / "a.tif", values), vertical_datum="EGM96")
    trench = read_dem(write_raw(tmp_path / "b.tif", values, nodata=-32768), vertical_datum="MSL")
    assert trench.elevation_m[0, 1] == -9999


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused(tmp_path, value):
    path = write_raw(tmp_path / "a.tif", np.full((4, 5), value, np.float32))
    with pytest.raises(
        VoidError,
        match=r"numbers lie outside -12000 to 9500 m, such as -?inf; if these are voids, declare --nodata=-?inf",
    ):
        read_dem(path, vertical_datum="EGM96")


@pytest.mark.parametrize("stored", [100, -100])
def test_crs_of_depths_is_settled_by_the_sign_of_the_values(tmp_path, stored):
    path = write_raw(tmp_path / "a.tif", np.full((2, 2), stored, np.float32), crs="EPSG:4326+5715")
    reading = read_raster(path)
    assert (reading.dem.elevation_m == -100).all()
    assert any(note.startswith("sign: the file speaks of depths") for note in reading.assumptions)


def test_depths_of_both_signs_are_refused_until_declared(tmp_path):
    values = np.array([[5, 7, -3], [4, 2, -8]], np.float32)
    path = write_raw(tmp_path / "a.tif", values, crs="EPSG:4326+5715")
    with pytest.raises(GridError, match=r"a\.tif: the file speaks of depths, 4 values are positive and 2 negative"):
        read_raster(path)
    np.testing.assert_array_equal(read_raster(path, declared=Declared(positive="down")).dem.elevation_m, -values)


def test_window_needs_to_know_the_sign(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(6, 6), crs="EPSG:4326+5715")
    with pytest.raises(GridError, match=r"a\.tif: the file speaks of depths; declare whether its values"):
        read_dem(path, within=(10, 49, 11, 51))


def test_usual_sentinel_is_void_also_where_another_value_is_declared(tmp_path):
    values = np.array([[5, -9999], [7, 8]], np.int16)
    read = read_dem(write_raw(tmp_path / "a.tif", values, nodata=-32768), vertical_datum="MSL")
    assert read.valid.tolist() == [[True, False], [True, True]]


def test_declared_nodata_is_united_with_what_the_file_says(tmp_path):
    values = np.array([[0, 5, -9998], [1, 2, 3]], np.float32)
    path = write_raw(tmp_path / "a.tif", values, nodata=0)
    found = read_raster(path, vertical_datum="MSL", declared=Declared(nodata=-9998)).dem.elevation_m
    np.testing.assert_array_equal(found, [[np.nan, 5, np.nan], [1, 2, 3]])
