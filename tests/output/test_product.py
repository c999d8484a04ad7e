import errno
import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import pyproj
import pystac
import pytest
import rasterio
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation import validate_dict
from rasterio.errors import RasterioIOError
from synthetic import grid, plane, rough

from demsr.dem import windows
from demsr.dem.grid import Grid
from demsr.dem.read.raster import read_raster
from demsr.dem.vertical import DATUMS
from demsr.dem.windows import Window
from demsr.errors import DatumError, GridError, RasterError, VoidError
from demsr.output import cog
from demsr.output.degrees import degree_tiles
from demsr.output.formats import check_target, write_product
from demsr.output.product import Band, Product
from demsr.output.tiles import check_written, encode_tile
from demsr.runtime.files import sha256_of_file

ELEVATION = Band(name="elevation", description="height of the ground or the sea floor")
UNCERTAINTY = Band(name="uncertainty", description="standard error of the elevation")
KINDS = ("a.tif", "a.nc", "a")
READ_FROM = {"a.tif": "a.tif", "a.nc": "a.nc", "a": "a/a.vrt"}
UTM = {"crs": "EPSG:32633", "west": 400_000, "north": 5e6, "pixel_width": 90, "pixel_height": 80}


def holed(rows: int = 70, cols: int = 90, bands: int = 2) -> np.ndarray:
    values = np.stack([rough(rows, cols, seed=band) for band in range(bands)])
    values[:, 3, 4] = values[0, 0, 0] = np.nan
    return values


def tiled(
    folder: Path, values: np.ndarray, of: Grid, *, side: int = 50, datum: str = "EGM96", **tags: str
) -> tuple[dict[Window, Path], Product]:
    folder.mkdir(parents=True, exist_ok=True)
    tiles = {}
    for window in windows.tiles(of.rows, of.cols, side):
        tiles[window] = folder / f"tile {window.row} {window.col}.tif"
        part = of.window(window.row, window.col, window.rows, window.cols)
        tiles[window].write_bytes(encode_tile(values[(slice(None), *window.slices)], part))
    bands = (ELEVATION, UNCERTAINTY)[: len(values)]
    return tiles, Product(grid=of, vertical_datum=datum, source="a survey", bands=bands, tags=tags)


def write(target: Path, values: np.ndarray, of: Grid, **options: Any) -> Path:
    """Write a product from tiles, and return what to read."""
    write_product(target, *tiled(target.parent / "tiles", values, of, **options))
    return target.parent / READ_FROM[target.name]


def contents(path: Path) -> dict[str, bytes]:
    files = path.iterdir() if path.is_dir() else [path]
    return {file.name: file.read_bytes() for file in files}


def assert_near(found: Grid, needed: Grid) -> None:
    """NetCDF stores centres, of which the corner is known to some 1e-15 degrees."""
    assert (found.rows, found.cols, found.crs) == (needed.rows, needed.cols, needed.crs)
    for edge in ("west", "north", "pixel_width", "pixel_height"):
        assert getattr(found, edge) == pytest.approx(getattr(needed, edge), rel=1e-13)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bands", [1, 2])
def test_product_reads_back_as_it_was_made(tmp_path, kind, bands):
    values, of = holed(bands=bands), grid(70, 90, west=9.97, north=50.02)
    reading = read_raster(write(tmp_path / kind, values, of))
    np.testing.assert_array_equal(reading.dem.elevation_m, values[0])
    assert_near(reading.dem.grid, of)
    assert reading.dem.vertical_datum == "EGM96"
    assert kind == "a.nc" or reading.dem.source == "a survey"


@pytest.mark.parametrize("registration", ["area", "point"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("datum", DATUMS)
def test_every_datum_and_registration_is_read_back(tmp_path, kind, datum, registration):
    made = write(tmp_path / kind, holed(8, 9, bands=1), grid(8, 9, registration=registration), datum=datum)
    reading = read_raster(made)
    assert (reading.dem.vertical_datum, reading.dem.grid.registration) == (datum, registration)
    assert not [note for note in reading.assumptions if not note.startswith("layer")]


@pytest.mark.parametrize("kind", ["a.tif", "a.nc"])
@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:2263", "EPSG:3031", "EPSG:3857"])
def test_projected_grid_is_read_back(tmp_path, kind, crs):
    values, of = holed(), grid(70, 90, **{**UTM, "crs": crs})
    reading = read_raster(write(tmp_path / kind, values, of))
    np.testing.assert_array_equal(reading.dem.elevation_m, values[0])
    assert_near(reading.dem.grid, of)


@pytest.mark.parametrize("kind", KINDS)
def test_product_is_the_same_in_every_byte_whatever_its_tiles(tmp_path, kind):
    values, of = holed(600, 700), grid(600, 700, west=9.9, north=50.2)
    write(tmp_path / "one" / kind, values, of, side=700)
    write(tmp_path / "many" / kind, values, of, side=333)
    assert contents(tmp_path / "one" / kind) == contents(tmp_path / "many" / kind)


def test_threads_do_not_change_the_bytes_of_a_cog(tmp_path, monkeypatch):
    tiles, made = tiled(tmp_path / "tiles", holed(600, 1100), grid(600, 1100), side=550)
    for threads in ("1", "4"):
        monkeypatch.setattr(cog, "_THREADS", threads)
        write_product(tmp_path / f"{threads}.tif", tiles, made)
    assert (tmp_path / "1.tif").read_bytes() == (tmp_path / "4.tif").read_bytes()


def test_cog_is_valid_and_says_what_it_holds(tmp_path):
    from rio_cogeo import cog_validate

    path = write(tmp_path / "a.tif", holed(600, 700), grid(600, 700), side=350, MODEL="builtin")
    assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
    with rasterio.open(path) as file:
        assert file.descriptions == ("elevation", "uncertainty")
        assert file.units == ("metre", "metre")
        assert file.tags(2)["DESCRIPTION"] == UNCERTAINTY.description
        expected = {"MODEL": "builtin", "VERTICAL_DATUM": "EGM96", "SOURCE": "a survey", "AREA_OR_POINT": "Area"}
        assert expected.items() <= file.tags().items()
        assert [part.to_epsg() for part in pyproj.CRS.from_wkt(file.crs.to_wkt()).sub_crs_list] == [4326, 5773]
        assert (file.compression.value, file.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"]) == ("DEFLATE", "3")


def test_overviews_are_means_of_what_was_measured(tmp_path):
    values = holed(600, 700, bands=1)
    path = write(tmp_path / "a.tif", values, grid(600, 700), side=350)
    with rasterio.open(path, overview_level=0) as file:
        coarse = file.read(1)
    np.testing.assert_allclose(coarse, np.nanmean(values[0].reshape(300, 2, 350, 2), axis=(1, 3)), rtol=1e-6)


def test_netcdf_describes_axes_bands_and_datum_after_cf(tmp_path):
    of = grid(70, 90)
    path = write(tmp_path / "a.nc", holed(), of, MODEL_SHA256="abc", COMMAND="demsr super-resolve in out.nc")
    with h5netcdf.File(path) as file:
        elevation, uncertainty = file["elevation"], file["uncertainty"]
        assert file.attrs["Conventions"] == "CF-1.11"
        assert (file.attrs["model_sha256"], file.attrs["history"]) == ("abc", "demsr super-resolve in out.nc")
        assert elevation.attrs["standard_name"] == "height_above_geopotential_datum"
        assert uncertainty.attrs["standard_name"] == "height_above_geopotential_datum standard_error"
        assert (elevation.attrs["ancillary_variables"], elevation.attrs["units"]) == ("uncertainty", "m")
        assert np.isnan(elevation.attrs["_FillValue"])
        assert (elevation.compression, elevation.shuffle, elevation.chunks) == ("gzip", True, (70, 90))
        assert file["crs"].attrs["geopotential_datum_name"] == "EGM96 geoid"
        assert (file["lat"][0], file["lon"][-1]) == (of.centre(0, 89)[1], of.centre(0, 89)[0])
        np.testing.assert_allclose(file["lon_bnds"][:].mean(axis=1), file["lon"][:], rtol=1e-14)
        np.testing.assert_allclose([file["lat_bnds"][0, 0], file["lat_bnds"][-1, 1]], [of.north, of.south], rtol=1e-14)


def test_netcdf_lies_where_gdal_and_the_grid_say(tmp_path):
    of = grid(70, 90)
    path = write(tmp_path / "a.nc", holed(), of)
    with rasterio.open(f"netcdf:{path}:uncertainty") as file:
        assert file.bounds == pytest.approx((of.west, of.south, of.east, of.north), rel=1e-13)
        np.testing.assert_array_equal(file.read(1), holed()[1])


@pytest.mark.parametrize("datum", ["LAT", "MLLW", "chart datum"])
def test_netcdf_has_no_standard_name_where_cf_has_none(tmp_path, datum):
    path = write(tmp_path / "a.nc", holed(), grid(70, 90), datum=datum)
    with h5netcdf.File(path) as file:
        assert "standard_name" not in {**file["elevation"].attrs, **file["uncertainty"].attrs}
        assert file.attrs["vertical_datum"] == datum


@pytest.mark.filterwarnings("ignore")  # of netCDF4 and the checker's own
@pytest.mark.parametrize("datum", DATUMS)
@pytest.mark.parametrize("place", [{}, UTM, {**UTM, "crs": "EPSG:3031"}], ids=["lonlat", "UTM", "polar"])
def test_netcdf_passes_the_compliance_checker(tmp_path, datum, place):
    path = write(tmp_path / "a.nc", holed(), grid(70, 90, **place), datum=datum)
    assert cf_faults(path) == []


@pytest.mark.filterwarnings("ignore")
def test_compliance_checker_would_find_a_wrong_unit(tmp_path):
    path = write(tmp_path / "a.nc", holed(), grid(70, 90))
    with h5netcdf.File(path, "a") as file:
        file["elevation"].attrs["units"] = "s"
    assert any("elevation" in fault for fault in cf_faults(path))


def cf_faults(path: Path) -> list[str]:
    from compliance_checker.suite import CheckSuite

    suite = CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(path))
    results, errors = suite.run_all(dataset, ["cf:1.11"], skip_checks=[])["cf:1.11"]
    dataset.close()
    assert results
    assert not errors
    return [fault for result in results for fault in result.msgs or ()]


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


@pytest.mark.parametrize("kind", KINDS)
def test_product_is_continuous_across_the_antimeridian(tmp_path, kind):
    values, of = holed(), grid(70, 90, west=179.97, north=50.02)
    path = write(tmp_path / kind, values, of)
    np.testing.assert_array_equal(read_raster(path).dem.elevation_m, values[0])
    if kind == "a.tif":
        with rasterio.open(path) as file:
            assert file.bounds.right == pytest.approx(180.045)


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


def test_catalogue_finds_each_square_with_its_place_and_checksum(tmp_path):
    of = grid(70, 90, west=9.97, north=50.02)
    write(tmp_path / "a", holed(), of, MODEL="builtin")
    collection = pystac.Collection.from_file(tmp_path / "a" / "collection.json")
    item = collection.get_item("a_N49E010")
    asset = item.assets["raster"]
    path = tmp_path / "a" / "a_N49E010.tif"
    assert item.bbox == pytest.approx([10, of.south, of.east, 50])
    assert Path(asset.get_absolute_href()) == path
    assert FileExtension.ext(asset).checksum == "1220" + sha256_of_file(path)
    assert FileExtension.ext(asset).size == path.stat().st_size
    assert ProjectionExtension.ext(item).code == "EPSG:4326"
    assert ProjectionExtension.ext(item).shape == [46, 54]
    assert [band.unit for band in RasterExtension.ext(asset).bands] == ["m", "m"]
    assert item.datetime is None
    assert collection.extra_fields["demsr:model"] == "builtin"
    assert collection.extent.spatial.bboxes == [pytest.approx([of.west, of.south, of.east, of.north])]
    assert {link.target for link in json_links(path.with_suffix(".json"))} == {"./collection.json"}


def json_links(path: Path) -> list[pystac.Link]:
    return [pystac.Link.from_dict(link) for link in json.loads(path.read_text())["links"]]


def test_catalogue_is_valid_stac(tmp_path):
    write(tmp_path / "a", holed(), grid(70, 90, west=179.97, north=50.02))
    described = [json.loads(path.read_text()) for path in (tmp_path / "a").glob("*.json")]
    assert sorted(one["type"] for one in described) == ["Collection", *["Feature"] * 4]  # squares of one degree
    for one in described:
        validate_dict(one, extensions=[])  # their schemas are online only


def test_box_of_the_catalogue_crosses_the_antimeridian_and_those_of_squares_do_not(tmp_path):
    write(tmp_path / "a", holed(), grid(70, 90, west=179.97, north=50.02))
    collection = pystac.Collection.from_file(tmp_path / "a" / "collection.json")
    west, _, east, _ = collection.extent.spatial.bboxes[0]
    assert (west, east) == pytest.approx((179.97, -179.955))
    boxes = {item.id: (item.bbox[0], item.bbox[2]) for item in collection.get_items()}
    assert boxes["a_N49E179"] == pytest.approx((179.97, 180))
    assert boxes["a_N49W180"] == pytest.approx((-180, -179.955))


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "a.nc", "a", "new/folder/a"])
def test_target_that_can_be_written_is_let_through_and_not_made(tmp_path, name):
    check_target(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_target_of_another_kind_is_refused(tmp_path):
    with pytest.raises(RasterError, match=r"a\.png: ends in \.png; name a \.tif, a \.nc, or a folder"):
        check_target(tmp_path / "a.png")


def test_target_that_something_else_has_is_refused(tmp_path):
    (tmp_path / "a").write_text("")
    (tmp_path / "b.tif").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("")
    with pytest.raises(RasterError, match="a: is a file, a name without suffix is for a folder"):
        check_target(tmp_path / "a")
    with pytest.raises(RasterError, match=r"b\.tif: is a folder, a file is to be written"):
        check_target(tmp_path / "b.tif")
    with pytest.raises(RasterError, match="photos: holds other files, which would be lost"):
        check_target(tmp_path / "photos")


def test_target_where_nothing_can_be_written_is_refused(tmp_path, monkeypatch):
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("demsr.output.formats.tempfile.TemporaryFile", refuse)
    with pytest.raises(RasterError, match=r"a\.tif: nothing can be written to .* \(Read-only file system\)"):
        check_target(tmp_path / "a.tif")


def test_target_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RasterError, match=r"a\.tif: nothing can be written to .*file \(Not a directory\)"):
        check_target(tmp_path / "file" / "a.tif")


def test_folder_of_degrees_is_refused_for_a_projected_grid(tmp_path):
    with pytest.raises(GridError, match=r"'EPSG:32633', squares of one degree need degrees; name one file"):
        check_target(tmp_path / "a", grid(8, 9, **UTM))


def test_folder_takes_the_place_of_an_older_product(tmp_path):
    write(tmp_path / "a", holed(), grid(70, 90, west=9.97, north=50.02))
    made = write(tmp_path / "a", plane(8, 9)[None], grid(8, 9))
    np.testing.assert_array_equal(read_raster(made).dem.elevation_m, plane(8, 9))
    assert len(list((tmp_path / "a").glob("*.tif"))) == 1


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


def test_unknown_datum_is_refused(tmp_path):
    tiles, made = tiled(tmp_path / "tiles", holed(), grid(70, 90))
    with pytest.raises(DatumError, match="a survey: vertical datum is 'sea'"):
        write_product(tmp_path / "a.tif", tiles, replace(made, vertical_datum="sea"))


def test_value_that_was_not_stored_is_noticed(tmp_path):
    tiles, _ = tiled(tmp_path / "tiles", holed(), grid(70, 90))
    check_written(tiles, lambda window: holed()[(slice(None), *window.slices)])
    with pytest.raises(RasterioIOError, match=r"No space left on device or write error: tile 0 0\.tif was not stored"):
        check_written(tiles, lambda window: holed()[(slice(None), *window.slices)] + 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1_000, 100_000])
def test_file_that_may_not_grow_is_reported_and_removed(tmp_path, kind, limit):
    tiles, made = tiled(tmp_path / "tiles", holed(300, 300), grid(300, 300), side=300)
    with largest_file(limit), pytest.raises(RasterError, match=r"(?s): cannot be written \(.*\); free space"):
        write_product(tmp_path / kind, tiles, made)
    assert [path.name for path in tmp_path.iterdir()] == ["tiles"]
