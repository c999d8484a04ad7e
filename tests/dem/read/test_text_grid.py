import time
import zipfile

import numpy as np
import pytest

from demsr.dem.read import text_grid
from demsr.dem.read.raster import read_dem
from demsr.errors import RasterError

ESRI = "ncols 3\nnrows 2\nxllcorner 10\nyllcorner 50\ncellsize 0.004\n"
GRASS = "north: 50.008\nsouth: 50\neast: 10.012\nwest: 10\nrows: 2\ncols: 3\n"
SURFER = "DSAA\n3 2\n10 10.008\n50 50.004\n1 6\n"
NUMBERS = [[1, 2.5, 3], [4, 100, -6]]


def write(folder, header, cells):
    path = folder / ("a.grd" if header == SURFER else "a.asc")
    path.write_text(header + cells)
    return path


@pytest.mark.parametrize("header", [ESRI, GRASS, SURFER])
@pytest.mark.parametrize("word", ["abc", "1,5", "nan", "-", "*", "1_0", "0x10", "1.000,5", "5m"])
def test_cell_that_is_no_number_is_refused(tmp_path, header, word):
    path = write(tmp_path, header, f"1 2 3\n4 {word} 6\n")
    with pytest.raises(RasterError, match=r"a\.\w+: its cell 5 is '.*', which GDAL does not read as a number; write"):
        read_dem(path, vertical_datum="MSL")


@pytest.mark.parametrize("header", [ESRI, GRASS, SURFER])
def test_numbers_are_read_however_they_are_written(tmp_path, header):
    path = write(tmp_path, header, "1 2.5\t3.\r\n  +4 1e2\n-6.0E+0 \n\n")
    read = read_dem(path, vertical_datum="MSL").elevation_m
    np.testing.assert_array_equal(read, NUMBERS[::-1] if header == SURFER else NUMBERS)


def test_void_value_must_be_a_number(tmp_path):
    cells = "1.5 2 3\n4 nan 6\n"
    read = read_dem(write(tmp_path, ESRI + "NODATA_value nan\n", cells), vertical_datum="MSL").elevation_m
    np.testing.assert_array_equal(read, [[1.5, 2, 3], [4, np.nan, 6]])
    for header, word in ((ESRI, "abc"), (GRASS, "none")):
        key = "NODATA_value" if header == ESRI else "null:"
        with pytest.raises(RasterError, match=rf"its value for voids is '{word}', which GDAL takes for 0"):
            read_dem(write(tmp_path, f"{header}{key} {word}\n", f"1 2 3\n4 {word} 6\n"), vertical_datum="MSL")


def test_more_numbers_than_cells_are_refused(tmp_path):
    with pytest.raises(RasterError, match="holds more numbers than the 6 cells that it declares; correct its header"):
        read_dem(write(tmp_path, ESRI, "1 2 3 4\n5 6 7 8\n"), vertical_datum="MSL")


@pytest.mark.parametrize("size", [1, 7, 20])
def test_words_that_a_chunk_cuts_are_whole(tmp_path, monkeypatch, size):
    monkeypatch.setattr(text_grid, "_CHUNK_BYTES", size)
    text_grid.check_text_grid(write(tmp_path, ESRI, "11.25 2 -3e1\n4 55555 6"))
    with pytest.raises(RasterError, match="its cell 6 is '6x'"):
        text_grid.check_text_grid(write(tmp_path, ESRI, "11.25 2 -3e1\n4 55555 6x"))


def test_cells_in_an_archive_are_checked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.asc", f"{ESRI}1 2 3\n4 abc 6\n")
    with pytest.raises(RasterError, match="its cell 5 is 'abc'"):
        read_dem(tmp_path / "a.zip", vertical_datum="MSL")


def test_file_that_is_a_terabyte_of_holes_is_refused_soon(tmp_path):
    path, start = write(tmp_path, ESRI, "1 2 3\n4"), time.monotonic()
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(RasterError, match=r"its cell 4 is '4\\x00"):
        read_dem(path, vertical_datum="MSL")
    assert time.monotonic() - start < 5
