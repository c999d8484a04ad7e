import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from demsr.errors import FetchError
from demsr.sources.data_sheet import data_sheet
from demsr.sources.fetch_request import listed_requests, raster_requests
from demsr.sources.protocols.base import FetchRegion


def region(product: str, *box: float, **more: Any) -> FetchRegion:
    return FetchRegion(name="here", domain="land", product=product, box=box, **more)


def requests_for(product: str, *box: float, **more: Any):
    return raster_requests(data_sheet(product), region(product, *box, **more))


def test_nasadem_has_the_addresses_of_the_provider():
    (one,) = requests_for("nasadem", -121, 43, -120, 44)
    assert one.file.url == (
        "https://data.lpdaac.earthdatacloud.nasa.gov/lp-prod-protected/NASADEM_HGT.001/NASADEM_HGT_n43w121/"
        "NASADEM_HGT_n43w121.zip"
    )
    assert (one.name, one.file.kind, one.box, one.cut) == ("here__n43w121", "zip", (-121, 43, -120, 44), False)


@pytest.mark.parametrize(("metres", "code"), [(30, 10), (90, 30)])
def test_copernicus_tiles_are_whole_or_parts_as_the_region_covers_them(metres, code):
    whole, part = requests_for(f"glo-{metres}", -7, 53, -5.5, 54)
    tile = f"Copernicus_DSM_COG_{code}_N53_00_W007_00_DEM"
    assert whole.file.url == f"https://copernicus-dem-{metres}m.s3.amazonaws.com/{tile}/{tile}.tif"
    assert (whole.by_ranges, whole.box) == (False, (-7, 53, -6, 54))
    assert (part.by_ranges, part.box) == (True, (-6, 53, -5.5, 54))
    assert part.download_key == f"{part.file.url}#-6.0 53.0 -5.5 54.0"


def cmr(*pages: list[str]):
    """Return what asks a catalogue that lists tiles in pages, and the addresses that it was asked for."""
    asked = []

    def ask(url: str, kind: str) -> str:
        asked.append(url)
        page = int(parse_qs(urlsplit(url).query)["page_num"][0])
        entries = [{"links": [{"href": f"https://example.org/NASADEM_HGT_{tile}.zip"}]} for tile in pages[page - 1]]
        return json.dumps({"feed": {"entry": entries}})

    return ask, asked


def test_tiles_that_the_catalogue_does_not_list_are_left_out():
    ask, asked = cmr(["n43w121", "n44w121"])
    here = region("nasadem", -121, 43, -119, 45)
    found = listed_requests(data_sheet("nasadem"), here, raster_requests(data_sheet("nasadem"), here), ask)
    assert [one.name for one in found] == ["here__n43w121", "here__n44w121"]
    assert parse_qs(urlsplit(asked[0]).query)["bounding_box"] == ["-121,43,-119,45"]
    assert parse_qs(urlsplit(asked[0]).query)["collection_concept_id"] == ["C2763264762-LPCLOUD"]


def test_a_catalogue_of_several_pages_is_read_to_its_end():
    many = [f"n{lat:02d}w{lon:03d}" for lat in range(25) for lon in range(1, 81)]
    ask, asked = cmr(many, ["n43w121"])
    here = region("nasadem", -121, 43, -120, 44)
    assert len(listed_requests(data_sheet("nasadem"), here, raster_requests(data_sheet("nasadem"), here), ask)) == 1
    assert len(asked) == 2


def test_a_region_without_any_tile_is_refused():
    ask, _ = cmr([])
    here = region("nasadem", -40, 30, -39, 31)
    with pytest.raises(FetchError, match="nasadem has no tile in -40 to -39 east, 30 to 31 north; choose another box"):
        listed_requests(data_sheet("nasadem"), here, raster_requests(data_sheet("nasadem"), here), ask)


@pytest.mark.parametrize("answer", ["[]", "{}", '{"feed": 1}', "{"])
def test_a_catalogue_of_unknown_layout_is_reported(answer):
    here = region("nasadem", -121, 43, -120, 44)
    with pytest.raises(FetchError, match="has no list of granules .*; the service has changed"):
        listed_requests(data_sheet("nasadem"), here, raster_requests(data_sheet("nasadem"), here), lambda *_: answer)


def test_copernicus_lists_its_tiles_line_by_line():
    listed = "Copernicus_DSM_COG_10_N53_00_W007_00_DEM\r\nCopernicus_DSM_COG_10_S17_00_E179_00_DEM\r\n"
    here = region("glo-30", -7, 53, -5, 54)
    asked = []
    found = listed_requests(
        data_sheet("glo-30"),
        here,
        raster_requests(data_sheet("glo-30"), here),
        lambda *words: asked.append(words) or listed,
    )
    assert [one.name for one in found] == ["here__n53w007"]
    assert asked == [("https://copernicus-dem-30m.s3.amazonaws.com/tileList.txt", "any")]
