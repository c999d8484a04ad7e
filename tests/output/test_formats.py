import errno
import os

import numpy as np
import pytest
import rasterio
from product_files import (
    KINDS,
    UTM,
    assert_near,
    contents,
    holed,
    largest_file,
    tiled,
    write,
)
from synthetic import grid

from demsr.dem.read.raster import read_raster
from demsr.dem.vertical import DATUMS
from demsr.dem.windows import Window
from demsr.errors import RasterError
from demsr.output.formats import check_target, read_product_elevation, write_product


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bands", [1, 2])
def test_product_reads_back_as_it_was_made(tmp_path, kind, bands):
    values, of = holed(bands=bands), grid(70, 90, west=9.97, north=50.02)
    reading = read_raster(write(tmp_path / kind, values, of))
    np.testing.assert_array_equal(reading.dem.elevation_m, values[0])
    assert_near(reading.dem.grid, of)
    assert reading.dem.vertical_datum == "EGM96"
    assert kind == "a.nc" or reading.dem.source == "a survey"


@pytest.mark.parametrize("registration", ["area", "point"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("datum", DATUMS)
def test_every_datum_and_registration_is_read_back(tmp_path, kind, datum, registration):
    made = write(tmp_path / kind, holed(8, 9, bands=1), grid(8, 9, registration=registration), datum=datum)
    reading = read_raster(made)
    assert (reading.dem.vertical_datum, reading.dem.grid.registration) == (datum, registration)
    assert not [note for note in reading.assumptions if not note.startswith("layer")]


@pytest.mark.parametrize("kind", KINDS)
def test_product_without_a_datum_says_not_stated_and_is_read_back_without_one(tmp_path, kind):
    made = write(tmp_path / kind, holed(8, 9, bands=1), grid(8, 9), datum=None)
    reading = read_raster(made)
    assert reading.dem.vertical_datum is None
    notes = [note for note in reading.assumptions if not note.startswith("layer")]
    assert notes == ["vertical datum: not stated by the file"]


@pytest.mark.parametrize("kind", KINDS)
def test_elevation_of_a_window_is_read_from_every_format(tmp_path, kind):
    values = holed()
    write(tmp_path / kind, values, grid(70, 90))
    window = Window(40, 30, 20, 45)
    found = read_product_elevation(tmp_path / kind, window)
    np.testing.assert_array_equal(found, values[(0, *window.slices)])


@pytest.mark.parametrize("kind", ["a.tif", "a.nc"])
@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:2263", "EPSG:3031", "EPSG:3857"])
def test_projected_grid_is_read_back(tmp_path, kind, crs):
    values, of = holed(), grid(70, 90, **{**UTM, "crs": crs})
    reading = read_raster(write(tmp_path / kind, values, of))
    np.testing.assert_array_equal(reading.dem.elevation_m, values[0])
    assert_near(reading.dem.grid, of)


@pytest.mark.parametrize("kind", KINDS)
def test_product_is_the_same_in_every_byte_whatever_its_tiles(tmp_path, kind):
    values, of = holed(600, 700), grid(600, 700, west=9.9, north=50.2)
    write(tmp_path / "one" / kind, values, of, side=700)
    write(tmp_path / "many" / kind, values, of, side=333)
    assert contents(tmp_path / "one" / kind) == contents(tmp_path / "many" / kind)


@pytest.mark.parametrize("kind", KINDS)
def test_product_is_continuous_across_the_antimeridian(tmp_path, kind):
    values, of = holed(), grid(70, 90, west=179.97, north=50.02)
    path = write(tmp_path / kind, values, of)
    np.testing.assert_array_equal(read_raster(path).dem.elevation_m, values[0])
    if kind == "a.tif":
        with rasterio.open(path) as file:
            assert file.bounds.right == pytest.approx(180.045)


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "a.nc", "a", "new/folder/a"])
def test_target_that_can_be_written_is_let_through_and_not_made(tmp_path, name):
    check_target(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_target_of_another_kind_is_refused(tmp_path):
    with pytest.raises(RasterError, match=r"a\.png: ends in \.png; name a \.tif, a \.nc, or a folder"):
        check_target(tmp_path / "a.png")


def test_target_that_something_else_has_is_refused(tmp_path):
    (tmp_path / "a").write_text("")
    (tmp_path / "b.tif").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("")
    with pytest.raises(RasterError, match="a: is a file, a name without suffix is for a folder"):
        check_target(tmp_path / "a")
    with pytest.raises(RasterError, match=r"b\.tif: is a folder, a file is to be written"):
        check_target(tmp_path / "b.tif")
    with pytest.raises(RasterError, match="photos: holds other files, which would be lost"):
        check_target(tmp_path / "photos")


def test_target_where_nothing_can_be_written_is_refused(tmp_path, monkeypatch):
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("demsr.output.formats.tempfile.TemporaryFile", refuse)
    with pytest.raises(RasterError, match=r"a\.tif: nothing can be written to .* \(Read-only file system\)"):
        check_target(tmp_path / "a.tif")


def test_target_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RasterError, match=r"a\.tif: nothing can be written to .*file \(Not a directory\)"):
        check_target(tmp_path / "file" / "a.tif")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1_000, 100_000])
def test_file_that_may_not_grow_is_reported_and_removed(tmp_path, kind, limit):
    tiles, made = tiled(tmp_path / "tiles", holed(300, 300), grid(300, 300), side=300)
    with largest_file(limit), pytest.raises(RasterError, match=r"(?s): cannot be written \(.*\); free space"):
        write_product(tmp_path / kind, tiles, made)
    assert [path.name for path in tmp_path.iterdir()] == ["tiles"]
