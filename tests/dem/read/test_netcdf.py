import h5netcdf
import h5py
import numpy as np
import pytest
from raster_files import write_netcdf
from synthetic import rough

from demsr.dem.read.netcdf import check_dimension_order, is_hdf5, read_classic_header
from demsr.errors import GridError

LON, LAT = np.arange(10.0, 13.0), np.arange(50.0, 55.0)
COLUMNS_FIRST = "a.nc: elevation has the dimensions .*; put rows first, with `ncpdq -a .*`"


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
        check_dimension_order(path, "elevation")


@pytest.mark.parametrize(
    ("dims", "units"),
    [
        (("lon", "lat"), ("degrees", "degrees")),
        (("longitude", "Latitude"), ("degrees_east", "degrees_north")),
        (("x", "y"), ("degrees_east", "degrees_north")),
    ],
)
def test_hdf5_file_by_columns_is_refused(tmp_path, dims, units):
    with pytest.raises(GridError, match=COLUMNS_FIRST):
        check_dimension_order(write_netcdf4(tmp_path / "a.nc", dims, units), "elevation")


def test_units_tell_columns_first_in_a_classic_file(tmp_path):
    path = write_netcdf(tmp_path / "a.nc", rough(3, 5), lon=LAT, lat=LON, axes=("a", "b"))
    check_dimension_order(path, "elevation")  # written with units of latitude for the first dimension
    content = path.read_bytes()
    path.write_bytes(content.replace(b"degrees_north", b"degrees_xxxxx").replace(b"degrees_east\0", b"degrees_nort\0"))
    with pytest.raises(GridError, match=COLUMNS_FIRST):
        check_dimension_order(path, "elevation")


@pytest.mark.parametrize("layer", ["elevation", "missing"])
def test_rows_first_and_unknown_variables_pass(tmp_path, layer):
    check_dimension_order(write_netcdf(tmp_path / "a.nc", rough(5, 3), lon=LON, lat=LAT), layer)
    dims, units = ("lat", "lon"), ("degrees_north", "degrees_east")
    check_dimension_order(write_netcdf4(tmp_path / "b.nc", dims, units), layer)


@pytest.mark.parametrize("version", [1, 2])
def test_header_of_a_classic_file_ends_with_its_last_value(tmp_path, version):
    path = write_netcdf(tmp_path / "a.nc", rough(5, 3), lon=LON, lat=LAT, version_byte=version, history="made by hand")
    variables = {variable.name: variable for variable in read_classic_header(path)}
    assert variables["elevation"].dimensions == ["lat", "lon"]
    assert (variables["lat"].units, variables["lon"].units) == ("degrees_north", "degrees_east")
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
