import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from affine import Affine
from providers import geotiff
from synthetic import rough

from demsr.download.remote_file import RetryPolicy
from demsr.errors import FetchError
from demsr.sources.mosaic import write_mosaic

QUICK = RetryPolicy(attempts=2, connect_s=2, stall_s=2, min_bytes_per_s=2000, window_s=1, first_wait_s=0.01)
BOX = (10.0, 49.0, 11.0, 50.0)
ROUGH = np.round(rough(900, 900, seed=1)).astype(np.int16)
CONTENT = geotiff(ROUGH, BOX, nodata=-32768)
PATH = "/cog/tile.tif"


def test_windows_are_placed_on_the_global_grid(tmp_path):
    spacing = 15 / 3600
    corners = {"a": (10.0, 50.0), "b": (-180.0, 90.0), "c": (175.0, -85.0)}
    values = {name: np.full((1200, 1200), number, np.int16) for number, name in enumerate(corners, 1)}
    values["a"][0, 0] = 77
    for name, (west, north) in corners.items():
        box = (west, north - 5, west + 5, north)
        (tmp_path / f"{name}.tif").write_bytes(geotiff(values[name], box))
    write_mosaic([tmp_path / f"{name}.tif" for name in corners], tmp_path / "globe.tif")
    with rasterio.open(tmp_path / "globe.tif") as globe:
        assert (globe.width, globe.height) == (86400, 43200)
        assert globe.transform.almost_equals(Affine(spacing, 0, -180, 0, -spacing, 90))
        for (lon, lat), wanted in {
            (10 + spacing / 2, 50 - spacing / 2): 77,
            (12, 48): 1,
            (-179.99, 89.99): 2,
            (179.99, -89.99): 3,
            (0.01, 0.01): globe.nodata,
        }.items():
            row, col = int((90 - lat) / spacing), int((lon + 180) / spacing)
            assert globe.read(1, window=((row, row + 1), (col, col + 1)))[0, 0] == wanted
    assert (tmp_path / "globe.tif").stat().st_size < 3e6


def test_windows_of_another_grid_are_refused(tmp_path):
    values = np.zeros((240, 240), np.int16)
    (tmp_path / "a.tif").write_bytes(geotiff(values, (10, 49, 11, 50)))
    (tmp_path / "b.tif").write_bytes(geotiff(values, (11.002, 49, 12.002, 50)))
    with pytest.raises(FetchError, match=r"b\.tif: its cells do not match those of"):
        write_mosaic([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path / "globe.tif")
    assert not (tmp_path / "globe.tif").exists()


def test_a_mosaic_has_the_same_bytes_with_any_cache_size_and_order(tmp_path):
    random = np.random.default_rng(0)
    corners = [(west, north) for north in (50, 45) for west in (10, 15, 25)]
    parts = []
    for west, north in corners:
        values = random.integers(-5000, 5000, (1200, 1200)).astype(np.int16)
        parts.append(tmp_path / f"{west}_{north}.tif")
        parts[-1].write_bytes(geotiff(values, (west, north - 5, west + 5, north)))
    code = (
        "import sys; from pathlib import Path; from demsr.sources.mosaic import write_mosaic; "
        "*parts, target = map(Path, sys.argv[1:]); write_mosaic(parts, target)"
    )
    written = []
    for number, (megabytes, some) in enumerate(((2, parts), (1000, parts), (50, parts[::-1]))):
        target = tmp_path / f"globe{number}.tif"
        env = {**os.environ, "GDAL_CACHEMAX": str(megabytes)}
        subprocess.run([sys.executable, "-c", code, *map(str, some), str(target)], env=env, check=True)
        written.append(target.read_bytes())
    assert written[0] == written[1] == written[2]


def test_windows_of_floats_are_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(geotiff(np.zeros((240, 240), np.float32), (10, 49, 11, 50)))
    with pytest.raises(FetchError, match="its values are float32, not integers"):
        write_mosaic([tmp_path / "a.tif"], tmp_path / "globe.tif")
