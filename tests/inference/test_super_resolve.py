import numpy as np
import pytest
import torch
from torch import nn

from demsr.dem.grid import Grid
from demsr.dem.raster import Dem
from demsr.errors import CheckpointError, GridError, VoidError
from demsr.inference.super_resolve import super_resolve
from demsr.model.srnet import DemSrNet, scaled_units


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


def net_of(formulation: str, unit: str) -> DemSrNet:
    """Return a net in units of metres or of 0..1 with the same weights, none of them zero."""
    scaled = scaled_units(formulation) if unit == "scaled" else {}
    net = DemSrNet(2, 8, formulation=formulation, **scaled).eval()
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for weight in net.parameters():
            nn.init.normal_(weight, std=0.1)
    net.unit = unit
    return net


def test_a_residual_net_of_scaled_heights_gives_the_metres_of_one_of_metres():
    """It has no biases: heights of twenty thousand times the unit give twenty thousand times the detail."""
    dem = dem_of(np.random.default_rng(1).normal(-3000, 200, (9, 11)))
    in_metres, scaled = (super_resolve(dem, net_of("residual", unit)).elevation_m for unit in ("m", "scaled"))
    smooth = super_resolve(dem, DemSrNet(1, 8).eval()).elevation_m  # as built: the interpolation alone
    assert np.abs(in_metres - smooth).max() > 10
    np.testing.assert_allclose(scaled, in_metres, atol=0.02)


def test_a_direct_net_of_scaled_heights_is_refused():
    with pytest.raises(CheckpointError, match="test: the model takes scaled values whose range is not known; train or"):
        super_resolve(dem_of(np.zeros((4, 4))), net_of("direct", "scaled"))
    net = net_of("direct", "m")
    nn.init.zeros_(net.last.weight)
    assert (super_resolve(dem_of(np.zeros((4, 4))), net).elevation_m == net.elevation_offset_m).all()
