import numpy as np
import pytest
from rasterio.transform import Affine
from synthetic import ARCSEC_3, plane, write_raw

from demsr.dem.reading import read_dem
from demsr.errors import DatumError, ParamsError
from demsr.sources.harmonise import harmonise

OPTIONS = {"vertical_datum": "EGM96", "datum_by_file": {}, "water_level_m": None, "water_min_pixels": 4}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_packed_south_up_raster_becomes_north_up_metres_with_voids_as_nan(tmp_path, out):
    values = np.array([[1, 2], [3, 4], [-9999, 6]], np.int16)
    south_up = Affine(ARCSEC_3, 0, 10, 0, ARCSEC_3, 50 - 3 * ARCSEC_3)
    path = write_raw(tmp_path / "a.tif", values, transform=south_up, nodata=-9999, scale=10)
    assert harmonise([path], out, **OPTIONS) == {"written": 1}
    read = read_dem(out / "a.tif")
    np.testing.assert_array_equal(read.elevation_m, np.array([[np.nan, 60], [30, 40], [10, 20]], np.float32))
    assert (read.vertical_datum, read.source) == ("EGM96", "a")
    assert read.grid.north == pytest.approx(50)


def test_harmonising_twice_changes_nothing(tmp_path, out):
    path = write_raw(tmp_path / "a.tif", plane(6, 7))
    harmonise([path], out, **OPTIONS)
    harmonise([out / "a.tif"], tmp_path / "again", **OPTIONS)
    first, again = read_dem(out / "a.tif"), read_dem(tmp_path / "again" / "a.tif")
    np.testing.assert_array_equal(first.elevation_m, again.elevation_m)
    assert (first.grid, first.vertical_datum, first.source) == (again.grid, again.vertical_datum, again.source)


def test_exception_for_a_file_goes_before_the_common_datum_but_not_before_the_file(tmp_path, out):
    silent, other = (write_raw(tmp_path / f"{name}.tif", plane(4, 4)) for name in ("silent", "other"))
    speaking = write_raw(tmp_path / "speaking.tif", plane(4, 4), crs="EPSG:4326+3855")
    exceptions = {"silent": "NAVD88", "speaking": "NAVD88"}
    harmonise([silent, other, speaking], out, **{**OPTIONS, "datum_by_file": exceptions})
    datums = {path.stem: read_dem(path).vertical_datum for path in out.iterdir()}
    assert datums == {"silent": "NAVD88", "other": "EGM96", "speaking": "EGM2008"}


def test_exception_for_a_file_that_is_not_there_is_refused(tmp_path, out):
    path = write_raw(tmp_path / "a.tif", plane(4, 4))
    with pytest.raises(ParamsError, match="vertical_datum_by_file names aa; there is no such file"):
        harmonise([path], out, **{**OPTIONS, "datum_by_file": {"aa": "MSL"}})


def test_unknown_datum_is_refused_with_the_file(tmp_path, out):
    path = write_raw(tmp_path / "a.tif", plane(4, 4))
    with pytest.raises(DatumError, match=r"a\.tif: vertical datum is 'sea'; it must be one of"):
        harmonise([path], out, **{**OPTIONS, "vertical_datum": "sea"})


@pytest.mark.parametrize(("level", "voids"), [(0, 6), (None, 0)])
def test_water_becomes_void_where_a_level_is_given(tmp_path, out, level, voids):
    values = plane(5, 6)
    values[:2, :3] = 0
    path = write_raw(tmp_path / "a.tif", values)
    harmonise([path], out, **{**OPTIONS, "water_level_m": level})
    assert (~read_dem(out / "a.tif").valid).sum() == voids


def test_raster_without_a_measured_pixel_is_left_out_and_counted(tmp_path, out):
    sea = write_raw(tmp_path / "sea.tif", np.zeros((5, 5), np.float32))
    land = write_raw(tmp_path / "land.tif", plane(5, 5))
    counts = harmonise([sea, land], out, **{**OPTIONS, "water_level_m": 0})
    assert counts == {"written": 1, "left out: no pixel measured": 1}
    assert [path.name for path in out.iterdir()] == ["land.tif"]
