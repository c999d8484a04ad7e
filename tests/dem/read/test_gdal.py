import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from raster_files import LAT, LON, VALUES, write_ascii, write_hgt, write_netcdf
from synthetic import plane, write_raw

from demsr.dem.read.declared import Declared
from demsr.dem.read.gdal import raster_name
from demsr.dem.read.raster import read_dem
from demsr.errors import GridError, RasterError

NODES = 1201


def tile() -> np.ndarray:
    """Whole metres, a void, the highest in the north-west."""
    elevation = plane(NODES, NODES, level=2000, per_row=-1, per_col=-0.5).round()
    elevation[5, 7] = np.nan
    return elevation


def test_file_with_two_bands_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.zeros((2, 4, 4), np.float32))
    with pytest.raises(GridError, match=r"a\.tif: has the layers 1, 2; name the one of elevation"):
        read_dem(path, vertical_datum="EGM96")


def test_file_that_is_no_raster_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("x,y,z\n")
    with pytest.raises(RasterError, match=r"a\.tif: cannot be read as a raster \("):
        read_dem(path)


def test_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(RasterError, match=r"a\.tif: cannot be read as a raster \(.*No such file"):
        read_dem(tmp_path / "a.tif")


def test_archive_is_read_by_its_one_raster_and_refused_with_more(tmp_path):
    import zipfile

    one = write_hgt(tmp_path, tile())
    with zipfile.ZipFile(tmp_path / "nasadem.zip", "w") as archive:
        archive.write(one, "n43e007.hgt")
        archive.writestr("n43e007.num", b"0")
    assert read_dem(tmp_path / "nasadem.zip").elevation_m[0, 0] == 2000
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(one, "a.hgt")
        archive.write(one, "b.hgt")
    with pytest.raises(RasterError, match=r"two\.zip: holds 2 rasters \(a\.hgt, b\.hgt\); unpack it"):
        read_dem(tmp_path / "two.zip")


def test_layer_of_elevation_is_found_by_its_name_or_must_be_named(tmp_path):
    tid = {"tid": np.full((4, 6), 11, np.int16)}
    path = write_netcdf(tmp_path / "gebco.nc", VALUES, lon=LON, lat=LAT, others=tid)
    np.testing.assert_array_equal(read_dem(path).elevation_m, VALUES[::-1])
    assert (read_dem(path, declared=Declared(layer="tid")).elevation_m == 11).all()
    other = write_netcdf(tmp_path / "b.nc", VALUES, lon=LON, lat=LAT, name="foo", others=tid)
    with pytest.raises(GridError, match=r"b\.nc: has the layers foo, tid; name the one of elevation"):
        read_dem(other, vertical_datum="MSL")
    with pytest.raises(GridError, match=r"b\.nc: has the layers foo, tid"):
        read_dem(other, vertical_datum="MSL", declared=Declared(layer="bar"))


@pytest.mark.parametrize(
    ("name", "bare"),
    [("N43E007.hgt.zip", "N43E007"), ("a.b.tif", "a.b"), ("x.nc", "x"), ("gebco_n56.3_s55.2", "gebco_n56.3_s55.2")],
)
def test_name_of_a_raster_is_free_of_its_format(name, bare):
    assert raster_name(Path(name)) == bare


def test_folder_is_no_raster(tmp_path):
    with pytest.raises(RasterError, match="is a folder; name files in it"):
        read_dem(tmp_path)
    (tmp_path / "zarr.json").write_text("{}")
    with pytest.raises(RasterError, match=r"is a folder of Zarr; open it with xarray\.open_zarr"):
        read_dem(tmp_path)


def test_one_wrong_bit_in_an_archive_is_refused(tmp_path):
    tile = write_hgt(tmp_path, plane(1201, 1201, per_row=0, per_col=0))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tile, tile.name)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[1_000_000] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(RasterError, match=r"a\.zip: cannot be read as a raster \(Bad CRC-32 for file 'N43E007\.hgt'\)"):
        read_dem(tmp_path / "a.zip")


def test_cause_of_a_failed_read_is_named(tmp_path):
    path = write_ascii(tmp_path / "a.asc", plane(40, 60), west=10, south=50, cell=1 / 240)
    path.write_text(path.read_text()[:3000])
    with pytest.raises(RasterError, match=r"a\.asc: cannot be read as a raster \(.*File short, can't read line"):
        read_dem(path, vertical_datum="MSL")


def test_layers_of_one_name_are_not_told_apart_by_it(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.stack([plane(4, 5), plane(4, 5, level=7)]))
    with rasterio.open(path, "r+") as file:
        file.descriptions = ["elevation", "elevation"]
    with pytest.raises(GridError, match=r"has the layers 1, 2; name the one"):
        read_dem(path, vertical_datum="MSL")


def test_only_the_first_of_many_layers_are_named(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.zeros((300, 2, 2), np.float32))
    with pytest.raises(GridError, match=r"has the layers 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12; name the one"):
        read_dem(path, vertical_datum="MSL")
