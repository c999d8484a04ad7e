from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from demsr.sources.data_sheet import data_sheet
from demsr.sources.fetch_request import raster_requests
from demsr.sources.protocols.base import FetchRegion


def region(product: str, *box: float, **more: Any) -> FetchRegion:
    return FetchRegion(name="here", domain="land", product=product, box=box, **more)


def requests_for(product: str, *box: float, **more: Any):
    return raster_requests(data_sheet(product), region(product, *box, **more))


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
def test_services_receive_requests_for_whole_cells(product, box, host, words):
    (one,) = requests_for(product, *box)
    parts = urlsplit(one.file.url)
    assert parts.netloc == host
    assert parse_qs(parts.query) == words
