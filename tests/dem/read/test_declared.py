import pytest

from demsr.dem.read.declared import Declared
from demsr.errors import DatumError, GridError


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"unit": "ell"}, "declared unit is 'ell'; it must be one of m, "),
        ({"positive": "left"}, "declared positive is 'left'; it must be one of up, down"),
        ({"registration": "node"}, "declared registration is 'node'"),
        ({"vertical_datum": "sea"}, "declared: vertical datum is 'sea'"),
    ],
)
def test_declaration_of_something_unknown_is_refused(wrong, message):
    with pytest.raises((GridError, DatumError), match=message):
        Declared(**wrong)
