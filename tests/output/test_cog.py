import logging

import numpy as np
import pyproj
import pytest
import rasterio
from product_files import UNCERTAINTY, holed, tiled, write
from synthetic import grid

from demsr.errors import RasterError
from demsr.output import cog
from demsr.output.formats import write_product


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


def spoilt_copy(monkeypatch, spoil):
    """Let the copy to a COG succeed, and spoil the file without a word, as a failed write does."""
    copy = rasterio.shutil.copy

    def copy_and_spoil(source, target, **options):
        copy(source, target, **options)
        spoil(target)

    monkeypatch.setattr("demsr.output.cog.rasterio.shutil.copy", copy_and_spoil)


def overwrite_overview(path):
    with rasterio.open(path) as file:
        offset = int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1, ovr=0))
        size = int(file.get_tag_item("BLOCK_SIZE_0_0", "TIFF", bidx=1, ovr=0))
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(size))


def store_other_overview(path):
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.build_overviews([2], rasterio.enums.Resampling.nearest)


@pytest.mark.parametrize("kind", ["a.tif", "a"])
@pytest.mark.parametrize("spoil", [overwrite_overview, store_other_overview])
def test_overview_that_was_not_stored_is_refused_and_leaves_nothing(tmp_path, monkeypatch, kind, spoil):
    tiles, made = tiled(tmp_path / "tiles", holed(1100, 1200), grid(1100, 1200, west=9.0, north=50.95), side=600)
    spoilt_copy(monkeypatch, spoil)
    with pytest.raises(RasterError, match="a(.tif)?: cannot be written"):
        write_product(tmp_path / kind, tiles, made)
    assert [path.name for path in tmp_path.iterdir()] == ["tiles"]


@pytest.mark.parametrize("kind", ["a.tif", "a"])
def test_error_that_gdal_reports_while_it_writes_counts(tmp_path, monkeypatch, kind):
    tiles, made = tiled(tmp_path / "tiles", holed(600, 700), grid(600, 700), side=350)
    log = logging.getLogger("rasterio._err")
    spoilt_copy(monkeypatch, lambda _: log.error("_tiffWriteProc: Input/output error."))
    with pytest.raises(RasterError, match=r"cannot be written \(_tiffWriteProc: Input/output error\.\)"):
        write_product(tmp_path / kind, tiles, made)
    assert [path.name for path in tmp_path.iterdir()] == ["tiles"]
