from typing import Any

import pytest

from demsr.errors import FetchError
from demsr.sources.data_sheet import data_sheet
from demsr.sources.fetch_request import raster_requests
from demsr.sources.protocols.base import FetchRegion


def region(product: str, *box: float, **more: Any) -> FetchRegion:
    return FetchRegion(name="here", domain="land", product=product, box=box, **more)


def requests_for(product: str, *box: float, **more: Any):
    return raster_requests(data_sheet(product), region(product, *box, **more))


@pytest.mark.parametrize(
    ("product", "way_out"),
    [
        ("boem", "copy the addresses .* from the page that `demsr sources boem` prints"),
        ("bag", "name them under `urls`"),
    ],
)
def test_missing_addresses_are_requested_from_the_user(product, way_out):
    with pytest.raises(FetchError, match=way_out):
        requests_for(product, -90, 27, -89, 28)


def test_named_files_have_separate_names():
    (bag,) = requests_for("bag", -123, 48, -122, 49, urls=("https://example.org/surveys/F00788_SR_8m.bag",))
    assert (bag.name, bag.file.name, bag.file.kind) == ("here__F00788_SR_8m", "F00788_SR_8m.bag", "bag")
    urls = ("https://example.org/a/BOEM_West.zip", "https://example.org/a/BOEM_East.zip")
    found = requests_for("boem", -90, 27, -89, 28, urls=urls)
    assert [one.name for one in found] == ["here__n27w090-boem-west", "here__n27w090-boem-east"]
