import numpy as np
import pytest
import rasterio
from product_files import KINDS, holed, tiled
from rasterio.errors import RasterioIOError
from synthetic import grid

from demsr.dem.windows import Window
from demsr.errors import GridError, RasterError
from demsr.output.formats import write_product
from demsr.output.tiles import check_written, encode_tile


def test_tile_holds_values_voids_and_corner():
    values, of = holed(), grid(70, 90)
    with rasterio.MemoryFile(encode_tile(values, of)) as memory, memory.open() as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert (dataset.transform.c, dataset.transform.f, dataset.crs.to_epsg()) == (of.west, of.north, 4326)
        assert np.isnan(dataset.nodata)
        assert dataset.block_shapes == [(512, 512)] * 2


def test_tile_of_the_same_values_has_the_same_bytes():
    assert encode_tile(holed(), grid(70, 90)) == encode_tile(holed(), grid(70, 90))


@pytest.mark.parametrize("values", [holed(70, 91), holed().astype(np.float64)])
def test_tile_refuses_values_that_do_not_fit(values):
    with pytest.raises(GridError, match=r"tile: 70 x 9\d values of float.., needed are 70 x 90 of float32"):
        encode_tile(values, grid(70, 90))


def test_tiles_that_do_not_cover_the_grid_are_refused(tmp_path):
    tiles, made = tiled(tmp_path / "tiles", holed(), grid(70, 90))
    tiles.popitem()
    with pytest.raises(GridError, match=r"product: its 3 tiles hold 5,500 cells, the grid 6,300; give every tile once"):
        write_product(tmp_path / "a.tif", tiles, made)


def test_tile_of_another_shape_is_refused(tmp_path):
    tiles, made = tiled(tmp_path / "tiles", holed(), grid(70, 90))
    tiles[Window(0, 0, 50, 50)] = tiles[Window(0, 50, 50, 40)]
    with pytest.raises(RasterError, match=r"tile 0 50\.tif: holds \(2, 50, 40\) .*, needed are \(2, 50, 50\); remove"):
        write_product(tmp_path / "a.tif", tiles, made)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("left", [0, 10_000])
def test_tile_cut_off_is_reported_and_nothing_left(tmp_path, kind, left):
    tiles, made = tiled(tmp_path / "tiles", holed(), grid(70, 90))
    cut = tiles[Window(0, 50, 50, 40)]
    cut.write_bytes(cut.read_bytes()[:left])
    with pytest.raises(
        RasterError, match=r"(tile 0 50\.tif|tmp_path|a\.tif|a\.nc|a): cannot be (read as a tile|written)"
    ):
        write_product(tmp_path / kind, tiles, made)
    assert [path.name for path in tmp_path.iterdir()] == ["tiles"]


def test_value_that_was_not_stored_is_noticed(tmp_path):
    tiles, _ = tiled(tmp_path / "tiles", holed(), grid(70, 90))
    check_written(tiles, lambda window: holed()[(slice(None), *window.slices)])
    with pytest.raises(RasterioIOError, match=r"No space left on device or write error: tile 0 0\.tif was not stored"):
        check_written(tiles, lambda window: holed()[(slice(None), *window.slices)] + 1)
