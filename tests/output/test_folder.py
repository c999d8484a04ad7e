import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from product_files import UTM, holed, tiled, write
from synthetic import grid, plane

from demsr.dem.read.raster import read_raster
from demsr.errors import GridError, VoidError
from demsr.output.formats import check_target, write_product


def test_folder_holds_squares_mosaic_and_catalogue_and_can_be_moved(tmp_path):
    values, of = holed(), grid(70, 90, west=9.97, north=50.02)
    write(tmp_path / "a", values, of)
    shutil.move(tmp_path / "a", tmp_path / "b")
    names = [f"a_{name}" for name in ("N49E009", "N49E010", "N50E009", "N50E010")]
    expected = {"a.vrt", "collection.json", *(name + end for name in names for end in (".tif", ".json"))}
    assert {path.name for path in (tmp_path / "b").iterdir()} == expected
    np.testing.assert_array_equal(read_raster(tmp_path / "b" / "a.vrt").dem.elevation_m, values[0])
    square = read_raster(tmp_path / "b" / "a_N49E010.tif").dem
    np.testing.assert_array_equal(square.elevation_m, values[0, 24:, 36:])
    assert (square.grid.west, square.grid.north) == pytest.approx((10, 50))


def test_square_without_a_measurement_has_no_file_and_is_void_in_the_mosaic(tmp_path):
    values = holed()
    values[:, 24:, :36] = np.nan
    write(tmp_path / "a", values, grid(70, 90, west=9.97, north=50.02))
    assert not list((tmp_path / "a").glob("*N49E009*"))
    assert len(list((tmp_path / "a").glob("*.tif"))) == 3
    np.testing.assert_array_equal(read_raster(tmp_path / "a" / "a.vrt").dem.elevation_m, values[0])


def test_folder_without_a_measurement_is_refused(tmp_path):
    with pytest.raises(VoidError, match="a: nothing was measured in any square of one degree"):
        write(tmp_path / "a", np.full((2, 8, 9), np.nan, np.float32), grid(8, 9))
    assert [path.name for path in tmp_path.iterdir()] == ["tiles"]


def test_folder_of_degrees_is_refused_for_a_projected_grid(tmp_path):
    with pytest.raises(GridError, match=r"'EPSG:32633', squares of one degree need degrees; name one file"):
        check_target(tmp_path / "a", grid(8, 9, **UTM))


def test_folder_takes_the_place_of_an_older_product(tmp_path):
    write(tmp_path / "a", holed(), grid(70, 90, west=9.97, north=50.02))
    made = write(tmp_path / "a", plane(8, 9)[None], grid(8, 9))
    np.testing.assert_array_equal(read_raster(made).dem.elevation_m, plane(8, 9))
    assert len(list((tmp_path / "a").glob("*.tif"))) == 1


def test_description_of_the_catalogue_shows_the_source_as_it_is(tmp_path):
    tiles, product = tiled(tmp_path / "tiles", holed(), grid(70, 90, west=9.97, north=50.02))
    write_product(tmp_path / "a", tiles, replace(product, source="<script>x</script> [y](z)"))
    catalogue = json.loads((tmp_path / "a" / "collection.json").read_text())
    assert catalogue["description"].endswith(r"made from &lt;script&gt;x&lt;/script&gt; \[y\](z)")
