from dataclasses import fields
from urllib.parse import urlsplit

import pytest

from demsr.dem.units import METRES_PER_UNIT
from demsr.dem.vertical import DATUMS
from demsr.errors import ParamsError
from demsr.sources.remote.catalogue import PRODUCTS, Product, product_of
from demsr.sources.remote.cutting import declared_by


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_each_data_sheet_is_whole(product):
    assert product.vertical_datum in DATUMS
    assert product.unit in METRES_PER_UNIT
    assert product.licence
    assert product.citation.endswith(".")
    assert urlsplit(product.page).scheme == "https"
    assert product.tile_mb > 0
    assert set(product.unsure) <= {field.name for field in fields(Product)}
    declared_by(product)  # refuses words that the readers do not know
    addresses = [product.host, *(file.url for file in product.files)]
    assert all(urlsplit(url).scheme == "https" for url in addresses if url)
    assert any(addresses) or product.how == "urls" or "copy them" in product.note


def test_licences_that_forbid_commercial_use_are_marked():
    assert {name for name, product in PRODUCTS.items() if product.commercial == "forbidden"} == {
        "tandem-x-90",
        "srtm-cgiar",
    }


def test_an_unknown_product_is_refused_with_those_that_there_are():
    assert product_of("gmrt").name == "gmrt"
    with pytest.raises(ParamsError, match=r"product is 'gmr'; `demsr sources` lists what there is: nasadem, glo-30"):
        product_of("gmr")
