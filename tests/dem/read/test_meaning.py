import numpy as np
import pytest
import rasterio
from raster_files import write_netcdf
from rasterio.enums import ColorInterp
from synthetic import plane, rough, write_raw

from demsr.dem.read.declared import Declared
from demsr.dem.read.meaning import are_codes, check_heights, objections, positive_by_name, says_heights
from demsr.dem.read.raster import read_dem
from demsr.errors import GridError

LON, LAT = 10 + (np.arange(64) + 0.5) / 240, 45 - (np.arange(60) + 0.5) / 240
IDENTIFIERS = np.full((60, 64), 40, np.int8)
IDENTIFIERS[20:30] = 11


def netcdf(path, values, name="elevation", **attributes):
    return write_netcdf(path, values, lon=LON, lat=LAT, name=name, attributes=attributes)


def test_type_identifiers_are_refused_until_their_layer_is_declared(tmp_path):
    path = netcdf(tmp_path / "gebco_2024_tid.nc", IDENTIFIERS, "tid", long_name="Type Identifier")
    with pytest.raises(GridError, match=r"gebco_2024_tid\.nc: holds no elevation, it seems: its name is 'tid', .*tid"):
        read_dem(path)
    np.testing.assert_array_equal(read_dem(path, declared=Declared(layer="tid")).elevation_m, IDENTIFIERS)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("uncertainty", {"units": "m"}),
        ("elevation", {"standard_name": "height_above_mean_sea_level standard_error", "units": "m"}),
        ("z", {"long_name": "number of soundings"}),
        ("band_data", {"long_name": "Hillshade"}),
        ("z", {"flag_meanings": "land sea"}),
        ("count", {}),
        ("slope", {}),
        ("tree", {"long_name": "canopy height", "units": "m"}),
        ("geoid", {"standard_name": "geoid_height_above_reference_ellipsoid", "units": "m"}),
    ],
)
def test_other_quantities_are_refused_by_name_or_attribute(tmp_path, name, attributes):
    with pytest.raises(GridError, match="holds no elevation, it seems: it"):
        read_dem(netcdf(tmp_path / "a.nc", rough(60, 64), name, **attributes), vertical_datum="MSL")


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("gebco_2024_tid.tif", IDENTIFIERS.astype(np.int16), "the file is called"),
        ("dem_slope.tif", rough(60, 64), "the file is called"),
        ("TDM1_HEM.tif", rough(60, 64), "the file is called"),
        ("a.tif", (IDENTIFIERS == 40).astype(np.int16), "3840 pixels have 2 different numbers, 0, 1"),
        ("a.tif", IDENTIFIERS.astype(np.int16), "3840 pixels have 2 different numbers, 11, 40"),
        ("a.tif", IDENTIFIERS.astype(np.float32), "3840 pixels have 2 different numbers, 11, 40"),
        ("a.tif", (100 + rough(60, 64, level=0)).astype(np.uint8), r"its numbers have 8 bits \(uint8\)"),
    ],
)
def test_numbers_that_look_like_codes_or_shades_are_refused_until_declared(tmp_path, name, values, found):
    path = write_raw(tmp_path / name, values)
    with pytest.raises(GridError, match=f"holds no elevation, it seems: {found}.*--layer 1 if these are heights"):
        read_dem(path, vertical_datum="MSL")
    assert read_dem(path, vertical_datum="MSL", declared=Declared(layer="1")).elevation_m[0, 0] == values[0, 0]


def test_picture_with_a_colour_table_is_refused(tmp_path):
    path = write_raw(tmp_path / "a.tif", IDENTIFIERS.astype(np.uint8))
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {11: (255, 0, 0, 255), 40: (0, 0, 255, 255)})
        assert file.colorinterp == (ColorInterp.palette,)
    with pytest.raises(GridError, match=r"its band is one of colours \(palette\)"):
        read_dem(path, vertical_datum="MSL")


def test_flat_country_and_terraces_are_heights(tmp_path):
    flat = plane(60, 64, level=3, per_row=0.1, per_col=0.05).astype(np.int16)
    terraces = np.repeat(np.arange(0, 600, 10, dtype=np.int16), 64).reshape(60, 64)
    for values in (flat, terraces):
        np.testing.assert_array_equal(
            read_dem(write_raw(tmp_path / "a.tif", values), vertical_datum="MSL").elevation_m, values
        )


def test_few_numbers_far_apart_in_many_pixels_are_codes():
    assert are_codes(2, 3840, 29)
    assert not are_codes(1, 3840, 0)  # a lake
    assert not are_codes(9, 3840, 8)  # flat country
    assert not are_codes(24, 24, 92)  # too few pixels to tell
    assert not are_codes(2, 3840, 4000)  # no code is that high


def test_names_of_heights_are_no_objection():
    for name in ("elevation", "z", "Band1", "height_above_msl", "depth", "topo"):
        assert objections(name, {}, np.dtype("i2"), is_sure=True) == []
    assert says_heights("Band1", {"long_name": "Elevation relative to sea level"}, has_unit=False)
    assert not says_heights("Band1", {}, has_unit=False)
    assert objections("Band1", {}, np.dtype("i2"), is_sure=False, file_name="egypt_slope_dem") == []
    check_heights([], "a.tif", "")


@pytest.mark.parametrize(
    ("name", "attributes", "positive"),
    [
        ("z", {"positive": "down"}, "down"),
        ("depth", {"positive": "up"}, "up"),
        ("z", {"standard_name": "sea_floor_depth_below_geoid"}, None),
        ("depth", {}, None),
        ("elevation", {}, "up"),
        ("bathymetry", {}, None),
        ("Band1", {"long_name": "depth below sea level"}, None),
        ("elevation", {"long_name": "seafloor depth"}, "up"),
        ("z", {"long_name": "topography and bathymetry"}, "up"),
    ],
)
def test_direction_follows_from_the_attribute_before_the_name(name, attributes, positive):
    assert positive_by_name(name, attributes)[0] == positive


@pytest.mark.parametrize(("sign", "name"), [(1, "sea_floor_depth_below_geoid"), (-1, "depth")])
def test_depths_by_name_are_told_from_heights_by_their_values(tmp_path, sign, name):
    path = netcdf(tmp_path / "a.nc", sign * rough(60, 64), "z", standard_name=name, units="m")
    assert np.nanmax(read_dem(path, vertical_datum="MSL").elevation_m) < 0
