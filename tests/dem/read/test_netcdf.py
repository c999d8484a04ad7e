import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr
from raster_files import write_netcdf
from synthetic import rough

from demsr.dem.axes import read_axes
from demsr.dem.read.declared import Declared
from demsr.dem.read.netcdf import check_dimension_order, is_hdf5, open_variables, read_classic_header
from demsr.dem.read.raster import read_dem
from demsr.errors import GridError

LON, LAT = np.arange(10.0, 13.0), np.arange(50.0, 55.0)
COLUMNS_FIRST = "a.nc: elevation has the dimensions .*; put rows first, with `ncpdq -a .*`"


def check_order(path, layer):
    with open_variables(path, layer) as variables:
        check_dimension_order(path, layer, variables)


def write_netcdf4(path, dims, units):
    """Write elevation, (3, 5), with coordinates of given units, as the kind of NetCDF that is HDF5."""
    with h5netcdf.File(path, "w") as file:
        file.dimensions = dict(zip(dims, (3, 5), strict=True))
        file.create_variable("elevation", dims, data=rough(3, 5))
        for name, values, unit in zip(dims, (LON, LAT), units, strict=True):
            file.create_variable(name, (name,), data=values).attrs["units"] = unit
    return path


@pytest.mark.parametrize("version", [1, 2])
def test_classic_file_by_columns_is_refused(tmp_path, version):
    path = tmp_path / "a.nc"
    write_netcdf(path, rough(3, 5), lon=LAT, lat=LON, axes=("lon", "lat"), degrees=False, version_byte=version)
    with pytest.raises(GridError, match=r"has the dimensions lon, lat; put rows first, with `ncpdq -a lat,lon`"):
        check_order(path, "elevation")


@pytest.mark.parametrize(
    ("dims", "units"),
    [
        (("lon", "lat"), ("degrees", "degrees")),
        (("longitude", "Latitude"), ("degrees_east", "degrees_north")),
        (("x", "y"), ("degrees_east", "degrees_north")),
        (("x", "y"), ("", "")),
    ],
)
def test_hdf5_file_by_columns_is_refused(tmp_path, dims, units):
    with pytest.raises(GridError, match=COLUMNS_FIRST):
        check_order(write_netcdf4(tmp_path / "a.nc", dims, units), "elevation")


def test_units_tell_columns_first_in_a_classic_file(tmp_path):
    path = write_netcdf(tmp_path / "a.nc", rough(3, 5), lon=LAT, lat=LON, axes=("a", "b"))
    check_order(path, "elevation")  # written with units of latitude for the first dimension
    content = path.read_bytes()
    path.write_bytes(content.replace(b"degrees_north", b"degrees_xxxxx").replace(b"degrees_east\0", b"degrees_nort\0"))
    with pytest.raises(GridError, match=COLUMNS_FIRST):
        check_order(path, "elevation")


@pytest.mark.parametrize("layer", ["elevation", "missing"])
def test_rows_first_and_unknown_variables_pass(tmp_path, layer):
    check_order(write_netcdf(tmp_path / "a.nc", rough(5, 3), lon=LON, lat=LAT), layer)
    dims, units = ("lat", "lon"), ("degrees_north", "degrees_east")
    check_order(write_netcdf4(tmp_path / "b.nc", dims, units), layer)


@pytest.mark.parametrize("version", [1, 2])
def test_header_of_a_classic_file_ends_with_its_last_value(tmp_path, version):
    path = write_netcdf(tmp_path / "a.nc", rough(5, 3), lon=LON, lat=LAT, version_byte=version, history="made by hand")
    variables = {variable.name: variable for variable in read_classic_header(path)}
    assert variables["elevation"].dimensions == ("lat", "lon")
    units = [variables[name].attributes["units"] for name in ("lat", "lon")]
    assert units == ["degrees_north", "degrees_east"]
    assert max(variable.end for variable in variables.values()) == path.stat().st_size


def test_other_files_have_no_classic_header(tmp_path):
    (tmp_path / "a.nc").write_bytes(b"CDX\1")
    assert read_classic_header(tmp_path / "a.nc") == []


@pytest.mark.parametrize("user_block", [0, 512, 4096])
def test_hdf5_is_recognised_behind_a_user_block(tmp_path, user_block):
    with h5py.File(tmp_path / "a.nc", "w", userblock_size=user_block) as file:
        file["x"] = np.zeros(5000)
    assert is_hdf5(tmp_path / "a.nc")
    assert h5py.is_hdf5(tmp_path / "a.nc")


@pytest.mark.parametrize("content", [b"", b"\x89HDF", b"CDF\1" + bytes(600), b" \x89HDF\r\n\x1a\n"])
def test_other_files_are_not_taken_for_hdf5(tmp_path, content):
    (tmp_path / "a.nc").write_bytes(content)
    assert not is_hdf5(tmp_path / "a.nc")
    assert not is_hdf5(tmp_path / "missing.nc")


def axes_of(path, layer="elevation"):
    with open_variables(path, layer) as variables:
        return read_axes(layer, variables, where=str(path))


LAYOUTS = {
    "named by their dimensions": ({"lat": ("lat", LAT), "lon": ("lon", LON)}, ("lat", "lon")),
    "bare x and y": ({"y": ("y", LAT), "x": ("x", LON)}, ("y", "x")),
    "on other dimensions": ({"latitude": ("row", LAT), "longitude": ("col", LON)}, ("row", "col")),
    "two-dimensional": (
        {"nav_lat": (("j", "i"), np.tile(LAT[:, None], 3)), "nav_lon": (("j", "i"), np.tile(LON, (5, 1)))},
        ("j", "i"),
    ),
}


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_coordinates_of_any_layout_and_direction_place_the_values(tmp_path, kind, layout, rows, cols):
    coordinates, dims = LAYOUTS[layout]
    values = rough(5, 3)
    array = xr.DataArray(values, coordinates, dims, "elevation", {"units": "m"})[::rows, ::cols]
    engine = {"NETCDF4": "h5netcdf", "NETCDF3_CLASSIC": "scipy"}[kind]
    array.to_netcdf(tmp_path / "a.nc", format=kind, engine=engine)
    x, y, *_ = axes_of(tmp_path / "a.nc")
    np.testing.assert_allclose(x.centres(), LON[::cols])
    np.testing.assert_allclose(y.centres(), LAT[::rows])
    dem = read_dem(tmp_path / "a.nc", vertical_datum="MSL", declared=Declared(crs="EPSG:4326"))
    np.testing.assert_array_equal(dem.elevation_m, values[::-1])
    assert dem.grid.centre(0, 0) == pytest.approx((LON[0], LAT[-1]))


def test_columns_that_are_left_out_are_refused_with_their_place(tmp_path):
    lon = np.delete(np.arange(10.0, 20.0), [4, 5])
    path = write_netcdf(tmp_path / "a.nc", rough(5, 8), lon=lon, lat=LAT)
    with pytest.raises(
        GridError, match=r"a\.nc: coordinates lon are not evenly spaced; from lon\[3\] = 13 to lon\[4\] = 16"
    ):
        read_dem(path, vertical_datum="MSL")


def test_file_across_the_antimeridian_is_read_with_longitudes_that_jump(tmp_path):
    lon = np.array([178.5, 179.5, -179.5, -178.5])
    values = rough(5, 4)
    dem = read_dem(write_netcdf(tmp_path / "a.nc", values, lon=lon, lat=LAT), vertical_datum="MSL")
    np.testing.assert_array_equal(dem.elevation_m, values[::-1])
    assert (dem.grid.west, dem.grid.east) == (178, 182)


def test_classic_file_with_numbers_of_64_bits_is_read(tmp_path):
    netcdf4 = pytest.importorskip("netCDF4")
    with netcdf4.Dataset(tmp_path / "a.nc", "w", format="NETCDF3_64BIT_DATA") as file:
        for name, values in (("lat", LAT), ("lon", LON)):
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,))[:] = values
        file.createVariable("elevation", "i8", ("lat", "lon"))[:] = 7
        file["elevation"].setncattr("missing_value", np.int64(-5))
    (variable,) = [one for one in read_classic_header(tmp_path / "a.nc") if one.name == "elevation"]
    assert variable.attributes["missing_value"].tolist() == [-5]
    np.testing.assert_array_equal(axes_of(tmp_path / "a.nc").y.centres(), LAT)
