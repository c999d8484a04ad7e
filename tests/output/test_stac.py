import json
from pathlib import Path

import pystac
import pytest
from product_files import holed, write
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation import validate_dict
from synthetic import grid

from demsr.runtime.files import sha256_of_file


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
