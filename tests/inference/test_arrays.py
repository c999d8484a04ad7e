import numpy as np
import pytest
import torch
import xarray as xr
from synthetic import plane, rough

from demsr.errors import CheckpointError, GridError, VoidError
from demsr.inference.arrays import super_resolve
from demsr.model.srnet import DemSrNet, scaled_units

CELL = 15 / 3600


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = DemSrNet(2, 8, upsampling="subpixel", symmetric=True)
    for weight in net.last.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return net.eval()


def array(values, *, west=10.0, north=50.0, cell=CELL, dims=("lat", "lon"), **attributes):
    rows, cols = values.shape
    coordinates = {dims[0]: north - (np.arange(rows) + 0.5) * cell, dims[1]: west + (np.arange(cols) + 0.5) * cell}
    return xr.DataArray(values, coordinates, dims, "elevation", {"units": "m", **attributes})


def test_plane_comes_out_as_the_plane_of_its_coordinates(net):
    lr = array(plane(20, 24, level=-4000, per_row=12, per_col=-31))
    fine = super_resolve(lr, net, precision="float32")
    row = (50 - fine.lat) / CELL - 0.5
    col = (fine.lon - 10) / CELL - 0.5
    np.testing.assert_allclose(fine, -4000 + 12 * row - 31 * col, rtol=2.4e-7, atol=2e-3)
    assert fine.shape == (100, 120)
    assert fine.dtype == np.float32


def test_what_the_array_says_about_itself_is_kept(net):
    lr = array(rough(8, 9), long_name="depth of nothing")
    reference = xr.DataArray(
        0, attrs={"crs_wkt": "GEOGCRS...", "GeoTransform": f"10.0 {CELL!r} 0.0 50.0 0.0 {-CELL!r}"}
    )
    lr = lr.assign_coords(spatial_ref=reference)
    lr.lat.attrs["units"] = "degrees_north"
    fine = super_resolve(lr, net)
    assert fine.name == "elevation"
    assert fine.attrs == lr.attrs
    assert fine.lat.attrs == {"units": "degrees_north"}
    assert fine.spatial_ref.attrs["crs_wkt"] == "GEOGCRS..."
    steps = [float(number) for number in fine.spatial_ref.attrs["GeoTransform"].split()]
    np.testing.assert_allclose(steps, [10, CELL / 5, 0, 50, 0, -CELL / 5], rtol=1e-12)
    np.testing.assert_allclose(fine.lat[0] + CELL / 10, 50, atol=1e-9)
    np.testing.assert_allclose(fine.lon[-1] + CELL / 10, 10 + 9 * CELL, atol=1e-9)


def test_direction_and_order_of_the_axes_do_not_matter(net):
    lr = array(rough(11, 14))
    expected = super_resolve(lr, net, precision="float32")
    for other in (lr[::-1], lr[:, ::-1], lr.T, lr.expand_dims("band"), lr.astype(np.float64)):
        found = super_resolve(other, net, precision="float32")
        assert found.dims == tuple(name for name in other.dims if name != "band")
        assert bool((found.lat[0] > found.lat[-1]) == (other.lat[0] > other.lat[-1]))
        xr.testing.assert_allclose(
            found.transpose("lat", "lon").sortby(["lat", "lon"]), expected.sortby(["lat", "lon"])
        )


def test_tiles_make_no_difference(net):
    values = rough(30, 33)
    values[9:15, 20:24] = np.nan
    whole, tiled = (super_resolve(array(values), net, precision="float32", tile_px=side) for side in (64, 10))
    np.testing.assert_allclose(tiled, whole, rtol=2.4e-7, atol=2e-3)
    np.testing.assert_array_equal(np.isnan(whole), np.kron(np.isnan(values), np.ones((5, 5), bool)))


def test_coordinates_of_32_bits_are_even_enough(net):
    lr = array(rough(6, 7), west=170.0)
    stored = lr.assign_coords(lon=lr.lon.astype(np.float32), lat=lr.lat.astype(np.float32))
    np.testing.assert_array_equal(super_resolve(stored, net), super_resolve(lr, net))


def test_globe_has_no_seam(net):
    values = rough(18, 36)
    globe = array(values, west=-180.0, north=90.0, cell=10.0)
    turned = array(np.roll(values, 7, axis=1), west=110.0, north=90.0, cell=10.0)
    fine, other = (super_resolve(each, net, precision="float32").to_numpy() for each in (globe, turned))
    np.testing.assert_allclose(np.roll(other, -35, axis=1), fine, rtol=2.4e-7, atol=2e-3)


def test_block_means_are_the_input(net):
    values = rough(12, 12)
    fine = super_resolve(array(values), net, precision="float32", consistent=True).to_numpy()
    np.testing.assert_allclose(fine.reshape(12, 5, 12, 5).mean(axis=(1, 3)), values, rtol=0, atol=1e-3)


def test_standard_errors_are_a_coordinate():
    fine = super_resolve(array(rough(8, 9)), uncertain=True)
    assert fine.uncertainty.shape == fine.shape == (40, 45)
    assert fine.uncertainty.attrs == {"units": "m"}
    assert (fine.uncertainty > 0).all()


def with_uneven_rows():
    lr = array(rough(6, 6))
    return lr.assign_coords(lat=lr.lat + np.linspace(0, 0.001, 6) ** 2 * 1000)


@pytest.mark.parametrize(
    ("elevation", "error", "message"),
    [
        (array(rough(6, 6), units="ft"), GridError, "units are 'ft'"),
        (array(rough(6, 6), positive="down"), GridError, "positive down"),
        (array(rough(1, 6)), GridError, r"has shape \(6,\)"),
        (xr.DataArray(rough(6, 6)), GridError, "dimension dim_0 has no coordinates"),
        (with_uneven_rows(), GridError, "lat are not evenly spaced"),
        (array(np.full((6, 6), np.nan, np.float32)), VoidError, "all 36 cells are void"),
        (array(np.full((6, 6), 20000, np.float32)), VoidError, "make voids NaN"),
        (array(np.full((6, 6), -9999, np.int16), _FillValue=-9999), GridError, "decode them"),
        (rough(6, 6), TypeError, "elevation is a ndarray"),
    ],
)
def test_what_is_no_elevation_on_a_grid_is_refused(net, elevation, error, message):
    with pytest.raises(error, match=message):
        super_resolve(elevation, net)


def test_direct_net_of_scaled_heights_is_refused():
    net = DemSrNet(1, 8, formulation="direct", **scaled_units("direct"))
    net.unit = "scaled"
    with pytest.raises(CheckpointError, match="the model takes scaled values whose range is unknown; train or"):
        super_resolve(array(rough(6, 6)), net)


def test_residual_net_of_scaled_heights_gives_the_metres_of_one_of_metres():
    """It has no biases: heights of twenty thousand times the unit give twenty thousand times the detail."""
    results = []
    for options in ({}, scaled_units("residual")):
        net = DemSrNet(1, 8, **options).eval()
        torch.manual_seed(5)
        for weight in net.parameters():
            torch.nn.init.normal_(weight, std=0.1)
        net.unit = "scaled" if options else "m"
        results.append(super_resolve(array(rough(9, 11)), net, precision="float32"))
    np.testing.assert_allclose(results[1], results[0], atol=0.02)
