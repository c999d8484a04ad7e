from dataclasses import replace

import numpy as np
import pytest
from synthetic import rough

from demsr.errors import FetchError, ParamsError
from demsr.sources.fetch_request import FetchRequest
from demsr.sources.protocols.base import FetchRegion

pytestmark = pytest.mark.usefixtures("own_cache")
ALPS = FetchRegion(name="alps", domain="land", product="nasadem", box=(10, 46, 12, 47))
TILE = np.round(1000 + rough(121, 121, seed=1))


def test_no_input_no_source_types_and_no_such_product():
    assert FetchRequest(regions=(ALPS,)).inputs() == []
    products = FetchRequest(regions=(ALPS, ALPS), lr="gebco-2021").data_sheets()
    assert [product.name for product in products] == ["nasadem", "gebco-2021"]
    with pytest.raises(ParamsError, match=r"product of region x is 'nasadm'; `demsr sources` lists .*nasadem"):
        FetchRequest(regions=(replace(ALPS, name="x", product="nasadm"),)).data_sheets()


@pytest.mark.parametrize(
    ("wanted", "held_out", "message"),
    [
        (
            FetchRequest(regions=(replace(ALPS, domain="marine"),)),
            {},
            "region alps is marine, nasadem is for land; choose",
        ),
        (FetchRequest(regions=(ALPS,), lr="gmrt"), {}, "fetch.remote.lr is 'gmrt', not a 15 arc-second input"),
        (
            FetchRequest(regions=(ALPS,)),
            {"land": ["alp__*"]},
            r"no raster matches 'alp__\*'; .* REGION__\* with one of alps",
        ),
    ],
)
def test_mistakes_are_found_before_the_download(wanted, held_out, message):
    with pytest.raises(ParamsError, match=message):
        wanted.check(held_out)
    FetchRequest(regions=(ALPS,), lr="gebco-2021").check({"land": ["alps__*", "a*__n46*"], "marine": []})


def test_held_out_patterns_must_match_and_urls_must_be_used():
    for pattern in ("alps", "alps__n99*"):
        with pytest.raises(ParamsError, match="no raster matches"):
            FetchRequest(regions=(ALPS,)).check({"land": [pattern]})
    with pytest.raises(ParamsError, match="region alps: the addresses of nasadem are known; remove its `urls`"):
        FetchRequest(regions=(replace(ALPS, urls=("https://example.org/a.zip",)),)).check({})
    with pytest.raises(FetchError, match="name them under `urls`"):
        FetchRequest(regions=(replace(ALPS, domain="marine", product="bag"),)).check({})
