"""Estimates of downloads by region, before anything is requested."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from demsr.download.cache import Cache
from demsr.sources.data_sheet import DataSheet
from demsr.sources.fetch_request import FetchRequest, raster_requests
from demsr.sources.protocols.base import RasterRequest

_LR_PX_PER_DEGREE = 240


@dataclass(frozen=True, kw_only=True)
class FetchEstimate:
    """Upper limit of the downloads of a region; only the provider knows which tiles exist.

    Attributes
    ----------
    region, product : names; the region of an input is "all"
    domain : land, marine, lr or lr_tid
    rasters : number of rasters
    files : number of downloads
    bytes : size of the downloads; the product's mean where the provider publishes no size
    cached_bytes : part of `bytes` that is in the cache
    pairs : number of non-overlapping patches if everything is measured; 0 for inputs
    """

    region: str
    product: str
    domain: str
    rasters: int
    files: int
    bytes: float
    cached_bytes: float
    pairs: int = 0


def estimate_fetch(request: FetchRequest, cache: Cache, *, patch_lr: int) -> list[FetchEstimate]:
    """Return an estimate for each region and each input; a file that several share counts for the first.

    Parameters
    ----------
    request : regions and inputs to fetch
    cache : cache that may hold some of the files
    patch_lr : side of a patch, LR pixels
    """
    seen: set[str] = set()
    estimates = []
    for region in request.regions:
        sheet = request.sheet_of(region)
        requests = raster_requests(sheet, region)
        side_px = int((sheet.access.cell_deg or 0) * _LR_PX_PER_DEGREE)
        pairs = len(requests) * (side_px // patch_lr) ** 2
        estimate = _estimate(region.name, sheet, requests, cache, seen)
        estimates.append(replace(estimate, domain=region.domain, pairs=pairs))
    for one in request.inputs():
        estimates.append(replace(_estimate("all", one.sheet, one.requests, cache, seen), domain=one.kind))
    return estimates


def _estimate(
    region: str, sheet: DataSheet, requests: Sequence[RasterRequest], cache: Cache, seen: set[str]
) -> FetchEstimate:
    sizes = {one.download_key: one.download_bytes for one in requests if one.download_key not in seen}
    seen.update(sizes)
    return FetchEstimate(
        region=region,
        product=sheet.name,
        domain=sheet.domain,
        rasters=len(requests),
        files=len(sizes),
        bytes=sum(sizes.values()),
        cached_bytes=sum(size for key, size in sizes.items() if cache.find(key) is not None),
    )
