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


def test_large_files_are_cut_into_the_cells_that_they_cover():
    found = requests_for("crm", -88, 29, -86.5, 30)
    assert {(one.name, one.file.name, one.box) for one in found} == {
        ("here__n29w088-vol4", "crm_vol4.nc", (-88, 29, -87, 30)),
        ("here__n29w087-vol3", "crm_vol3.nc", (-87, 29, -86, 30)),
    }
    with pytest.raises(FetchError, match="region here: crm does not cover 0 to 1 east, 0 to 1 north"):
        requests_for("crm", 0, 0, 1, 1)
