import warnings

import numpy as np
import pyproj
import pytest
import torch
import xarray as xr
from raster_files import write_netcdf
from synthetic import plane, rough

from demsr.dem.read.raster import read_raster
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


def test_the_method_of_an_array_does_what_the_function_does(net):
    lr = array(rough(8, 9))
    xr.testing.assert_identical(lr.demsr.super_resolve(net, consistent=True), super_resolve(lr, net, consistent=True))


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
        (array(np.full((6, 6), -9999, np.int16), _FillValue=-9999), VoidError, "all 36 cells are void"),
        (array(np.full((6, 6), 70, np.int16), scale_factor=0.1), GridError, "has scale_factor, .* decode them"),
        (array(rough(6, 6)).rename("tid"), GridError, "holds no elevation, it seems: its name is 'tid'"),
        (array(np.abs(rough(6, 6)), standard_name="sea_floor_depth_below_sea_level"), GridError, "positive down"),
        (array(np.abs(rough(6, 6))).rename("depth"), GridError, "positive down"),
        (rough(6, 6), TypeError, "elevation is a ndarray"),
    ],
)
def test_what_is_no_elevation_on_a_grid_is_refused(net, elevation, error, message):
    with pytest.raises(error, match=message):
        super_resolve(elevation, net)


@pytest.mark.parametrize("sentinel", [-9999, 9999, 32767, -32768, -3.4028234663852886e38])
def test_undeclared_sentinel_is_void_with_a_warning(net, sentinel):
    values = rough(8, 9)
    values[2:4, 5] = sentinel
    with pytest.warns(UserWarning, match="elevation: voids: 2 pixels are -?.*, which the array does not declare"):
        fine = super_resolve(array(values), net)
    expected = np.zeros((8, 9), bool)
    expected[2:4, 5] = True
    np.testing.assert_array_equal(np.isnan(fine), np.kron(expected, np.ones((5, 5), bool)))


@pytest.mark.parametrize("declared", [{"missing_value": 7}, {"_FillValue": 7.0}, {"valid_min": 100}])
def test_numbers_that_attributes_declare_are_void_and_attributes_of_old_values_are_dropped(net, declared):
    values = 500 + np.abs(rough(6, 6, level=0))
    values[2, 3] = 7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fine = super_resolve(array(values, actual_range=[0, 1], cell_methods="area: mean", **declared), net)
    assert int(np.isnan(fine).sum()) == 25
    assert fine.attrs == {"units": "m"}


def test_file_and_array_have_the_same_voids_and_assumptions(tmp_path, net):
    stored = np.round(rough(8, 9) * 10).astype(np.int16)
    stored[2, 3:5] = -32768
    attributes = {"units": "m", "scale_factor": 0.1}
    lr = array(rough(8, 9))
    write_netcdf(tmp_path / "a.nc", stored, lon=lr.lon.to_numpy(), lat=lr.lat.to_numpy(), attributes=attributes)
    reading = read_raster(tmp_path / "a.nc", vertical_datum="MSL")
    (note,) = [note for note in reading.assumptions if note.startswith("voids")]
    with xr.open_dataset(tmp_path / "a.nc") as dataset, pytest.warns(UserWarning, match="voids") as warned:
        fine = super_resolve(dataset.elevation, net)
    assert str(warned[0].message) == f"elevation: {note.replace('the file', 'the array')}"
    np.testing.assert_array_equal(np.isnan(fine), np.kron(~reading.dem.valid, np.ones((5, 5), bool)))


def test_longitudes_that_jump_are_joined(net):
    values = rough(6, 8)
    expected = super_resolve(array(values, west=179.99), net, precision="float32")
    jumping = array(values, west=179.99)
    jumping = jumping.assign_coords(lon=(jumping.lon + 180) % 360 - 180)
    xr.testing.assert_allclose(super_resolve(jumping, net, precision="float32"), expected)


@pytest.mark.parametrize("kind", ["other dimensions", "two-dimensional"])
def test_coordinates_of_other_names_are_refined(net, kind):
    lr = array(rough(6, 8))
    expected = super_resolve(lr, net, precision="float32")
    if kind == "two-dimensional":
        lat, lon = (part.to_numpy() for part in xr.broadcast(lr.lat, lr.lon))
        coordinates = {"nav_lat": (("y", "x"), lat), "nav_lon": (("y", "x"), lon)}
        other = xr.DataArray(lr.to_numpy(), coordinates, ("y", "x"), "elevation", lr.attrs)
        fine = super_resolve(other, net, precision="float32")
        np.testing.assert_allclose(fine.nav_lon[7], expected.lon)
        np.testing.assert_allclose(fine.nav_lat[:, 7], expected.lat)
    else:
        coordinates = {"latitude": ("row", lr.lat.to_numpy()), "longitude": ("col", lr.lon.to_numpy())}
        fine = xr.DataArray(lr.to_numpy(), coordinates, ("row", "col"), "elevation", lr.attrs)
        fine = super_resolve(fine, net, precision="float32")
        np.testing.assert_allclose(fine.longitude, expected.lon)
    np.testing.assert_allclose(fine.to_numpy(), expected.to_numpy(), atol=2e-3)


@pytest.mark.parametrize("order", [1, -1])
def test_nodes_on_the_poles_give_no_row_beyond_them(net, order):
    lat, lon = np.linspace(90, -90, 13)[::order], np.arange(10, 130, 15.0)
    lr = xr.DataArray(rough(13, 8), {"lat": lat, "lon": lon}, ("lat", "lon"), "elevation", {"units": "m"})
    fine = super_resolve(lr, net)
    assert fine.shape == (61, 40)
    np.testing.assert_allclose(fine.lat[[0, -1]], [90 * order, -90 * order])


def test_result_that_is_no_elevation_is_refused(net):
    with torch.no_grad():
        for weight in net.last.parameters():
            weight.fill_(1e6)
    with pytest.raises(VoidError, match=r"elevation: \d+ pixels of the result lie outside -12000 to 9500 m, such as "):
        super_resolve(array(rough(6, 6)), net)


def test_crs_that_counts_in_grads_is_refused(net):
    wkt = pyproj.CRS("EPSG:4807").to_wkt()
    lr = array(rough(6, 6)).assign_coords(spatial_ref=xr.DataArray(0, attrs={"crs_wkt": wkt}))
    with pytest.raises(GridError, match="counts in grads from Paris"):
        super_resolve(lr, net)


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


def test_net_that_gives_nan_where_the_array_is_measured_is_refused(net):
    torch.nn.init.constant_(net.body.shared if net.symmetric else net.body.weight, 1e38)
    with pytest.raises(CheckpointError, match="tile of 8 x 8 LR pixels at row 0, column 0: the model gives"):
        super_resolve(array(100 * np.random.default_rng(0).random((9, 8))), net, tile_px=8)
