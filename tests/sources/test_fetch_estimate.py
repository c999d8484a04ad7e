from pathlib import Path

import pytest

from demsr.download.cache import Cache
from demsr.sources.data_sheet import data_sheet
from demsr.sources.fetch_estimate import estimate_fetch
from demsr.sources.fetch_request import FetchRequest, raster_requests
from demsr.sources.protocols.base import FetchRegion

ALPS = FetchRegion(name="alps", domain="land", product="nasadem", box=(6, 44, 10, 48))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def test_a_region_takes_its_cells_at_the_mean_size_of_a_tile(cache):
    (estimate,) = estimate_fetch(FetchRequest(regions=(ALPS,)), cache, patch_lr=32)
    assert (estimate.region, estimate.product, estimate.domain) == ("alps", "nasadem", "land")
    assert estimate.rasters == estimate.files == 16
    assert estimate.bytes == pytest.approx(16 * 7.13e6)
    assert estimate.pairs == 16 * 7 * 7


def test_a_part_of_a_tile_counts_by_its_share(cache):
    region = FetchRegion(name="here", domain="land", product="glo-30", box=(6, 44, 7.5, 45))
    (estimate,) = estimate_fetch(FetchRequest(regions=(region,)), cache, patch_lr=32)
    assert estimate.bytes == pytest.approx(1.5 * 35e6)


def test_a_large_file_counts_once_however_many_cells_and_regions_it_serves(cache):
    regions = [
        FetchRegion(name=name, domain="marine", product="crm", box=box)
        for name, box in {"one": (-87, 26, -85, 28), "two": (-84, 26, -83, 27)}.items()
    ]
    one, two = estimate_fetch(FetchRequest(regions=tuple(regions)), cache, patch_lr=32)
    assert (one.files, one.rasters, one.bytes) == (1, 4, 570_529_124)
    assert (two.files, two.rasters, two.bytes) == (0, 1, 0)


def test_windows_and_source_types_of_the_input_are_counted(cache):
    estimates = estimate_fetch(FetchRequest(regions=(ALPS,), lr="gebco-2021", tid=True), cache, patch_lr=32)
    windows = {estimate.domain: estimate.files for estimate in estimates}
    assert windows == {"land": 16, "lr": 2, "lr_tid": 2}  # of 5 degrees, from 40 and from 45 north
    whole = estimate_fetch(FetchRequest(regions=(ALPS,), lr="gebco-2024", lr_whole=True), cache, patch_lr=32)
    assert (whole[1].files, whole[1].bytes) == (1, 4_267_373_073)
    unnamed = estimate_fetch(
        FetchRequest(regions=(ALPS,), lr="gebco-2021", lr_whole=True, tid=True), cache, patch_lr=32
    )
    assert [estimate.bytes for estimate in unnamed[1:]] == pytest.approx([4.26e9, 92e6])


def test_cached_bytes_are_counted(cache, tmp_path):
    first = raster_requests(data_sheet("nasadem"), ALPS)[0].file
    cache.derive(first.url, first.name, lambda path: path.write_bytes(b"tile"))
    (estimate,) = estimate_fetch(FetchRequest(regions=(ALPS,)), cache, patch_lr=32)
    assert estimate.cached_bytes == pytest.approx(7.13e6)
