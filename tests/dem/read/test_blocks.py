import numpy as np
import pytest
from raster_files import LAT, LON, VALUES, write_netcdf
from rasterio.transform import Affine
from synthetic import ARCSEC_3, plane, rough, write_raw

from demsr.dem.read.raster import read_dem


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
    elevation = rough(12, 10)
    elevation[3, 4] = elevation[0, 0] = np.nan
    read = read_dem(write_raw(tmp_path / "a.tif", elevation), vertical_datum="EGM96")
    np.testing.assert_array_equal(read.valid, np.isfinite(elevation))


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("turn", [0, 360])
@pytest.mark.parametrize("kind", ["float64", "float32", "int16", "packed"])
def test_netcdf_of_any_layout_gives_the_same_raster(tmp_path, flipped, turn, kind):
    order = slice(None, None, -1) if flipped else slice(None)
    attributes = {"standard_name": "height_above_mean_sea_level", "units": "m"}
    values = VALUES[order].astype("int16" if kind == "packed" else kind)
    if kind == "packed":
        values = ((VALUES[order] - 2) * 2).astype(np.int16)
        attributes |= {"scale_factor": 0.5, "add_offset": 2.0}
    path = write_netcdf(tmp_path / "a.nc", values, lon=LON - 20 + turn, lat=LAT[order], attributes=attributes)
    dem = read_dem(path)
    np.testing.assert_array_equal(dem.elevation_m, VALUES[::-1])
    assert (dem.grid.west, dem.grid.north) == pytest.approx((-10, 50 + 4 / 240), abs=1e-9)
    assert (dem.vertical_datum, dem.grid.registration) == ("MSL", "area")


def test_window_of_a_south_up_file_is_the_same_part(tmp_path):
    south_up = Affine(ARCSEC_3, 0, 10, 0, ARCSEC_3, 50 - 60 * ARCSEC_3)
    path = write_raw(tmp_path / "a.tif", rough(60, 40), transform=south_up)
    whole = read_dem(path, vertical_datum="MSL")
    box = whole.grid.window(7, 3, 11, 13).lonlat_bounds()
    inner = (box[0] + 1e-6, box[1] + 1e-6, box[2] - 1e-6, box[3] - 1e-6)
    part = read_dem(path, vertical_datum="MSL", within=inner)
    np.testing.assert_array_equal(part.elevation_m, whole.elevation_m[7:18, 3:16])
    assert part.grid.centre(0, 0) == pytest.approx(whole.grid.centre(7, 3), abs=1e-9)


def test_large_raster_is_read_in_pieces_that_fit_together(tmp_path, monkeypatch):
    monkeypatch.setattr("demsr.dem.read.blocks._BLOCK_PIXELS", 100)
    values = rough(60, 40)
    np.testing.assert_array_equal(
        read_dem(write_raw(tmp_path / "a.tif", values), vertical_datum="MSL").elevation_m, values
    )


def test_window_across_the_end_of_a_globe_goes_on_at_its_beginning(tmp_path):
    lon, lat = np.arange(-180, 180) + 0.5, np.arange(-90, 90) + 0.5
    values = np.broadcast_to(lon, (180, 360)).astype(np.float32)
    part = read_dem(write_netcdf(tmp_path / "gebco.nc", values, lon=lon, lat=lat), within=(178, 10, 182, 11))
    np.testing.assert_array_equal(part.elevation_m[0], [178.5, 179.5, -179.5, -178.5])
    assert (part.grid.west, part.grid.east) == (178, 182)


def test_signalling_nan_is_void_without_a_warning(tmp_path):
    values = plane(4, 4)
    values.view(np.uint32)[1, 2] = 0x7FA00000
    dem = read_dem(write_raw(tmp_path / "a.tif", values), vertical_datum="MSL")
    assert np.argwhere(~dem.valid).tolist() == [[1, 2]]
