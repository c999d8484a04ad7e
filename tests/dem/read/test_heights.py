import numpy as np
import pytest
from raster_files import LAT, LON, VALUES, write_netcdf
from synthetic import plane, rough, write_raw

from demsr.dem.read.declared import Declared
from demsr.dem.read.raster import read_dem, read_raster
from demsr.errors import DatumError, GridError


def test_ellipsoidal_heights_are_not_taken_for_the_given_datum(tmp_path):
    read = read_dem(write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4979"), vertical_datum="EGM96")
    assert (read.vertical_datum, read.grid.crs) == ("WGS84 ellipsoid", "EPSG:4326")


def test_unknown_vertical_crs_of_a_file_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4326+5782")
    with pytest.raises(DatumError, match=r"a\.tif: vertical CRS is 'Alicante height'; known datums are"):
        read_dem(path, vertical_datum="EGM96")


def test_way_out_of_an_unknown_vertical_crs_works(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4326+5782", VERTICAL_DATUM="MSL")
    assert read_dem(path).vertical_datum == "MSL"


def test_unknown_datum_in_a_tag_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), VERTICAL_DATUM="Mars")
    with pytest.raises(DatumError, match=r"a\.tif: vertical datum is 'Mars'; it must be one of EGM96"):
        read_dem(path)


@pytest.mark.parametrize(("unit", "metres"), [("ft", 0.3048), ("us-ft", 1200 / 3937), ("fathom", 1.8288), ("cm", 0.01)])
def test_declared_unit_is_converted(tmp_path, unit, metres):
    path = write_raw(tmp_path / "a.tif", np.array([[100.0, 200], [300, 400]], np.float32))
    read = read_dem(path, vertical_datum="MSL", declared=Declared(unit=unit))
    np.testing.assert_allclose(read.elevation_m, np.array([[100, 200], [300, 400]]) * metres, rtol=1e-6)


def test_unit_of_the_file_or_of_its_vertical_crs_is_converted(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.full((2, 2), 100, np.float32), crs="EPSG:4326+6360")
    reading = read_raster(path)
    assert reading.dem.elevation_m[0, 0] == pytest.approx(100 * 1200 / 3937)
    assert reading.dem.vertical_datum == "NAVD88"
    assert not any(note.startswith("unit:") for note in reading.assumptions)


def test_unknown_unit_is_refused(tmp_path):
    path = write_netcdf(tmp_path / "a.nc", VALUES, lon=LON, lat=LAT, attributes={"units": "cubit"})
    with pytest.raises(GridError, match=r"a\.nc: heights are in 'cubit'; declare a unit"):
        read_dem(path, vertical_datum="MSL")


def test_depths_positive_down_change_sign_when_declared_or_said(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.full((2, 2), 100, np.float32))
    assert (read_dem(path, vertical_datum="MSL", declared=Declared(positive="down")).elevation_m == -100).all()
    said = write_netcdf(tmp_path / "a.nc", VALUES + 1, lon=LON, lat=LAT, attributes={"positive": "down"})
    assert (read_dem(said, vertical_datum="MSL").elevation_m < 0).all()


def test_declared_datum_against_the_file_is_said(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4326+3855")
    reading = read_raster(path, declared=Declared(vertical_datum="EGM96"))
    assert reading.dem.vertical_datum == "EGM96"
    assert "vertical datum: the file says EGM2008; EGM96 was declared and is taken" in reading.assumptions


def test_sign_is_an_assumption_where_the_file_does_not_say(tmp_path):
    silent = read_raster(write_raw(tmp_path / "a.tif", rough(6, 6)), vertical_datum="MSL")
    assert "sign: the file does not say; heights, positive up, taken" in silent.assumptions
    said = read_raster(write_raw(tmp_path / "b.tif", rough(6, 6), crs="EPSG:4326+3855"))
    assert not any(note.startswith("sign") for note in said.assumptions)
