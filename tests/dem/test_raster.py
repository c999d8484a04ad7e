import errno
import os
import re
import resource
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.transform import Affine
from synthetic import ARCSEC_3, NORTH_UP, dem, grid, plane, rough, write_raw

from demsr.dem import raster
from demsr.dem.raster import Dem, read_dem, write_dem
from demsr.dem.vertical import DATUMS
from demsr.errors import DatumError, GridError, RasterError, VoidError, reported


def holed() -> np.ndarray:
    elevation = rough(12, 10)
    elevation[3, 4] = elevation[0, 0] = np.nan
    return elevation


@pytest.mark.parametrize("registration", ["area", "point"])
@pytest.mark.parametrize("datum", DATUMS)
def test_geotiff_round_trip_keeps_elevation_voids_grid_datum_and_source(tmp_path, datum, registration):
    made = dem(holed(), vertical_datum=datum, source="a survey", registration=registration)
    write_dem(tmp_path / "a.tif", made)
    back = read_dem(tmp_path / "a.tif")
    np.testing.assert_array_equal(back.elevation_m, made.elevation_m)
    assert back.elevation_m.dtype == np.float32
    assert (back.grid, back.vertical_datum, back.source) == (made.grid, datum, "a survey")


@pytest.mark.parametrize("datum", [datum for datum in DATUMS.values() if datum.epsg], ids=lambda datum: datum.name)
def test_datum_is_read_from_the_compound_crs_alone(tmp_path, datum):
    write_dem(tmp_path / "a.tif", dem(holed(), vertical_datum=datum.name))
    with rasterio.open(tmp_path / "a.tif") as file:
        parts = pyproj.CRS.from_wkt(file.crs.to_wkt()).sub_crs_list
        bare = write_raw(tmp_path / "bare.tif", file.read(1), crs=file.crs)
    assert [part.to_epsg() for part in parts] == [4326, datum.epsg]
    assert read_dem(bare).vertical_datum == datum.name
    assert read_dem(bare).grid.crs == "EPSG:4326"


def test_projected_round_trip_keeps_the_grid(tmp_path):
    made = dem(holed(), crs="EPSG:32633", west=400_000, north=5e6, pixel_width=30, pixel_height=20)
    write_dem(tmp_path / "a.tif", made)
    assert read_dem(tmp_path / "a.tif").grid == made.grid


def test_written_file_is_a_compressed_cog_with_void_as_nan_and_tags(tmp_path):
    write_dem(tmp_path / "a.tif", dem(holed()), tags={"MODEL": "x"})
    with rasterio.open(tmp_path / "a.tif") as file:
        assert np.isnan(file.nodata)
        assert file.units == ("metre",)
        assert file.tags()["MODEL"] == "x"
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.compression.value == "DEFLATE"
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_south_up_file_is_flipped(tmp_path):
    values = plane(6, 4)
    south_up = Affine(ARCSEC_3, 0, 10, 0, ARCSEC_3, 50 - 6 * ARCSEC_3)
    back = read_dem(write_raw(tmp_path / "a.tif", values, transform=south_up), vertical_datum="EGM96")
    np.testing.assert_array_equal(back.elevation_m, values[::-1])
    assert (back.grid.west, back.grid.north) == pytest.approx((10, 50))
    assert back.grid.south == pytest.approx(50 - 6 * ARCSEC_3)


def test_packed_values_are_unpacked_and_their_nodata_is_void(tmp_path):
    values = np.array([[0, 10], [20, -32768]], np.int16)
    path = write_raw(tmp_path / "a.tif", values, nodata=-32768, scale=0.5, offset=100)
    expected = np.array([[100, 105], [110, np.nan]], np.float32)
    np.testing.assert_array_equal(read_dem(path, vertical_datum="EGM96").elevation_m, expected)


@pytest.mark.parametrize("nodata", [-32768, -9999, 32767, 0])
def test_declared_nodata_is_void(tmp_path, nodata):
    values = np.array([[5, nodata], [7, 8]], np.int16)
    read = read_dem(write_raw(tmp_path / "a.tif", values, nodata=nodata), vertical_datum="EGM96")
    np.testing.assert_array_equal(read.valid, [[True, False], [True, True]])


def test_nan_is_void_without_being_declared(tmp_path):
    read = read_dem(write_raw(tmp_path / "a.tif", holed()), vertical_datum="EGM96")
    assert (~read.valid).sum() == 2


def test_the_usual_sentinel_is_refused_where_none_is_declared(tmp_path):
    values = np.array([[5, -9999], [7, 8]], np.int16)
    with pytest.raises(VoidError, match=r"a\.tif: 1 pixels are -9999 and the file declares no value for voids"):
        read_dem(write_raw(tmp_path / "a.tif", values), vertical_datum="EGM96")
    trench = read_dem(write_raw(tmp_path / "b.tif", values, nodata=-32768), vertical_datum="MSL")
    assert trench.elevation_m[0, 1] == -9999


@pytest.mark.parametrize(
    ("sentinel", "dtype"), [(32767, np.int16), (-32768, np.int16), (-99999, np.float32), (1e6, np.float32)]
)
def test_undeclared_sentinel_is_refused_with_its_place(tmp_path, sentinel, dtype):
    values = np.full((4, 5), 7, dtype)
    values[2, 3] = sentinel
    path = write_raw(tmp_path / "a.tif", values)
    with pytest.raises(
        VoidError, match=rf"a: 1 pixels .* the first is {re.escape(f'{sentinel:g}')} at row 2, column 3; declare"
    ):
        read_dem(path, vertical_datum="EGM96")


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused(tmp_path, value):
    path = write_raw(tmp_path / "a.tif", np.full((4, 5), value, np.float32))
    with pytest.raises(VoidError, match="20 pixels lie outside"):
        read_dem(path, vertical_datum="EGM96")


def test_depths_and_heights_of_the_earth_are_believed():
    extremes = np.array([[-10_935, 8_849]], np.float32)
    assert dem(extremes).valid.all()


def test_file_without_crs_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs=None)
    with pytest.raises(GridError, match=r"a\.tif: the file has no CRS; .*gdal_edit\.py -a_srs EPSG:4326"):
        read_dem(path, vertical_datum="EGM96")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_file_without_a_place_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), transform=None)
    with pytest.raises(GridError, match=r"a\.tif: the file does not say where it lies; .*-a_ullr"):
        read_dem(path, vertical_datum="EGM96")


@pytest.mark.parametrize("transform", [NORTH_UP @ Affine.rotation(10), Affine(-ARCSEC_3, 0, 10, 0, -ARCSEC_3, 50)])
def test_rotated_or_mirrored_grid_is_refused(tmp_path, transform):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), transform=transform)
    with pytest.raises(GridError, match=r"a\.tif: the grid is rotated or mirrored; warp it north-up"):
        read_dem(path, vertical_datum="EGM96")


def test_file_with_two_bands_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.zeros((2, 4, 4), np.float32))
    with pytest.raises(GridError, match=r"a\.tif: the file has 2 bands; give one"):
        read_dem(path, vertical_datum="EGM96")


def test_file_that_is_no_raster_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("x,y,z\n")
    with pytest.raises(RasterError, match=r"a\.tif: cannot be read as a raster \("):
        read_dem(path)


def test_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(RasterError, match=r"a\.tif: cannot be read as a raster \(.*No such file"):
        read_dem(tmp_path / "a.tif")


def test_truncated_file_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(200, 200))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(RasterError, match=r"a\.tif: cannot be read as a raster"):
        read_dem(path, vertical_datum="EGM96")


def test_file_that_names_no_datum_needs_one(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4))
    with pytest.raises(DatumError, match=r"a\.tif: the file names no vertical datum; .*--vertical-datum"):
        read_dem(path)


def test_datum_of_the_file_is_believed_over_the_given_one(tmp_path):
    path = write_raw(tmp_path / "a.tif", plane(4, 4), crs="EPSG:4326+3855")
    assert read_dem(path, vertical_datum="EGM96").vertical_datum == "EGM2008"


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
    with pytest.raises(DatumError, match="a: vertical datum is 'Mars'; it must be one of EGM96"):
        read_dem(path)


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


def test_write_that_fails_in_the_middle_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    write_dem(path, dem(plane(4, 4)))

    def fail(written: Path, _: Dem) -> None:
        assert written.stat().st_size > 0
        message = "the cable was pulled"
        raise RasterioIOError(message)

    monkeypatch.setattr(raster, "_check_written", fail)
    with pytest.raises(RasterError, match=r"a\.tif: cannot be written \(the cable was pulled\); free space"):
        write_dem(path, dem(rough(4, 4)))
    assert [found.name for found in tmp_path.iterdir()] == ["a.tif"]
    np.testing.assert_array_equal(read_dem(path).elevation_m, plane(4, 4))


def test_value_that_was_not_stored_is_noticed(tmp_path):
    write_dem(tmp_path / "a.tif", dem(plane(4, 4)))
    with pytest.raises(RasterioIOError, match="No space left on device or write error"):
        raster._check_written(tmp_path / "a.tif", dem(plane(4, 4) + 1))


@pytest.mark.parametrize("limit", [1_000, 900_000])
def test_file_that_may_not_grow_is_reported_and_removed(tmp_path, limit):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    made = dem(rough(600, 600))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(RasterError, match=r"a\.tif: cannot be written \(.*\); free space on the disk"):
            write_dem(tmp_path / "a.tif", made)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_full_disk_gives_one_line_and_status_1(tmp_path, monkeypatch, capsys):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("demsr.files.os.fsync", full)
    with pytest.raises(SystemExit) as stop, reported("harmonise"):
        write_dem(tmp_path / "a.tif", dem(plane(4, 4)))
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("error: harmonise: the disk is full ([Errno 28]")
    assert list(tmp_path.iterdir()) == []


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


def test_bag_with_an_uncertainty_band_is_refused(shared):
    with pytest.raises(GridError, match="has 2 bands"):
        read_dem(shared / "data" / "marine" / "F00788_SR_8m.bag")


def test_ellipsoid_and_geoid_differ_by_the_undulation(shared):
    ellipsoid, geoid = (
        read_dem(shared / "data" / "land" / f"glo30_los_angeles_{kind}.tif", vertical_datum="EGM2008")
        for kind in ("ellipsoid", "geoid")
    )
    assert ellipsoid.grid == geoid.grid
    difference = ellipsoid.elevation_m - geoid.elevation_m
    assert np.nanmean(difference) == pytest.approx(-35, abs=1.5)
