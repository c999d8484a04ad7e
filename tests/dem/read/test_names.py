import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil
from raster_files import LAT, LON, VALUES, write_ascii, write_netcdf
from rasterio.transform import Affine
from synthetic import dem, plane, rough, write_raw

from demsr.dem.geotiff import write_dem
from demsr.dem.read.names import source_name, unpacked
from demsr.dem.read.raster import read_dem
from demsr.errors import RasterError
from demsr.runtime import archives


def compressed(path):
    target = path.with_name(f"{path.name}.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


def test_compressed_files_of_any_format_are_unpacked(tmp_path):
    files = (
        write_raw(tmp_path / "a.tif", VALUES[::-1].astype(np.float32)),
        write_ascii(tmp_path / "b.asc", VALUES[::-1], west=10, south=50, cell=1 / 240),
        write_netcdf(tmp_path / "c.nc", VALUES, lon=LON, lat=LAT),
    )
    for file in files:
        read = read_dem(compressed(file), vertical_datum="MSL")
        np.testing.assert_array_equal(read.elevation_m, VALUES[::-1])
        assert read.source == file.stem


def test_netcdf_in_an_archive_is_read_and_files_of_the_system_are_not(tmp_path):
    path = write_netcdf(tmp_path / "a.nc", VALUES, lon=LON, lat=LAT)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "folder/a.nc")
        for name in ("__MACOSX/folder/._a.nc", ".hidden.tif", "folder/a.nc.aux.xml"):
            archive.writestr(name, b"no raster")
    np.testing.assert_array_equal(read_dem(tmp_path / "a.zip", vertical_datum="MSL").elevation_m, VALUES[::-1])


@pytest.mark.parametrize(
    "form", ['NETCDF:"{nc}":elevation', "NETCDF:{nc}:elevation", "file://{nc}", "/vsizip/{zip}/b/a.nc"]
)
def test_names_of_gdal_for_local_files_are_read(tmp_path, form):
    others = {"other": np.ones((4, 6))} if "NETCDF" in form else None
    path = write_netcdf(tmp_path / "a.nc", VALUES, lon=LON, lat=LAT, others=others)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(path, "b/a.nc")
        archive.writestr("b/b.nc", b"another")
    name = form.format(nc=path, zip=tmp_path / "two.zip")
    for given in (name, Path(name)):
        np.testing.assert_array_equal(read_dem(given, vertical_datum="MSL").elevation_m, VALUES[::-1])


def test_gzip_by_the_name_of_gdal_is_read(tmp_path):
    path = compressed(write_raw(tmp_path / "a.tif", rough(5, 6)))
    np.testing.assert_array_equal(read_dem(f"/vsigzip/{path}", vertical_datum="MSL").elevation_m, rough(5, 6))


@pytest.mark.parametrize(
    "name",
    [
        "https://a.org/b.tif",
        "s3://b/a.tif",
        "/vsicurl/https://a.org/b.tif",
        "/vsizip/no.zip/a.tif",
        "WMS:x",
        "/vsimem/a",
    ],
)
def test_names_of_no_local_file_are_refused(name):
    with pytest.raises(RasterError, match="is no local file; download it"):
        source_name(Path(name))


def test_file_that_unpacks_to_far_more_than_a_raster_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.tif.gz"
    path.write_bytes(gzip.compress(bytes(5_000_000)))
    monkeypatch.setattr(archives, "_HARMLESS_BYTES", 1000)
    with pytest.raises(RasterError, match=r"a\.tif\.gz: unpacks to more than [0-9,]+ bytes; unpack it yourself"):
        unpacked(path)


def test_cloud_optimised_geotiff_in_an_archive_is_read(tmp_path):
    write_dem(tmp_path / "a.tif", dem(rough(40, 50)))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "a.tif")
    np.testing.assert_array_equal(read_dem(tmp_path / "a.zip").elevation_m, rough(40, 50))


def test_dted_is_read_as_heights_of_nodes(tmp_path):
    nodes = Affine(1 / 120, 0, 7 - 1 / 240, 0, -1 / 120, 44 + 1 / 240)
    values = plane(121, 121, level=900, per_row=1, per_col=2).astype(np.int16)
    path = write_raw(tmp_path / "a.tif", values, transform=nodes)
    rasterio.shutil.copy(path, tmp_path / "n43.dt0", driver="DTED")
    read = read_dem(tmp_path / "n43.dt0", vertical_datum="EGM96")
    np.testing.assert_array_equal(read.elevation_m, values)
    assert read.grid.registration == "point"
    assert read.grid.centre(0, 0) == pytest.approx((7, 44), abs=1e-9)
