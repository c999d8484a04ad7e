import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from demsr.errors import FetchError
from demsr.sources.cells import cell_name, cells, intersection
from demsr.sources.data_sheet import data_sheet
from demsr.sources.fetch_request import listed_requests, raster_requests
from demsr.sources.protocols.base import FetchRegion


def region(product: str, *box: float, **more: Any) -> FetchRegion:
    return FetchRegion(name="here", domain="land", product=product, box=box, **more)


def pieces(product: str, *box: float, **more: Any):
    return raster_requests(data_sheet(product), region(product, *box, **more))


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


def test_overlap_of_boxes():
    assert intersection((0, 0, 2, 2), (1, -1, 3, 1)) == (1, 0, 2, 1)
    assert intersection((0, 0, 1, 1), (1, 0, 2, 1)) is None


def test_nasadem_has_the_addresses_of_the_provider():
    (one,) = pieces("nasadem", -121, 43, -120, 44)
    assert one.file.url == (
        "https://data.lpdaac.earthdatacloud.nasa.gov/lp-prod-protected/NASADEM_HGT.001/NASADEM_HGT_n43w121/"
        "NASADEM_HGT_n43w121.zip"
    )
    assert (one.name, one.file.kind, one.box, one.cut) == ("here__n43w121", "zip", (-121, 43, -120, 44), False)


@pytest.mark.parametrize(("metres", "code"), [(30, 10), (90, 30)])
def test_copernicus_tiles_are_whole_or_parts_as_the_region_covers_them(metres, code):
    whole, part = pieces(f"glo-{metres}", -7, 53, -5.5, 54)
    tile = f"Copernicus_DSM_COG_{code}_N53_00_W007_00_DEM"
    assert whole.file.url == f"https://copernicus-dem-{metres}m.s3.amazonaws.com/{tile}/{tile}.tif"
    assert (whole.by_ranges, whole.box) == (False, (-7, 53, -6, 54))
    assert (part.by_ranges, part.box) == (True, (-6, 53, -5.5, 54))
    assert part.download_key == f"{part.file.url}#-6.0 53.0 -5.5 54.0"


@pytest.mark.parametrize(
    ("product", "box", "host", "words"),
    [
        (
            "gmrt",
            (-65.6, 39.1, -65.1, 39.6),
            "www.gmrt.org",
            {
                "minlongitude": ["-66"],
                "maxlongitude": ["-65"],
                "minlatitude": ["39"],
                "maxlatitude": ["40"],
                "format": ["geotiff"],
                "resolution": ["max"],
                "layer": ["topo-mask"],
            },
        ),
        (
            "nonna-10",
            (-124.5, 48, -124, 48.5),
            "nonna-geoserver.data.chs-shc.ca",
            {
                "service": ["WCS"],
                "version": ["2.0.1"],
                "request": ["GetCoverage"],
                "format": ["image/tiff"],
                "coverageId": ["nonna__NONNA 10 Coverage"],
                "subset": ["Long(-124.5,-124)", "Lat(48,48.5)"],
                "subsettingcrs": ["http://www.opengis.net/def/crs/EPSG/0/4326"],
            },
        ),
        (
            "gebco-2024",
            (85, 27, 86, 28),
            "dap.ceda.ac.uk",
            {
                "var": ["elevation"],
                "west": ["85"],
                "east": ["90"],
                "south": ["25"],
                "north": ["30"],
                "accept": ["netcdf"],
            },
        ),
    ],
)
def test_services_are_asked_for_whole_cells(product, box, host, words):
    (one,) = pieces(product, *box)
    parts = urlsplit(one.file.url)
    assert parts.netloc == host
    assert parse_qs(parts.query) == words


def test_large_files_are_cut_into_cells_of_the_files_that_lie_there():
    found = pieces("crm", -88, 29, -86.5, 30)
    assert {(one.name, one.file.name, one.box) for one in found} == {
        ("here__n29w088-vol4", "crm_vol4.nc", (-88, 29, -87, 30)),
        ("here__n29w087-vol3", "crm_vol3.nc", (-87, 29, -86, 30)),
    }
    with pytest.raises(FetchError, match="region here: crm does not cover 0 to 1 east, 0 to 1 north"):
        pieces("crm", 0, 0, 1, 1)


@pytest.mark.parametrize(
    ("product", "way_out"),
    [
        ("boem", "copy the addresses .* from the page that `demsr sources boem` prints"),
        ("bag", "name them under `urls`"),
    ],
)
def test_files_that_a_user_must_name_are_asked_for(product, way_out):
    with pytest.raises(FetchError, match=way_out):
        pieces(product, -90, 27, -89, 28)


def test_files_that_a_user_names_keep_their_names_apart():
    (bag,) = pieces("bag", -123, 48, -122, 49, urls=("https://example.org/surveys/F00788_SR_8m.bag",))
    assert (bag.name, bag.file.name, bag.file.kind) == ("here__F00788_SR_8m", "F00788_SR_8m.bag", "bag")
    urls = ("https://example.org/a/BOEM_West.zip", "https://example.org/a/BOEM_East.zip")
    found = pieces("boem", -90, 27, -89, 28, urls=urls)
    assert [one.name for one in found] == ["here__n27w090-boem-west", "here__n27w090-boem-east"]


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
def test_a_catalogue_that_answers_otherwise_is_named(answer):
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
