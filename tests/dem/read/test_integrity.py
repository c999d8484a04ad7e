import re
import time

import h5py
import numpy as np
import pytest
from raster_files import write_netcdf
from synthetic import plane, write_pairs

from demsr.dem.read import integrity
from demsr.dem.read.raster import read_dem
from demsr.errors import RasterError

LON, LAT = 10 + (np.arange(60) + 0.5) / 240, 50 + (np.arange(40) + 0.5) / 240


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("left_out", [1, 400, 9600])
def test_netcdf_cut_off_is_not_read_as_zeros(tmp_path, version, left_out):
    path = write_netcdf(tmp_path / "a.nc", plane(40, 60), lon=LON, lat=LAT, version_byte=version)
    content = path.read_bytes()
    assert content[3] == version
    path.write_bytes(content[:-left_out])
    with pytest.raises(RasterError, match=rf"a\.nc: .*it ends after {len(content) - left_out} of {len(content)} bytes"):
        read_dem(path, vertical_datum="MSL")


@pytest.mark.parametrize("declared", [2**27, 2**32 - 1])
def test_netcdf_that_declares_more_than_it_holds_is_refused_before_it_is_allocated(tmp_path, declared):
    path = write_netcdf(tmp_path / "a.nc", plane(40, 60), lon=LON, lat=LAT)
    content = path.read_bytes()
    variables = content.index(b"\0\0\0\x0b\0\0\0\x03") + 4
    path.write_bytes(content[:variables] + declared.to_bytes(4, "big") + content[variables + 4 :])
    with pytest.raises(RasterError, match=r"a\.nc: cannot be read as a raster \(its header declares [\d,]+ names"):
        read_dem(path, vertical_datum="MSL")


@pytest.mark.parametrize(
    ("structure", "place", "found"),
    [(b"OHDR", 20, "incorrect metadata checksum"), (b"GCOL", 4, "wrong version number in global heap")],
    ids=["object header", "heap of strings"],
)
def test_damaged_hdf5_is_refused_before_gdal_opens_it(tmp_path, structure, place, found):
    content = bytearray(write_pairs(tmp_path / "a.nc").read_bytes())
    for start in re.finditer(structure, content):
        content[start.start() + place] ^= 2
    (tmp_path / "a.nc").write_bytes(content)
    with pytest.raises(RasterError, match=rf"a\.nc: cannot be read as a raster \(.*{found}"):
        read_dem(tmp_path / "a.nc", vertical_datum="MSL")


@pytest.mark.parametrize(
    "head", [b"CDF\2" + bytes(7) + b"\x0a" + b"\xff" * 4, b"CDF\5" + bytes(11) + b"\x0a" + b"\xff" * 8]
)
def test_netcdf_of_a_terabyte_of_holes_is_refused_soon(tmp_path, head):
    with (tmp_path / "a.nc").open("wb") as file:
        file.write(head)
        file.truncate(1 << 40)
    start = time.monotonic()
    with pytest.raises(RasterError, match=r"declares [\d,]+ names in a list, at most 100,000 are read"):
        read_dem(tmp_path / "a.nc")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("names", [["/".join("g" * 200)], map(str, range(200))])
def test_hdf5_of_very_many_or_very_deep_groups_is_refused_soon(tmp_path, monkeypatch, names):
    monkeypatch.setattr(integrity, "_MOST_LINKS", 100)
    with h5py.File(tmp_path / "a.nc", "w") as file:
        for name in names:
            file.create_group(name)
    with pytest.raises(RasterError, match=r"a\.nc: has more than 100 objects or 32 levels; copy what is needed"):
        read_dem(tmp_path / "a.nc")
