import numpy as np
import pytest

from demsr.dem.grid import Grid
from demsr.dem.raster import Dem
from demsr.errors import GridError, VoidError
from demsr.inference.super_resolve import super_resolve
from demsr.model.srnet import DemSrNet


def dem_of(elevation: np.ndarray) -> Dem:
    rows, cols = elevation.shape
    size = {"pixel_width": 15 / 3600, "pixel_height": 15 / 3600}
    grid = Grid(rows=rows, cols=cols, west=10.0, north=50.0, crs="EPSG:4326", **size)
    return Dem(elevation_m=elevation.astype(np.float32), grid=grid, vertical_datum="MSL", source="test")


def test_each_cell_is_replaced_by_five_by_five_cells_with_the_same_outline():
    sr = super_resolve(dem_of(np.random.default_rng(1).normal(0, 50, (6, 8))), DemSrNet(1, 8).eval())
    assert sr.elevation_m.shape == (30, 40)
    assert sr.grid.pixel_size_arcsec() == pytest.approx((3, 3), abs=1e-9)
    corners = (sr.grid.west, sr.grid.north, sr.grid.east, sr.grid.south)
    assert corners == pytest.approx((10.0, 50.0, 10 + 8 / 240, 50 - 6 / 240), abs=1e-9)
    assert sr.vertical_datum == "MSL"


def test_a_plane_comes_out_as_that_plane():
    row, col = np.arange(7)[:, None], np.arange(9)
    sr = super_resolve(dem_of(12 * row - 31 * col - 4000), DemSrNet(2, 8).eval())
    fine_row, fine_col = (np.arange(35)[:, None] - 2) / 5, (np.arange(45) - 2) / 5
    np.testing.assert_allclose(sr.elevation_m, 12 * fine_row - 31 * fine_col - 4000, atol=3e-3)


def test_a_raster_without_measurement_is_refused():
    with pytest.raises(VoidError, match="all 16 pixels are void"):
        super_resolve(dem_of(np.full((4, 4), np.nan)), DemSrNet(1, 8))


def test_a_raster_of_five_pixels_in_a_row_is_refused():
    with pytest.raises(GridError, match="1 x 5 pixels; both sides must be 2 or more"):
        super_resolve(dem_of(np.zeros((1, 5))), DemSrNet(1, 8))
