import errno
import os
import resource
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.errors import RasterioIOError
from synthetic import dem, plane, rough, write_raw

from demsr.dem import geotiff
from demsr.dem.dem import Dem
from demsr.dem.geotiff import write_dem
from demsr.dem.read.raster import read_dem
from demsr.dem.vertical import DATUMS
from demsr.errors import RasterError, reported


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


def test_raster_that_states_no_datum_is_written_and_read_back_without_one(tmp_path):
    path = tmp_path / "gebco.tif"  # the name of a product does not fill the gap
    write_dem(path, dem(holed(), vertical_datum=None))
    with rasterio.open(path) as file:
        assert file.tags()["VERTICAL_DATUM"] == "not stated"
        assert not pyproj.CRS.from_wkt(file.crs.to_wkt()).is_compound
    assert read_dem(path).vertical_datum is None
    assert read_dem(path, vertical_datum="MSL").vertical_datum == "MSL"


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


def test_write_that_fails_in_the_middle_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    write_dem(path, dem(plane(4, 4)))

    def fail(written: Path, _: Dem) -> None:
        assert written.stat().st_size > 0
        message = "the cable was pulled"
        raise RasterioIOError(message)

    monkeypatch.setattr(geotiff, "_check_written", fail)
    with pytest.raises(RasterError, match=r"a\.tif: cannot be written \(the cable was pulled\); free space"):
        write_dem(path, dem(rough(4, 4)))
    assert [found.name for found in tmp_path.iterdir()] == ["a.tif"]
    np.testing.assert_array_equal(read_dem(path).elevation_m, plane(4, 4))


def test_value_that_was_not_stored_is_noticed(tmp_path):
    write_dem(tmp_path / "a.tif", dem(plane(4, 4)))
    with pytest.raises(RasterioIOError, match="No space left on device or write error"):
        geotiff._check_written(tmp_path / "a.tif", dem(plane(4, 4) + 1))


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

    monkeypatch.setattr("demsr.runtime.files.os.fsync", full)
    with pytest.raises(SystemExit) as stop, reported("harmonise"):
        write_dem(tmp_path / "a.tif", dem(plane(4, 4)))
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("error: harmonise: the disk is full ([Errno 28]")
    assert list(tmp_path.iterdir()) == []
