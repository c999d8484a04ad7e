import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from synthetic import rough, write_raw

from demsr.dem.read.raster import read_dem
from demsr.dem.read.stream import ArrayReader, no_progress, open_raster
from demsr.dem.windows import Window
from demsr.errors import RasterError
from demsr.runtime.files import sha256_of_file


def test_window_is_read_with_its_surroundings_up_to_the_edge_of_the_raster(tmp_path):
    values = rough(30, 40)
    with open_raster(write_raw(tmp_path / "a.tif", values)) as raster:
        elevation, inner = raster.around(Window(2, 10, 5, 6), 4)
    np.testing.assert_array_equal(elevation, values[0:11, 6:20])
    assert inner == Window(2, 4, 5, 6)


def test_surroundings_of_a_region_are_read_as_well(tmp_path):
    path, values = write_raw(tmp_path / "a.tif", rough(30, 40)), rough(30, 40)
    box = read_dem(path).grid.window(10, 20, 5, 6).lonlat_bounds()
    with open_raster(path, within=(box[0] + 1e-6, box[1] + 1e-6, box[2] - 1e-6, box[3] - 1e-6)) as raster:
        assert raster.region == Window(10, 20, 5, 6)
        elevation, inner = raster.around(Window(0, 0, 5, 6), 2)
    np.testing.assert_array_equal(elevation, values[8:17, 18:28])
    assert inner == Window(2, 2, 5, 6)


def test_array_around_the_globe_continues_at_its_other_side():
    values = rough(4, 8)
    elevation, inner = ArrayReader(values, is_periodic=True).around(Window(0, 0, 2, 2), 1)
    np.testing.assert_array_equal(elevation, values[0:3][:, [7, 0, 1, 2]])
    assert inner == Window(0, 1, 2, 2)


def test_raster_that_states_no_datum_is_opened_without_one(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(4, 4))
    with open_raster(path) as raster:
        assert raster.vertical_datum is None
        assert "vertical datum: not stated by the file" in raster.assumptions
    with open_raster(path, vertical_datum="MSL") as raster:
        assert raster.vertical_datum == "MSL"


def test_file_that_changes_while_it_is_open_is_noticed(tmp_path):
    path = write_raw(tmp_path / "a.tif", rough(4, 4))
    with open_raster(path) as raster:
        assert raster.sha256 == sha256_of_file(path)
        raster.check_unchanged()
        path.write_bytes(path.read_bytes() + b" ")
        with pytest.raises(RasterError, match=r"a\.tif: changed while it was read"):
            raster.check_unchanged()


def test_first_reading_shows_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("demsr.dem.read.blocks._BLOCK_PIXELS", 200)
    steps = []

    @contextmanager
    def progress(total):
        steps.append(total)
        yield steps.append

    with open_raster(write_raw(tmp_path / "a.tif", rough(30, 40)), progress=progress):
        assert steps == [1200, *[200] * 6]
    with open_raster(tmp_path / "a.tif") as raster, no_progress(3) as advance:
        advance(1)
        assert raster.shape == (30, 40)


def test_reading_and_writing_load_none_of_the_optional_packages():
    code = (
        "import sys, demsr.dem.read.stream, demsr.output.formats; "
        "optional = 'xarray pandas ruamel matplotlib requests mlflow lightning torch pystac h5py h5netcdf'.split(); "
        "print(*set(optional) & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
