import numpy as np
import pytest
import rasterio
from raster_files import write_netcdf
from rasterio.enums import ColorInterp
from synthetic import plane, write_raw

from demsr.dem.read.declared import Declared
from demsr.dem.read.raster import read_dem, read_raster
from demsr.dem.read.void_values import Storage, declared_voids, interval
from demsr.errors import GridError, VoidError

ROWS, COLS = 12, 15
LON, LAT = 10 + (np.arange(COLS) + 0.5) / 240, 45 - (np.arange(ROWS) + 0.5) / 240
VOID = np.zeros((ROWS, COLS), bool)
VOID[2:4, 5:9] = True
OTHER = np.zeros((ROWS, COLS), bool)
OTHER[8:10, 1:4] = True
ELEVATION = plane(ROWS, COLS, level=-900, per_row=20, per_col=-7)


def stored_as(dtype, *, scale=1.0, offset=0.0, **voids):
    """Numbers for ELEVATION in a type, with other numbers where VOID and OTHER are true."""
    numbers = (ELEVATION - offset) / scale
    numbers = (np.round(numbers) if np.dtype(dtype).kind == "i" else numbers).astype(dtype)
    for mask, number in zip((VOID, OTHER), voids.values(), strict=False):
        numbers[mask] = number
    return numbers


def netcdf(path, numbers, **attributes):
    return write_netcdf(path, numbers, lon=LON, lat=LAT, attributes={"units": "m", **attributes})


def assert_void(path, void, *, declared=None):
    reading = read_raster(path, vertical_datum="MSL", declared=declared)
    np.testing.assert_array_equal(np.isnan(reading.dem.elevation_m), void)
    np.testing.assert_allclose(reading.dem.elevation_m[~void], ELEVATION[~void], atol=0.26)
    return [note for note in reading.assumptions if note.startswith("voids")]


@pytest.mark.parametrize("second", [np.int16(7), np.array([7, 9999], np.int16)])
def test_fill_value_and_missing_value_are_both_void(tmp_path, second):
    numbers = stored_as(np.int16, first=-32768, second=7)
    path = netcdf(tmp_path / "a.nc", numbers, _FillValue=np.int16(-32768), missing_value=second)
    assert assert_void(path, VOID | OTHER) == []


@pytest.mark.parametrize("key", ["valid_range", "valid_min"])
def test_numbers_outside_the_declared_range_are_void(tmp_path, key):
    numbers = stored_as(np.int16, first=-5000)
    valid = {"valid_range": np.array([-2000, 500], np.int16), "valid_min": np.int16(-2000)}[key]
    (note,) = assert_void(netcdf(tmp_path / "a.nc", numbers, **{key: valid}), VOID)
    assert note.startswith("voids: 8 pixels lie outside the declared valid range, -2000 to ")


@pytest.mark.parametrize(("scale", "offset"), [(0.1, 0.0), (0.5, 100.0), (0.25, -300.0), (-0.1, 0.0)])
@pytest.mark.parametrize("sentinel", [-32768, -32767, 32767])
def test_undeclared_sentinel_is_judged_as_stored(tmp_path, scale, offset, sentinel):
    numbers = stored_as(np.int16, scale=scale, offset=offset, void=sentinel)
    path = netcdf(tmp_path / "a.nc", numbers, scale_factor=scale, add_offset=offset)
    notes = assert_void(path, VOID)
    if sentinel != -32767:  # the default fill value of NetCDF, which GDAL declares
        assert notes[0].startswith(f"voids: 8 pixels are stored as {sentinel} ({sentinel * scale + offset:g} m)")


@pytest.mark.parametrize("declared", [-5000, -2400])
def test_declared_void_is_understood_as_stored_and_as_unpacked(tmp_path, declared):
    numbers = stored_as(np.int16, scale=0.5, offset=100, void=-5000)
    path = write_raw(tmp_path / "a.tif", numbers, scale=0.5, offset=100)
    assert_void(path, VOID, declared=Declared(nodata=declared))


def test_impossible_packed_number_is_refused_with_the_stored_one(tmp_path):
    path = write_raw(tmp_path / "a.tif", stored_as(np.int16, void=-25001), scale=2)
    with pytest.raises(VoidError, match=r"such as stored as -25001 \(-50002 m\); if .*--nodata=-25001"):
        read_dem(path, vertical_datum="MSL")


@pytest.mark.parametrize("declared", [None, -9999.0])
@pytest.mark.parametrize("kind", ["internal", "sidecar", "alpha"])
def test_mask_of_the_file_holds_whatever_is_declared(tmp_path, kind, declared):
    values, path = stored_as(np.float32, void=0), tmp_path / "a.tif"
    if kind == "alpha":
        write_raw(path, np.stack([values, np.where(VOID, 0, 1).astype(np.float32)]))
        with rasterio.open(path, "r+") as file:
            file.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
    else:
        write_raw(path, values)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=kind == "internal"), rasterio.open(path, "r+") as file:
            file.write_mask(~VOID)
    assert_void(path, VOID, declared=None if declared is None else Declared(nodata=declared))


def test_nodata_under_an_internal_mask_is_void_as_well(tmp_path):
    path = write_raw(tmp_path / "a.tif", stored_as(np.float32, void=0, other=-77), nodata=-77)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(~VOID)
    assert_void(path, VOID | OTHER)


@pytest.mark.parametrize(
    ("dtype", "sentinel"),
    [
        ("float64", -1.7976931348623157e308),
        ("float64", -1.79769e308),
        ("float32", -3.4028234663852886e38),
        ("float64", -3.4e38),
        ("float32", 1.70141e38),
        ("float64", 1.70141183460469e38),
        ("float32", 9.96921e36),
        ("float32", 1e20),
        ("int32", -(2**31)),
        ("int32", -(2**31) + 1),
        ("int64", -(2**63)),
        ("int64", -(2**63) + 2),
        ("int32", 65535),
        ("int16", 9999),
        ("float32", -9999),
        ("float64", -99999),
    ],
)
def test_usual_sentinels_of_every_type_are_void_without_a_warning(tmp_path, dtype, sentinel):
    (note,) = assert_void(write_raw(tmp_path / "a.tif", stored_as(dtype, void=sentinel)), VOID)
    assert note.startswith("voids: 8 pixels are ")
    assert np.isclose(float(note.split()[4].rstrip(",")), sentinel, rtol=1e-7)


def test_sentinel_of_feet_is_void_though_it_could_be_a_depth(tmp_path):
    path = write_raw(tmp_path / "a.tif", stored_as(np.int16, scale=0.3048, void=-32768))
    reading = read_raster(path, vertical_datum="MSL", declared=Declared(unit="ft"))
    np.testing.assert_array_equal(~reading.dem.valid, VOID)


def test_sentinel_amid_heights_is_a_height(tmp_path):
    decimetres = np.arange(9900, 9900 + 180, dtype=np.int16).reshape(ROWS, COLS)
    dem = read_dem(write_raw(tmp_path / "a.tif", decimetres, scale=0.1), vertical_datum="MSL")
    np.testing.assert_allclose(dem.elevation_m, decimetres * 0.1, rtol=1e-6)


def test_limit_of_the_type_close_to_other_numbers_is_refused_until_declared(tmp_path):
    decimetres = np.linspace(-32760, -20000, ROWS * COLS).round().astype(np.int16).reshape(ROWS, COLS)
    decimetres[VOID] = -32768
    path = write_raw(tmp_path / "a.tif", decimetres, scale=0.1)
    with pytest.raises(VoidError, match=r"8 pixels are stored as -32768 \(-3276\.8 m\) and the file declares no value"):
        read_dem(path, vertical_datum="MSL")
    for declared, void in ((-32768, VOID), (np.nan, ~VOID & VOID)):  # both ways out that the message names
        dem = read_dem(path, vertical_datum="MSL", declared=Declared(nodata=declared))
        np.testing.assert_array_equal(~dem.valid, void)


def test_numbers_in_text_and_arrays_are_declared(tmp_path):
    found = declared_voids(np.dtype("i2"), {"_FillValue": "-32768", "missing_value": "{7,8}", "valid_max": b"500"})
    assert found["voids"] == (-32768, 7, 8)
    assert found["valid_range"] == (-np.inf, 500)
    assert declared_voids(np.dtype("u1"), {"_FillValue": np.int8(-1)})["voids"] == (255,)


@pytest.mark.parametrize(
    ("dtype", "changes", "found"),
    [
        ("c8", {}, "a.tif: numbers are of the type complex64"),
        ("i2", {"scale": 0.0}, "a.tif: scale is 0, offset 0"),
        ("i2", {"offset": np.inf}, "a.tif: scale is 1, offset inf"),
    ],
)
def test_numbers_that_cannot_be_unpacked_are_refused(dtype, changes, found):
    with pytest.raises(GridError, match=found):
        Storage(where="a.tif", dtype=np.dtype(dtype), remedy="", **changes)


@pytest.mark.parametrize(("dtype", "scale", "sentinel"), [("i4", 0.01, -999_900), ("f4", 10, -999.9), ("i1", 10, -128)])
def test_sentinel_is_judged_after_unpacking_as_well(tmp_path, dtype, scale, sentinel):
    path = write_raw(tmp_path / "a.tif", stored_as(dtype, scale=scale, void=sentinel), scale=scale)
    with rasterio.open(path, "r+") as file:
        file.descriptions = ["elevation"]
    reading = read_raster(path, vertical_datum="MSL")
    np.testing.assert_array_equal(~reading.dem.valid, VOID)
    assert any(f"8 pixels are stored as {sentinel}" in note for note in reading.assumptions)


@pytest.mark.parametrize("scale", [0.1, -0.1])
def test_limits_of_another_type_than_the_packed_numbers_are_unpacked(scale):
    limits = {"valid_range": np.array([-200.0, 300.0]), "scale_factor": scale, "add_offset": 100.0}
    expected = (-3000, 2000) if scale > 0 else (-np.inf, np.inf)
    assert declared_voids(np.dtype("i2"), limits)["valid_range"] == expected
    packed = limits | {"valid_range": np.array([-200, 300], np.int16)}
    assert declared_voids(np.dtype("i2"), packed)["valid_range"] == (-200, 300)


def test_numbers_that_a_type_cannot_hold_have_no_interval():
    assert interval(1e6, np.dtype("i2")) is None
    assert interval(0.5, np.dtype("i4")) is None
    assert interval(1e300, np.dtype("f4")) is None
    assert interval(float("nan"), np.dtype("f8")) is None
    assert interval(-0.1, np.dtype("f4")).within(np.float32([-0.1, 0.1])).tolist() == [True, False]
