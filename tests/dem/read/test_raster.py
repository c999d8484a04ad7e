import os

import numpy as np
import pytest
from synthetic import plane, rough, write_raw

from demsr.dem.read.declared import Declared
from demsr.dem.read.raster import read_dem, read_raster
from demsr.errors import DatumError, GridError, RasterError


def test_truncated_file_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(200, 200))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(RasterError, match=r"a\.tif: cannot be read as a raster"):
        read_dem(path, vertical_datum="EGM96")


def test_file_that_names_no_datum_is_read_and_said_so(tmp_path):
    reading = read_raster(write_raw(tmp_path / "a.tif", plane(4, 4)))
    np.testing.assert_array_equal(reading.dem.elevation_m, plane(4, 4))
    assert reading.dem.vertical_datum is None
    assert "vertical datum: not stated by the file" in reading.assumptions


def test_file_that_names_no_datum_is_refused_where_one_is_required(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4))
    with pytest.raises(DatumError, match=r"a\.tif: the file names no vertical datum; .*--vertical-datum"):
        read_dem(path, require_datum=True)


def test_datum_of_the_file_is_believed_over_the_given_one(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4326+3855")
    assert read_dem(path, vertical_datum="EGM96").vertical_datum == "EGM2008"


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("land/srtm3_oetztal_alps.tif", 387, 3727),
        ("land/utm30m_kilauea_volcano.tif", 23, 1505),
        ("marine/cudem_sabine_lake.tif", -17.6, 10.5),
        ("gebco/gebco_2024_cardigan_bay.tif", -55, 546),
    ],
)
def test_real_file_has_the_range_of_its_data_card(shared, name, lowest, highest):
    elevation = read_dem(shared / "data" / name, vertical_datum="MSL").elevation_m
    assert (np.nanmin(elevation), np.nanmax(elevation)) == pytest.approx((lowest, highest), abs=0.06)


def test_ellipsoid_and_geoid_differ_by_the_undulation(shared):
    ellipsoid, geoid = (
        read_dem(shared / "data" / "land" / f"glo30_los_angeles_{kind}.tif", vertical_datum="EGM2008")
        for kind in ("ellipsoid", "geoid")
    )
    assert ellipsoid.grid == geoid.grid
    difference = ellipsoid.elevation_m - geoid.elevation_m
    assert np.nanmean(difference) == pytest.approx(-35, abs=1.5)


def test_box_beside_the_raster_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(6, 6))
    with pytest.raises(GridError, match="no cell is in 20 to 21 east"):
        read_dem(path, vertical_datum="MSL", within=(20, 10, 21, 11))


def test_raster_beyond_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("demsr.dem.read.raster._MAX_PIXELS", 100)
    with pytest.raises(GridError, match=r"60 x 40 pixels exceed the 100 that are read at once; cut it first"):
        read_dem(write_raw(tmp_path / "a.tif", rough(60, 40)), vertical_datum="MSL")


def test_declared_crs_nodata_registration_and_datum_win(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.array([[5, 0], [7, 8]], np.int16), crs="EPSG:4326+3855")
    said = Declared(crs="EPSG:4269", nodata=0, registration="point", vertical_datum="NAVD88")
    reading = read_raster(path, declared=said)
    assert (reading.dem.grid.crs, reading.dem.grid.registration) == ("EPSG:4269", "point")
    assert reading.dem.vertical_datum == "NAVD88"
    assert reading.dem.valid.tolist() == [[True, False], [True, True]]


def test_window_in_another_turn_of_longitudes_is_the_same(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(6, 6))
    here, there = (read_dem(path, vertical_datum="MSL", within=(10 + turn, 49, 11 + turn, 51)) for turn in (0, 360))
    np.testing.assert_array_equal(here.elevation_m, there.elevation_m)
