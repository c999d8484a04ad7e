"""S-102, the bathymetry of electronic charts: depths, positive down."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from synthetic import plane

from demsr.dem.read.declared import Declared
from demsr.dem.read.header import read_header
from demsr.dem.read.raster import read_dem

CELL = 1 / 240


def write_s102(path: Path, depth_m: np.ndarray) -> Path:
    """Write the groups and attributes of edition 2.1 that GDAL needs; the first row is the southernmost."""
    rows, cols = depth_m.shape
    with h5py.File(path, "w") as file:
        file.attrs.update({"productSpecification": "INT.IHO.S-102.2.1", "horizontalDatumReference": "EPSG"})
        file.attrs.update({"horizontalDatumValue": np.int32(4326), "verticalDatum": np.int32(12)})
        columns = [(name, h5py.string_dtype()) for name in ("code", "name", "uom.name", "fillValue", "datatype")]
        facts = [(name, name, "metres", "1000000", "H5T_FLOAT") for name in ("depth", "uncertainty")]
        file["Group_F/BathymetryCoverage"] = np.array(facts, dtype=columns)
        coverage = file.create_group("BathymetryCoverage/BathymetryCoverage.01")
        coverage.attrs.update({"gridOriginLongitude": 10 + CELL / 2, "gridOriginLatitude": 50 + CELL / 2})
        coverage.attrs.update({"gridSpacingLongitudinal": CELL, "gridSpacingLatitudinal": CELL})
        coverage.attrs.update({"numPointsLongitudinal": np.int32(cols), "numPointsLatitudinal": np.int32(rows)})
        values = np.ones((rows, cols), [("depth", np.float32), ("uncertainty", np.float32)])
        values["depth"] = depth_m
        coverage["Group_001/values"] = values
    return path


@pytest.fixture
def chart(tmp_path):
    depth_m = plane(20, 30, level=-5, per_row=1, per_col=0.1)  # rows from the south; the first ones fall dry
    depth_m[3, 4] = 1_000_000
    return write_s102(tmp_path / "102DE00A1.h5", depth_m), depth_m


def test_depths_become_elevations_also_where_a_bank_falls_dry(chart):
    path, depth_m = chart
    dem = read_dem(path)
    expected = np.where(depth_m == 1_000_000, np.nan, -depth_m)[::-1]
    np.testing.assert_array_equal(dem.elevation_m, expected.astype(np.float32))
    assert dem.vertical_datum == "MLLW"
    assert (dem.grid.west, dem.grid.south) == pytest.approx((10, 50))


def test_a_declared_direction_wins(chart):
    assert read_header(chart[0]).storage.positive == "down"
    assert read_header(chart[0], declared=Declared(positive="up")).storage.positive == "up"
