import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from raster_files import LAT, LON, VALUES, write_netcdf
from rasterio.transform import Affine
from synthetic import ARCSEC_3, rough, write_raw

from demsr.dem.gdal_environment import gdal_environment
from demsr.dem.read.raster import read_dem

READ = """
import sys
from demsr.dem.read.raster import read_dem
dem = read_dem(sys.argv[1], vertical_datum="MSL")
print(dem.elevation_m[0, 0], dem.grid.centre(0, 0), dem.grid.lonlat_bounds()[2])
"""


def read_in(path, **variables):
    """Return what another process reads under variables of its environment."""
    done = subprocess.run(
        [sys.executable, "-c", READ, path], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("name", ["GDAL_NETCDF_BOTTOMUP", "GDAL_NETCDF_CENTERLONG_180"])
def test_options_for_netcdf_change_nothing(tmp_path, monkeypatch, name):
    path = write_netcdf(tmp_path / "a.nc", VALUES, lon=LON, lat=LAT)
    monkeypatch.setenv(name, "NO")
    np.testing.assert_array_equal(read_dem(path, vertical_datum="MSL").elevation_m, VALUES[::-1])


@pytest.mark.parametrize("name", ["GTIFF_POINT_GEO_IGNORE", "GTIFF_IGNORE_READ_ERRORS", "GDAL_GEOREF_SOURCES"])
def test_options_for_geotiff_change_nothing(tmp_path, name):
    path = write_raw(tmp_path / "a.tif", rough(6, 7), AREA_OR_POINT="Point")
    assert read_in(path, **{name: "NONE" if name.startswith("GDAL") else "TRUE"}) == read_in(path)
    assert read_dem(path, vertical_datum="MSL").grid.centre(0, 0)[0] == pytest.approx(10 + ARCSEC_3 / 2)


def test_options_in_a_file_of_the_user_change_nothing(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(6, 7), AREA_OR_POINT="Point")
    (tmp_path / ".gdal").mkdir()
    (tmp_path / ".gdal" / "gdalrc").write_text("[configoptions]\nGTIFF_POINT_GEO_IGNORE=TRUE\n")
    assert read_in(path, HOME=str(tmp_path)) == read_in(path)


@pytest.mark.parametrize("variable", ["PROJ_DATA", "PROJ_LIB"])
@pytest.mark.parametrize("kind", ["old", "empty"])
def test_proj_data_of_another_installation_changes_nothing(tmp_path, variable, kind):
    folder, transform = tmp_path / "other", Affine(90, 0, 500_000, 0, -90, 5e6)
    folder.mkdir()
    path = write_raw(tmp_path / "b.tif", rough(6, 7), crs="EPSG:32632", transform=transform)
    if kind == "old":
        with sqlite3.connect(folder / "proj.db") as database:
            database.execute("create table metadata (key text, value text)")
            versions = [("DATABASE.LAYOUT.VERSION.MAJOR", "1"), ("DATABASE.LAYOUT.VERSION.MINOR", "0")]
            database.executemany("insert into metadata values (?, ?)", versions)
        database.close()
    assert read_in(path, **{variable: str(folder)}) == read_in(path)


def test_options_that_do_not_change_meaning_stay(monkeypatch):
    for name in ("GDAL_CACHEMAX", "GDAL_HTTP_TIMEOUT", "GDAL_SKIP", "HDF5_DRIVER"):
        monkeypatch.setenv(name, "100")
    with gdal_environment(GDAL_NUM_THREADS="2") as environment:
        assert environment.options["GDAL_NUM_THREADS"] == "2"
    assert {"GDAL_CACHEMAX", "GDAL_HTTP_TIMEOUT"} <= os.environ.keys()
    assert not {"GDAL_SKIP", "HDF5_DRIVER"} & os.environ.keys()
