import pyproj
import pytest

from demsr.dem.vertical import (
    DATUMS,
    VerticalPart,
    compound_crs,
    datum_from_file_name,
    datum_from_tags,
    named_datum,
    vertical_part,
)
from demsr.errors import DatumError

IN_EPSG = [datum for datum in DATUMS.values() if datum.epsg is not None]


@pytest.mark.parametrize("datum", IN_EPSG, ids=lambda datum: datum.name)
def test_epsg_code_of_a_datum_is_a_height_in_metres_upwards(datum):
    axis = pyproj.CRS.from_epsg(datum.epsg).axis_info
    assert [(one.direction, one.unit_conversion_factor) for one in axis] == [("up", 1.0)]


@pytest.mark.parametrize("horizontal", ["EPSG:4326", "EPSG:32633"])
@pytest.mark.parametrize("datum", IN_EPSG, ids=lambda datum: datum.name)
def test_datum_survives_a_compound_crs(datum, horizontal):
    assert vertical_part(compound_crs(horizontal, datum.name)).datum == datum.name


@pytest.mark.parametrize("name", ["WGS84 ellipsoid", "LAT", "MLLW", "chart datum"])
def test_datum_without_vertical_crs_leaves_the_horizontal_one(name):
    assert compound_crs("EPSG:4326", name) == "EPSG:4326"


def test_flat_crs_names_no_datum():
    assert vertical_part("EPSG:4326") == VerticalPart()


def test_three_dimensional_wgs84_refers_to_its_ellipsoid():
    assert vertical_part("EPSG:4979").datum == "WGS84 ellipsoid"


@pytest.mark.parametrize(
    ("crs", "expected"),
    [
        ("EPSG:4326+5782", VerticalPart(None, "Alicante height", 1.0, "up")),
        ("EPSG:4326+6360", VerticalPart("NAVD88", None, 1200 / 3937, "up")),
        ("EPSG:4326+5861", VerticalPart("LAT", None, 1.0, "down")),
        ("EPSG:4326+5831", VerticalPart(None, "Instantaneous Water Level depth", 1.0, "down")),
        ("EPSG:6319", VerticalPart(None, "NAD83(2011)", 1.0, "up")),
    ],
)
def test_vertical_part_of_a_crs_has_datum_unit_and_sign(crs, expected):
    found = vertical_part(crs)
    assert found.metres_per_unit == pytest.approx(expected.metres_per_unit, rel=1e-9)
    assert (found.datum, found.foreign, found.positive) == (expected.datum, expected.foreign, expected.positive)


@pytest.mark.parametrize(
    ("tags", "datum"),
    [
        ({"standard_name": "height_above_mean_sea_level"}, "MSL"),
        ({"elevation#long_name": "Elevation relative to sea level"}, "MSL"),
        ({"sdn_parameter_name": "Sea floor height (above mean sea level)"}, "MSL"),
        ({"vertical_datum": "EGM2008"}, "EGM2008"),
        ({"vertical_datum": "NAVD 88"}, "NAVD88"),
        ({"vertical_datum": "MLLW", "long_name": "depth below mean sea level"}, None),
        ({"history": "converted to EGM96"}, None),
    ],
)
def test_datum_in_words_is_taken_from_telling_tags_if_there_is_one(tags, datum):
    assert datum_from_tags(tags) == datum


@pytest.mark.parametrize(
    ("name", "datum"),
    [
        ("GEBCO_2024.nc", "MSL"),
        ("Copernicus_DSM_COG_10_N53_00_W007_00_DEM.tif", "EGM2008"),
        ("NASADEM_HGT_n43w121.zip", "EGM96"),
        ("survey.tif", None),
    ],
)
def test_file_name_tells_the_product_and_so_the_datum(name, datum):
    assert datum_from_file_name(name) == datum


@pytest.mark.parametrize("name", ["egm", "", "WGS84"])
def test_unknown_name_is_refused_with_all_known_ones(name):
    with pytest.raises(DatumError, match=rf"params: vertical datum is '{name}'; .*EGM96, EGM2008.*chart datum"):
        named_datum(name, where="params")


def test_upper_and_lower_case_are_the_same_in_names():
    assert named_datum("egm2008", where="params").name == "EGM2008"
