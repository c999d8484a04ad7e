"""Grids for GMT and of GMT."""

import shutil
import subprocess

import numpy as np
import pytest
from product_files import tiled
from synthetic import grid, rough

import demsr
from demsr.output.formats import write_product


@pytest.fixture(scope="module")
def gmt():
    """A function that runs a command of GMT and returns what it prints."""
    program = shutil.which("gmt")
    if program is None:
        pytest.skip("needs gmt, such as that of Debian's package gmt")

    def run(*words: object) -> str:
        command = [program, *(str(word) for word in words)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    return run


@pytest.mark.parametrize("suffix", [".grd", ".nc"])
def test_gmt_reads_the_elevation_of_a_product_as_cells(gmt, tmp_path, suffix):
    fine = grid(60, 80)
    values = np.stack([rough(60, 80), np.full((60, 80), 2.0)]).astype(np.float32)
    write_product(tmp_path / f"a{suffix}", *tiled(tmp_path / "tiles", values, fine, side=60, UNCERTAINTY="True"))
    west, east, south, north, low, high, width, height, cols, rows, registration, _ = map(
        float, gmt("grdinfo", "-C", "-L0", tmp_path / f"a{suffix}").split("\t")[1:13]
    )
    assert (rows, cols) == (60, 80)
    assert registration == 1  # cells, not nodes
    assert (west, north) == pytest.approx((fine.west, fine.north))
    assert (east, south) == pytest.approx((fine.east, fine.south))
    assert (width, height) == pytest.approx((fine.pixel_width, fine.pixel_height))
    assert (low, high) == pytest.approx((values[0].min(), values[0].max()))


@pytest.mark.parametrize(("option", "moved"), [("-rp", 0.0), ("-rg", 0.5)])
def test_grids_of_gmt_are_read_where_they_are(gmt, tmp_path, option, moved):
    """Nodes lie on the edges, cells between them."""
    gmt("grdmath", "-R10/10.1/49.9/50", "-I15s", option, "X", "Y", "ADD", "=", tmp_path / "a.grd")
    read = demsr.read_dem(tmp_path / "a.grd")
    assert (read.grid.rows, read.grid.cols) == ((24, 24) if option == "-rp" else (25, 25))
    assert read.grid.west == pytest.approx(10 - moved * 15 / 3600)
    lon, lat = read.grid.centre(3, 5)
    assert read.elevation_m[3, 5] == pytest.approx(lon + lat, abs=1e-4)
