"""Fetch of a request: missing files are downloaded into the cache, cut, checked, and listed for the manifest."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from demsr.dem.geotiff import write_dem
from demsr.dem.read.declared import Declared
from demsr.download.cache import Cache, CachedFile
from demsr.download.credentials import Credentials
from demsr.download.remote_file import AbsentError
from demsr.errors import DemsrError, FetchError, RasterError
from demsr.runtime.fingerprint import work_key
from demsr.runtime.progress import tracked
from demsr.sources.cells import box_key
from demsr.sources.cutting import copy_window, cut, unpack
from demsr.sources.data_sheet import AS_SERVED, DataSheet
from demsr.sources.fetch_request import FetchInput, FetchRequest, listed_requests, raster_requests
from demsr.sources.manifest import CACHED, InputFile
from demsr.sources.mosaic import write_mosaic
from demsr.sources.protocols.base import LOGIN_SERVICES, FetchRegion, RasterRequest
from demsr.sources.raster_checks import check_place, check_window, checked_header, declared_by

_CODE = ("dem", "sources/cutting.py", "sources/mosaic.py", "sources/raster_checks.py")  # of derived files


@dataclass(frozen=True)
class RegionRaster:
    """Raster of a region, to be fetched.

    Attributes
    ----------
    region : region
    sheet : data sheet of its product
    request : request of the raster
    """

    region: FetchRegion
    sheet: DataSheet
    request: RasterRequest


def fetch_all(request: FetchRequest, cache: Cache | None = None) -> dict[str, list[InputFile]]:
    """Download a request into the cache and return its rasters by domain, as the manifest lists them.

    Parameters
    ----------
    request : regions and inputs to fetch
    cache : cache to use; by default that of the user, with the mirrors of the request

    Raises
    ------
    FetchError : a login is missing, the disk is too small, a download failed, a file differs from its data sheet, or
        nothing of a region exists
    """
    credentials = {name: service.credentials() for name, service in LOGIN_SERVICES.items()}
    logins = {host: login for found in credentials.values() for host, login in found.logins.items()}
    cache = cache or Cache(logins=logins, mirrors=request.mirrors)
    rasters = region_rasters(request, credentials, cache)
    inputs = request.inputs()
    needed = [(raster.request, raster.sheet) for raster in rasters]
    needed += [(one, each.sheet) for each in inputs for one in each.requests]
    missing = {one.download_key: (one, sheet) for one, sheet in needed if cache.find(one.download_key) is None}
    for one, sheet in missing.values():
        check_login(one, sheet, credentials, cache)
    cache.check_free_space(sum(one.disk_bytes for one, _ in missing.values()))
    fetched = {each.kind: [fetch_input(each, cache)] for each in inputs}
    return {**fetch_rasters(rasters, cache), "lr": [], "lr_tid": [], **fetched}


def region_rasters(request: FetchRequest, credentials: Mapping[str, Credentials], cache: Cache) -> list[RegionRaster]:
    """Return the rasters that exist of each region; catalogues of tiles are queried.

    Parameters
    ----------
    request : regions to fetch
    credentials : login service -> credentials
    cache : cache, for queries and for files that need no login any more

    Raises
    ------
    FetchError : a login is missing and no file of a region is cached, or two rasters would have the same name
    """
    read_text = lru_cache(maxsize=None)(cache.read_text)
    rasters = []
    for region in request.regions:
        sheet = request.sheet_of(region)
        token = credentials[sheet.access.login].token if sheet.access.login in credentials else None
        requests = raster_requests(sheet, region, token=token)
        if not any(cache.find(one.download_key) for one in requests):
            for one in requests:
                check_login(one, sheet, credentials, cache)
        rasters += [RegionRaster(region, sheet, one) for one in listed_requests(sheet, region, requests, read_text)]
    counts = Counter(raster.request.name for raster in rasters)
    if doubles := [name for name, count in counts.items() if count > 1]:
        message = f"several files are named {', '.join(doubles[:3])}; rename one, or put it into a region of its own"
        raise FetchError(message)
    return rasters


def check_login(request: RasterRequest, sheet: DataSheet, credentials: Mapping[str, Credentials], cache: Cache) -> None:
    """Raise FetchError if a login is missing; mirrors and addresses that the user names receive none.

    Parameters
    ----------
    request : request of a raster
    sheet : data sheet of its product
    credentials : login service -> credentials
    cache : cache with its mirrors
    """
    access = sheet.access
    if not access.login or access.takes_urls or cache.is_mirrored(request.file.url):
        return
    if not credentials.get(access.login):
        message = f"{sheet.name}: its server requires a login and none was found; {access.instructions}"
        raise FetchError(message)


def fetch_rasters(rasters: Sequence[RegionRaster], cache: Cache) -> dict[str, list[InputFile]]:
    """Download the rasters of all regions and return them by domain, in order.

    Parameters
    ----------
    rasters : rasters to fetch
    cache : cache to use

    Raises
    ------
    FetchError : a download failed, a file differs from its data sheet, or nothing of a region exists
    """
    files = {raster.request.file.url: raster.request.file for raster in rasters if not raster.request.by_ranges}
    fetched = dict(zip(files, cache.fetch([*files.values()]), strict=True))
    cache.map(lambda one: _window(one, cache), [raster.request for raster in rasters if raster.request.by_ranges])
    found: dict[str, list[InputFile]] = {"land": [], "marine": []}
    absent: dict[str, RegionRaster] = {}
    present = set()
    # in one thread: a degree of fine pixels fills the memory, and reading changes the warning filters of all threads
    for raster in tracked(rasters, "check and cut", total=len(rasters)):
        entry = _raster(raster, fetched.get(raster.request.file.url), cache)
        if entry is None:
            absent.setdefault(raster.region.name, raster)
        else:
            found[raster.region.domain].append(entry)
            present.add(raster.region.name)
    for name, raster in absent.items():
        if name not in present:
            message = (
                f"region {name}: the server has none of its {raster.sheet.name} files, such as "
                f"{raster.request.file.url}, or they are void there; check the box, and whether the files have moved"
            )
            raise FetchError(message)
    return found


def fetch_input(wanted: FetchInput, cache: Cache) -> InputFile:
    """Download a low-resolution input and return it as one grid; windows are joined into a mosaic.

    Parameters
    ----------
    wanted : input to fetch
    cache : cache to use

    Raises
    ------
    FetchError : a file is missing, or a window differs from its request
    """
    sheet, requests = wanted.sheet, wanted.requests
    fetched = cache.fetch([one.file for one in requests], description=f"fetch {sheet.name}")
    files = []
    for one, file in zip(requests, fetched, strict=True):
        if file is None:
            message = (
                f"{one.file.url}: the server has no such file; the provider has moved it, choose another year or "
                "set lr_whole"
            )
            raise FetchError(message)
        files.append(file)
    if requests[0].member:
        grid = _unpacked(requests[0].member, files[0], cache)
        with _located(sheet.name, grid, cache):
            header = checked_header(grid.path, sheet)
        return _input_file(grid, sheet.name, sheet, declared_by(sheet, header), grid.origin, cache)
    for one, file in zip(requests, files, strict=True):
        with _located(sheet.name, file, cache):
            check_window(file.path, one.box, sheet)
    origin = f"{_without_query(files[0].origin)}#{len(files)} windows"
    key = f"{origin} {work_key([file.sha256 for file in files], code=_CODE)}"
    grid = cache.derive(key, f"{sheet.name}.tif", lambda path: write_mosaic([file.path for file in files], path))
    return _input_file(grid, sheet.name, sheet, declared_by(sheet), origin, cache)


def _raster(raster: RegionRaster, fetched: CachedFile | None, cache: Cache) -> InputFile | None:
    """Return the checked raster of a region; None where it does not exist or is void."""
    request, sheet, where = raster.request, raster.sheet, f"region {raster.region.name}"
    source = _window(request, cache) if request.by_ranges else fetched
    if source is None:
        if sheet.access.has_catalogue:
            message = (
                f"{where}: {request.file.url} is listed by the provider but missing on the server; try again later"
            )
            raise FetchError(message)
        return None
    if request.member:
        source = _unpacked(request.member, source, cache)
    if not request.cut:
        with _located(where, source, cache):
            header = checked_header(source.path, sheet)
            check_place(header, request, sheet)
        return _input_file(source, request.name, sheet, declared_by(sheet, header), source.origin, cache)
    try:
        part = _part(where, source, raster, cache)
    except AbsentError:
        return None
    origin = f"{source.origin}#{box_key(request.box)}"
    return _input_file(part, request.name, sheet, Declared(), origin, cache)  # it carries its metadata itself


def _part(where: str, source: CachedFile, raster: RegionRaster, cache: Cache) -> CachedFile:
    """Return the part of a file that belongs to a raster."""
    request, sheet = raster.request, raster.sheet

    def make(path: Path) -> None:
        with _located(where, source, cache):
            dem = cut(source.path, request.box, sheet)
        write_dem(path, dem)

    made_of = [source.sha256, request.box, str((declared_by(sheet), sheet.crs, sheet.range_m))]
    name = f"{sheet.name}_{request.tile}.tif"
    return cache.derive(f"{source.origin} cut {work_key(made_of, code=_CODE)}", name, make)


def _window(request: RasterRequest, cache: Cache) -> CachedFile:
    url, name = cache.mirrored(request.file.url), f"{Path(request.file.name).stem}_part.tif"
    return cache.derive(request.download_key, name, lambda path: copy_window(url, path, request.box, retry=cache.retry))


def _unpacked(member: str, archive: CachedFile, cache: Cache) -> CachedFile:
    name = f"{archive.path.stem}{Path(member).suffix}"
    with _located(archive.path.name, archive, cache):
        return cache.derive(f"{archive.origin}!{member}", name, lambda path: unpack(archive.path, member, path))


@contextmanager
def _located(where: str, source: CachedFile, cache: Cache) -> Iterator[None]:
    """Add region and address to errors about a file; a file that cannot be read is evicted from the cache."""
    address = _without_query(source.origin)
    try:
        yield
    except AbsentError:
        raise
    except RasterError as error:
        cache.evict(source)
        message = f"{where}: {error}; it came from {address} and is evicted from the cache, run the same command again"
        raise FetchError(message) from error
    except DemsrError as error:
        message = f"{where}: {error}; it came from {address}, delete {source.path} if the provider has corrected it"
        raise FetchError(message) from error


def _input_file(
    file: CachedFile, name: str, sheet: DataSheet, declared: Declared, origin: str, cache: Cache
) -> InputFile:
    """Return the manifest entry of a cached file."""
    return InputFile(
        path=f"{CACHED}{file.path.relative_to(cache.folder).as_posix()}",
        bytes=file.bytes,
        sha256=file.sha256,
        given_name=name,
        product=sheet.name,
        origin=_without_query(origin) if sheet.access.takes_urls else origin,
        declared={key: value for key, value in asdict(declared).items() if value is not None},
        range_m=sheet.range_m,
        fetched_on=file.fetched_at[:10] if sheet.version == AS_SERVED else "",
    )


def _without_query(origin: str) -> str:
    """Return an address without its query, which may contain a signature."""
    return re.sub(r"\?[^!#]*", "", origin)
