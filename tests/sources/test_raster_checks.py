from dataclasses import replace

import numpy as np
import pytest
from providers import geotiff
from synthetic import dem, rough

from demsr.dem.geotiff import write_dem
from demsr.download.remote_file import RetryPolicy
from demsr.errors import FetchError
from demsr.sources.data_sheet import DataSheet, data_sheet
from demsr.sources.raster_checks import checked_header

QUICK = RetryPolicy(attempts=2, connect_s=2, stall_s=2, min_bytes_per_s=2000, window_s=1, first_wait_s=0.01)
BOX = (10.0, 49.0, 11.0, 50.0)
ROUGH = np.round(rough(900, 900, seed=1)).astype(np.int16)
CONTENT = geotiff(ROUGH, BOX, nodata=-32768)
PATH = "/cog/tile.tif"


def product(**changes) -> DataSheet:
    return replace(data_sheet("gmrt"), range_m=None, registration="area", **changes)


@pytest.mark.parametrize(
    ("crs", "sheet", "message"),
    [
        ("EPSG:4269", product(), "its CRS is 'EPSG:4269', gmrt has EPSG:4326; check that it is a file of gmrt"),
        ("EPSG:4326", product(crs="projected"), "gmrt has projected"),
        ("EPSG:4326", product(crs="EPSG:9354"), "gmrt has EPSG:9354"),
    ],
)
def test_a_file_in_another_crs_than_the_sheet_says_is_refused(tmp_path, crs, sheet, message):
    (tmp_path / "a.tif").write_bytes(geotiff(ROUGH, BOX, crs=crs))
    with pytest.raises(FetchError, match=message):
        checked_header(tmp_path / "a.tif", sheet)


def test_a_unit_that_the_file_states_must_be_that_of_the_sheet(tmp_path):
    write_dem(tmp_path / "a.tif", dem(rough(20, 20, seed=1)))
    checked_header(tmp_path / "a.tif", product())
    with pytest.raises(FetchError, match="its elevations are in units of 1 m, those of gmrt in ft"):
        checked_header(tmp_path / "a.tif", product(unit="ft"))
