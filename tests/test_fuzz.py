import re
import shutil
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from raster_files import write_ascii, write_hgt, write_netcdf
from synthetic import plane, write_pairs, write_raw

from demsr.dem.read.raster import read_dem
from demsr.errors import GridError, PairsError, RasterError
from demsr.pairs.pair_file import PairFile
from demsr.sources.external_pairs import PAIR_FILES, find_external_pairs

LON, LAT = 10 + (np.arange(60) + 0.5) / 240, 50 + (np.arange(40) + 0.5) / 240


@pytest.mark.skipif(sys.platform != "linux", reason="the harness limits memory by ways of Linux")
def test_broken_files_of_every_kind_end_in_errors_that_demsr_declares(root, tmp_path):
    command = [sys.executable, "benchmarks/fuzz.py", "--count", "80", "--seed", "3", "--keep", str(tmp_path / "wrong")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert "80" in done.stdout
    assert done.returncode == 0, done.stdout[-3000:]


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
    with pytest.raises(RasterError, match=r"a\.nc: cannot be read as a raster \(it ends within its header\)"):
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


def test_one_wrong_bit_in_an_archive_is_refused(tmp_path):
    tile = write_hgt(tmp_path, plane(1201, 1201, per_row=0, per_col=0))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tile, tile.name)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[1_000_000] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(RasterError, match=r"a\.zip: cannot be read as a raster \(Bad CRC-32 for file 'N43E007\.hgt'\)"):
        read_dem(tmp_path / "a.zip")


def test_unusable_grid_is_refused_with_the_name_of_its_file(tmp_path):
    path = write_netcdf(tmp_path / "a.nc", plane(40, 60), lon=LON, lat=np.zeros(40))
    with pytest.raises(GridError, match=r"a\.nc: grid has cells of .* x 0\.0"):
        read_dem(path, vertical_datum="MSL")


def test_cause_of_a_failed_read_is_named(tmp_path):
    path = write_ascii(tmp_path / "a.asc", plane(40, 60), west=10, south=50, cell=1 / 240)
    path.write_text(path.read_text()[:3000])
    with pytest.raises(RasterError, match=r"a\.asc: cannot be read as a raster \(.*File short, can't read line"):
        read_dem(path, vertical_datum="MSL")


def test_only_the_first_of_many_layers_are_named(tmp_path):
    path = write_raw(tmp_path / "a.tif", np.zeros((300, 2, 2), np.float32))
    with pytest.raises(GridError, match=r"has the layers 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12; name the one"):
        read_dem(path, vertical_datum="MSL")


def test_signalling_nan_is_void_without_a_warning(tmp_path):
    values = plane(4, 4)
    values.view(np.uint32)[1, 2] = 0x7FA00000
    dem = read_dem(write_raw(tmp_path / "a.tif", values), vertical_datum="MSL")
    assert np.argwhere(~dem.valid).tolist() == [[1, 2]]


@pytest.mark.parametrize("chunks", [None, (1, 1, 8, 8)])
def test_few_bytes_that_declare_gigabytes_of_pairs_are_refused(tmp_path, chunks):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for side in (8, 40):
            file.create_dataset(f"{side}_{side}", shape=(10**8, 1, side, side), dtype="f4", chunks=chunks)
    with pytest.raises(PairsError, match=r"a\.h5: .*665600000000 bytes of pairs are declared, the file has \d+ bytes"):
        PairFile(tmp_path / "a.h5")


@pytest.mark.parametrize("column", ["sample/row", "area/bias_m"])
def test_columns_of_another_length_are_refused(tmp_path, column):
    path = write_pairs(tmp_path / "a.h5", (2, 1))
    with h5py.File(path, "r+") as file:
        del file[column]
        file.create_dataset(column, shape=(10**10,), dtype="f8", chunks=(10**6,))
    with pytest.raises(PairsError, match=rf"a\.h5: .*/{column} has shape \(10000000000,\), needed is"):
        PairFile(path)


def test_archive_beyond_the_free_disk_is_refused(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in PAIR_FILES:
            archive.writestr(name, bytes(2000))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(PairsError, match=r"a\.zip: train\.h5 needs 0\.0 GB, .* has 0\.0 GB free; free some space"):
        find_external_pairs(tmp_path / "a.zip", tmp_path / "raw")
    assert not any((tmp_path / "raw").iterdir())
