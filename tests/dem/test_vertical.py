import pyproj
import pytest

from demsr.dem.vertical import DATUMS, compound_crs, datum_of_crs, named_datum
from demsr.errors import DatumError

IN_EPSG = [datum for datum in DATUMS.values() if datum.epsg is not None]


@pytest.mark.parametrize("datum", IN_EPSG, ids=lambda datum: datum.name)
def test_epsg_code_of_a_datum_is_a_height_in_metres_upwards(datum):
    axis = pyproj.CRS.from_epsg(datum.epsg).axis_info
    assert [(one.direction, one.unit_conversion_factor) for one in axis] == [("up", 1.0)]


@pytest.mark.parametrize("horizontal", ["EPSG:4326", "EPSG:32633"])
@pytest.mark.parametrize("datum", IN_EPSG, ids=lambda datum: datum.name)
def test_datum_survives_a_compound_crs(datum, horizontal):
    assert datum_of_crs(compound_crs(horizontal, datum), where="a.tif") == datum.name


@pytest.mark.parametrize("name", ["WGS84 ellipsoid", "LAT", "MLLW", "chart datum"])
def test_datum_without_vertical_crs_leaves_the_horizontal_one(name):
    assert compound_crs("EPSG:4326", named_datum(name, where="a.tif")) == "EPSG:4326"


def test_flat_crs_names_no_datum():
    assert datum_of_crs("EPSG:4326", where="a.tif") is None


def test_three_dimensional_wgs84_refers_to_its_ellipsoid():
    assert datum_of_crs("EPSG:4979", where="a.tif") == "WGS84 ellipsoid"


@pytest.mark.parametrize(
    ("crs", "name"),
    [
        ("EPSG:4326+5782", "Alicante height"),
        ("EPSG:4326+6360", r"NAVD88 height \(ftUS\)"),
        ("EPSG:4326+5861", "LAT depth"),
    ],
)
def test_foreign_vertical_crs_is_refused_by_name_and_file(crs, name):
    with pytest.raises(DatumError, match=rf"a\.tif: vertical CRS is '{name}'.*EGM96.*-mo VERTICAL_DATUM=NAME a\.tif"):
        datum_of_crs(crs, where="a.tif")


def test_foreign_ellipsoid_is_refused():
    with pytest.raises(DatumError, match=r"a\.tif: vertical CRS is 'NAD83\(2011\)'"):
        datum_of_crs("EPSG:6319", where="a.tif")


@pytest.mark.parametrize("name", ["egm96", "", "WGS84"])
def test_unknown_name_is_refused_with_all_known_ones(name):
    with pytest.raises(DatumError, match=rf"params: vertical datum is '{name}'; .*EGM96, EGM2008.*chart datum"):
        named_datum(name, where="params")
