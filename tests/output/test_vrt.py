import numpy as np
import rasterio
from product_files import holed, tiled
from synthetic import grid

from demsr.dem.windows import Window
from demsr.output.vrt import vrt_mosaic


def test_mosaic_joins_tiles_and_covers_any_part(tmp_path):
    values = holed()
    tiles, product = tiled(tmp_path, values, grid(70, 90))
    for window in (product.window, Window(40, 30, 20, 45)):
        with rasterio.open(vrt_mosaic(product, tiles, window)) as dataset:
            np.testing.assert_array_equal(dataset.read(), values[(slice(None), *window.slices)])
            of = product.grid.window(window.row, window.col, window.rows, window.cols)
            assert (dataset.transform.c, dataset.transform.f) == (of.west, of.north)


def test_cells_without_a_raster_are_void(tmp_path):
    tiles, product = tiled(tmp_path, holed(), grid(70, 90))
    del tiles[Window(0, 50, 50, 40)]
    with rasterio.open(vrt_mosaic(product, tiles, product.window)) as dataset:
        assert np.isnan(dataset.read()[:, :50, 50:]).all()


def test_mosaic_declares_sizes_so_that_opening_it_opens_no_tile(tmp_path):
    tiles, product = tiled(tmp_path, holed(), grid(70, 90))
    text = vrt_mosaic(product, tiles, product.window)
    for path in tiles.values():
        path.unlink()
    with rasterio.open(text) as dataset:
        assert dataset.shape == (70, 90)


def test_names_are_relative_to_the_folder_of_the_mosaic(tmp_path):
    tiles, product = tiled(tmp_path / "tiles", holed(), grid(70, 90))
    text = vrt_mosaic(product, tiles, product.window, relative_to=tmp_path)
    assert text.count('relativeToVRT="1">tiles/tile ') == 2 * len(tiles)
