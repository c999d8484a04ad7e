from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import demsr
from demsr.dem.units import METRES_PER_UNIT
from demsr.dem.vertical import DATUMS
from demsr.errors import FetchError, ParamsError
from demsr.sources.data_sheet import data_sheet, data_sheets, parse_data_sheets
from demsr.sources.raster_checks import declared_by

SHEET = """
[lake]
title = "Lake"
version = "1"
domain = "marine"
spacing = "10 m"
registration = "area"
vertical_datum = "MSL"
licence = "CC0"
commercial = "allowed"
citation = "Lake (2020)."
page = "https://example.org"

[lake.access]
protocol = "gmrt"
url = "https://example.org/grid"
mean_mb = 1
"""


@pytest.mark.parametrize("sheet", data_sheets().values(), ids=data_sheets())
def test_each_data_sheet_is_complete(sheet):
    assert sheet.vertical_datum in DATUMS
    assert sheet.unit in METRES_PER_UNIT
    assert sheet.licence
    assert sheet.citation.endswith(".")
    assert urlsplit(sheet.page).scheme == "https"
    assert sheet.access.mean_mb > 0
    assert set(sheet.unsure) <= {field.name for field in (*fields(sheet), *fields(sheet.access))}
    declared_by(sheet)  # refuses words that the readers do not know
    files = [request.file.url for request in sheet.access.whole_files(sheet.name)]
    assert all(urlsplit(url).scheme == "https" for url in (sheet.access.address, *files) if url)
    assert sheet.access.address or sheet.access.takes_urls


def test_all_files_of_the_folder_are_read_and_names_are_unique():
    files = sorted((Path(demsr.__file__).parent / "sources" / "data_sheets").glob("*.toml"))
    names = [sheet.name for file in files for sheet in parse_data_sheets(file.read_text("utf-8"), where=file.name)]
    assert len(names) == len(set(names)) == len(data_sheets())


def test_products_are_listed_by_domain():
    domains = [sheet.domain for sheet in data_sheets().values()]
    assert domains == sorted(domains, key=["land", "marine", "lr"].index)


def test_licences_that_forbid_commercial_use_are_marked():
    forbidden = {name for name, sheet in data_sheets().items() if sheet.commercial == "forbidden"}
    assert forbidden == {"tandem-x-90", "srtm-cgiar"}


def test_an_unknown_product_is_refused_with_the_known_ones():
    assert data_sheet("gmrt").name == "gmrt"
    with pytest.raises(ParamsError, match=r"product is 'gmr'; `demsr sources` lists the products: .*nasadem.*gmrt"):
        data_sheet("gmr")


def test_whole_numbers_stay_whole_in_manifests():
    sheet = data_sheet("nasadem")
    assert [type(value) for value in (sheet.nodata, *sheet.range_m)] == [int, int, int]


def test_common_keys_hold_for_all_products_of_a_file():
    common = '[common]\nunit = "ft"\n[common.access]\nlogin = "ask us"\n'
    one, other = parse_data_sheets(common + SHEET + SHEET.replace("lake", "pond"), where="lakes.toml")
    assert (one.name, other.name, one.unit, other.access.login) == ("lake", "pond", "ft", "ask us")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('page = "', 'pages = "x"\npage = "', r"lakes.toml: lake: pages is 'x': unknown key, remove it"),
        ("mean_mb = 1", "mean_mb = 1\ncoverage = 2", r"lakes.toml: lake.access: coverage is 2: unknown key"),
        ('licence = "CC0"\n', "", r"lakes.toml: lake: licence: Field required"),
        ('"area"', '"node"', r"lakes.toml: lake: registration is 'node': Input should be 'area' or 'point'"),
        ('"gmrt"', '"ftp"', r"lakes.toml: lake: access.protocol is 'ftp'; it must be one of .*degree_tiles.*wcs"),
        ("[lake]", "[lake", r"lakes.toml: cannot be read as TOML \(.*\); correct it"),
    ],
)
def test_a_mistake_in_a_data_sheet_is_named_with_file_and_key(old, new, message):
    with pytest.raises(ParamsError, match=message):
        parse_data_sheets(SHEET.replace(old, new, 1), where="lakes.toml")


def test_source_types_belong_to_inputs_only():
    types = data_sheet("gebco-2021").source_types()
    assert (types.name, types.access.variable, types.range_m) == ("gebco-2021-tid", "tid", None)
    with pytest.raises(FetchError, match="nasadem: has no grid of source types; set fetch.remote.tid to false"):
        data_sheet("nasadem").source_types()
