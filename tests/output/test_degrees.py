import pytest
from synthetic import grid

from demsr.dem.windows import Window
from demsr.errors import GridError
from demsr.output.degrees import degree_tiles


def test_cells_belong_to_the_degree_in_which_their_centre_lies():
    of = grid(3, 4, west=9.25, north=0.5, pixel_width=0.5, pixel_height=0.5)
    assert degree_tiles(of) == {
        "N00E009": Window(0, 0, 1, 1),
        "N00E010": Window(0, 1, 1, 2),
        "N00E011": Window(0, 3, 1, 1),
        "S01E009": Window(1, 0, 2, 1),
        "S01E010": Window(1, 1, 2, 2),
        "S01E011": Window(1, 3, 2, 1),
    }


def test_centre_on_a_whole_degree_belongs_to_the_square_north_and_east_of_it():
    of = grid(1201, 1201, west=6 - 1 / 2400, north=44 + 1 / 2400, registration="point")
    squares = degree_tiles(of)
    assert squares["N43E006"] == Window(1, 0, 1200, 1200)
    assert squares["N44E007"] == Window(0, 1200, 1, 1)


def test_squares_are_named_from_180_west_across_the_antimeridian():
    of = grid(2, 4, west=179, north=-10, pixel_width=0.5, pixel_height=0.5)
    assert degree_tiles(of) == {"S11E179": Window(0, 0, 2, 2), "S11W180": Window(0, 2, 2, 2)}


def test_squares_once_around_the_globe_are_64800():
    of = grid(180, 360, west=-180, north=90, pixel_width=1, pixel_height=1)
    squares = degree_tiles(of)
    assert len(squares) == 64_800
    assert sum(window.cells for window in squares.values()) == 64_800


def test_more_than_once_around_the_globe_is_refused():
    with pytest.raises(GridError, match="grid reaches from -180 to 181 east, at most once around the globe"):
        degree_tiles(grid(1, 361, west=-180, north=90, pixel_width=1, pixel_height=1))
