import pytest

from demsr.sources.cells import cell_name, cells, intersection


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ((-121, 43, -120, 44), "n43w121"),
        ((0, 0, 1, 1), "n00e000"),
        ((-1, -1, 0, 0), "s01w001"),
        ((178, -18, 179, -17), "s18e178"),
        ((-180, -90, -179, -89), "s90w180"),
        ((-124.5, 48.25, -124, 48.75), "n4825w12450"),
        ((-0.5, -0.5, 0, 0), "s0050w00050"),
        ((5.0, 50.0, 10.0, 55.0), "n50e005"),
    ],
)
def test_cells_are_named_by_their_south_western_corner(cell, name):
    assert cell_name(cell) == name


def test_cells_are_those_that_a_box_touches():
    assert list(cells((10.5, 46.5, 12, 47))) == [(10, 46, 11, 47), (11, 46, 12, 47)]
    assert list(cells((10, 46, 11, 47))) == [(10, 46, 11, 47)]
    assert list(cells((-0.1, -0.1, 0.1, 0.1))) == [(-1, -1, 0, 0), (0, -1, 1, 0), (-1, 0, 0, 1), (0, 0, 1, 1)]
    assert list(cells((10.2, 46.2, 10.3, 46.3), 0.5)) == [(10, 46, 10.5, 46.5)]


def test_a_box_across_the_antimeridian_is_two():
    assert list(cells((179.5, -17, -179.5, -16))) == [(179, -17, 180, -16), (-180, -17, -179, -16)]


def test_intersection_of_boxes():
    assert intersection((0, 0, 2, 2), (1, -1, 3, 1)) == (1, 0, 2, 1)
    assert intersection((0, 0, 1, 1), (1, 0, 2, 1)) is None
