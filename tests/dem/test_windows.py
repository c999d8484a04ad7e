import numpy as np
import pytest

from demsr.dem.windows import Window, tiles


@pytest.mark.parametrize("side", [1, 4, 7, 50])
def test_tiles_hold_every_cell_once(side):
    counts = np.zeros((9, 13), int)
    for window in tiles(9, 13, side):
        counts[window.slices] += 1
    assert (counts == 1).all()


def test_tile_without_cells_is_refused():
    with pytest.raises(ValueError, match="side of a tile is 0"):
        tiles(9, 13, 0)


def test_window_is_clipped_to_its_raster_and_around_the_globe_to_its_rows():
    grown = Window(1, 2, 3, 4).grow(3)
    assert grown == Window(-2, -1, 9, 10)
    assert grown.clip(5, 8) == Window(0, 0, 5, 8)
    assert grown.clip(5, 8, is_periodic=True) == Window(0, -1, 5, 10)
    assert Window(6, 9, 2, 2).clip(5, 8).cells == 0


def test_place_in_another_window_and_in_finer_cells():
    assert Window(5, 7, 2, 3).relative_to(4, 1) == Window(1, 6, 2, 3)
    assert Window(5, 7, 2, 3).refine(5) == Window(25, 35, 10, 15)


def test_intersection_holds_the_shared_cells_or_none():
    assert Window(2, 3, 4, 5).intersect(Window(4, 0, 9, 5)) == Window(4, 3, 2, 2)
    assert Window(2, 3, 4, 5).intersect(Window(6, 3, 1, 1)).cells == 0
