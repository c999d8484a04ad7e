import pytest

from demsr.dem.read.declared import Declared
from demsr.dem.units import METRES_PER_UNIT, metres_per_unit
from demsr.errors import GridError

SURVEY_FOOT = 1200 / 3937


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("m", 1),
        ("Metres", 1),
        ("m above MSL", 1),
        ("meters above mean sea level", 1),
        ("m (MSL)", 1),
        ("m NAVD88", 1),
        ("mm", 0.001),
        ("ftUS", SURVEY_FOOT),
        ("US survey feet", SURVEY_FOOT),
        ("US survey foot", SURVEY_FOOT),
        ("us_survey_foot", SURVEY_FOOT),
        ("us-ft", SURVEY_FOOT),
        ("Foot_US", SURVEY_FOOT),
        ("ft", 0.3048),
        ("feet above NAVD88", 0.3048),
        ("Fathoms", 1.8288),
        ("km", 1000),
        ("0.01 m", 0.01),
        ("2.5e-1 km", 250),
    ],
)
def test_units_are_known_as_people_write_them(text, metres):
    assert metres_per_unit(text) == metres
    assert Declared(unit=text).unit == text


@pytest.mark.parametrize(
    "text", ["", "1", "degree", "%", "cubit", "m below MSL", "m/s", "m/m", "m2", "count", "0 m", "2 cubit"]
)
def test_other_texts_are_no_unit_of_length(text):
    assert metres_per_unit(text) is None
    with pytest.raises(GridError, match="it must be one of m, metre, "):
        Declared(unit=text)


def test_every_name_is_its_own_unit():
    assert all(metres_per_unit(name) == metres for name, metres in METRES_PER_UNIT.items())
