"""From what is wanted to files in the cache: what is missing is fetched, cut out and checked."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from rich.progress import track

from demsr.dem.geotiff import write_dem
from demsr.dem.read.declared import Declared
from demsr.errors import DemsrError, FetchError, RasterError
from demsr.runtime.fingerprint import work_key
from demsr.sources.local import CACHED, InputFile
from demsr.sources.remote.cache import Cache, Fetched
from demsr.sources.remote.catalogue import AS_SERVED, EARTHDATA, Product, product_of
from demsr.sources.remote.credentials import Credentials, check_logins, earthdata
from demsr.sources.remote.cutting import (
    assemble,
    check_place,
    check_window,
    checked_header,
    copy_window,
    declared_by,
    part_of,
    unpack,
)
from demsr.sources.remote.pieces import Piece, Region, existing, pieces_of, place_text
from demsr.sources.remote.transfer import AbsentError
from demsr.sources.remote.wanted import Wanted

_CODE = ("dem", "sources/remote/cutting.py")  # what makes parts of files


@dataclass(frozen=True)
class Order:
    """A raster of a region that is to come."""

    region: Region
    product: Product
    piece: Piece


def fetch_all(wanted: Wanted, cache: Cache | None = None) -> dict[str, list[InputFile]]:
    """Bring all that is wanted into the cache and return it by domain, as the manifest lists it.

    Raises
    ------
    FetchError : a login is missing, the disk is too small, a catalogue does not answer, a file did not come or is not
        what its data sheet says, or nothing of a region exists
    """
    credentials = earthdata()
    cache = cache or Cache(logins=credentials.logins, mirrors=wanted.mirrors)
    orders = orders_of(wanted.regions, credentials, cache)
    inputs = wanted.inputs()
    pieces = [(order.piece, order.product) for order in orders]
    pieces += [(piece, product) for _, product, some in inputs for piece in some]
    missing = {piece.origin: (piece, product) for piece, product in pieces if cache.known(piece.origin) is None}
    _check_logins(missing.values(), credentials, cache)
    cache.check_room(sum(piece.room_bytes(product) for piece, product in missing.values()))
    found = {kind: [fetch_lr(product, some, cache)] for kind, product, some in inputs}
    return {**fetch_orders(orders, cache), "lr": [], "lr_tid": [], **found}


def orders_of(regions: Sequence[Region], credentials: Credentials, cache: Cache) -> list[Order]:
    """Return what there is of each region's product; catalogues of tiles are asked.

    Raises
    ------
    FetchError : a login is missing where nothing of a region is here, or two rasters would have one name
    """
    ask = lru_cache(maxsize=None)(cache.asked)
    orders = []
    for region in regions:
        product = product_of(region.product, where=f"product of region {region.name}")
        token = credentials.token if product.login == EARTHDATA else None
        pieces = pieces_of(product, region, token=token)
        if not any(cache.known(piece.origin) for piece in pieces):
            _check_logins([(piece, product) for piece in pieces], credentials, cache)
        orders += [Order(region, product, piece) for piece in existing(product, region, pieces, ask)]
    counts = Counter(order.piece.name for order in orders)
    if doubles := [name for name, count in counts.items() if count > 1]:
        message = f"several files are called {', '.join(doubles[:3])}; rename one, or put it into a region of its own"
        raise FetchError(message)
    return orders


def fetch_orders(orders: Sequence[Order], cache: Cache) -> dict[str, list[InputFile]]:
    """Bring all rasters into the cache; return them by domain, in order."""
    remotes = {order.piece.remote.url: order.piece.remote for order in orders if not order.piece.by_ranges}
    came = dict(zip(remotes, cache.fetch([*remotes.values()]), strict=True))
    cache.each(lambda piece: _by_ranges(piece, cache), [order.piece for order in orders if order.piece.by_ranges])
    # one at a time: a degree of fine pixels fills memory, and reading sets filters of warnings, which threads share
    entries = [_entry(order, came, cache) for order in track(orders, description="check and cut")]
    found: dict[str, list[InputFile]] = {"land": [], "marine": []}
    for order, entry in zip(orders, entries, strict=True):
        if entry is not None:
            found[order.region.domain].append(entry)
    fruitful = {order.region.name for order, entry in zip(orders, entries, strict=True) if entry is not None}
    for order in orders:
        if order.region.name not in fruitful:
            message = (
                f"region {order.region.name}: the server has none of its {order.product.name} files, such as "
                f"{order.piece.remote.url}, or they hold nothing there; check the box, and whether they have moved"
            )
            raise FetchError(message)
    return found


def fetch_lr(product: Product, pieces: Sequence[Piece], cache: Cache) -> InputFile:
    """Bring an input into the cache as one grid; windows are put back where they belong.

    Raises
    ------
    FetchError : a file is missing, or a window is not what was asked for
    """
    came = cache.fetch([piece.remote for piece in pieces], description=f"fetch {product.name}")
    files = [one for one in came if one is not None]
    if len(files) < len(pieces):
        gone = next(piece.remote.url for piece, one in zip(pieces, came, strict=True) if one is None)
        message = f"{gone}: the server has no such file; the provider has moved it, choose another year or lr_whole"
        raise FetchError(message)
    if pieces[0].member:
        grid = _unpacked(pieces[0].member, files[0], cache)
        with _told(product.name, grid, cache):
            header = checked_header(grid.path, product)
        return _described(grid, product.name, product, declared_by(product, header), grid.origin, cache)
    for piece, one in zip(pieces, files, strict=True):
        with _told(product.name, one, cache):
            check_window(one.path, piece.place, product)
    origin = f"{product.host}{product.path}#{len(files)} windows"
    made_of = work_key([one.sha256 for one in files], code=_CODE)
    grid = cache.made(
        f"{origin} {made_of}", f"{product.name}.tif", lambda path: assemble([one.path for one in files], path)
    )
    return _described(grid, product.name, product, declared_by(product), origin, cache)


def _check_logins(pieces: Iterable[tuple[Piece, Product]], found: Credentials, cache: Cache) -> None:
    """Raise FetchError for a missing login; mirrors are never given one, nor the hosts of a user's own addresses."""
    asked = {
        product.name: product
        for piece, product in pieces
        if product.how != "urls" and not cache.is_mirrored(piece.remote.url)
    }
    check_logins(asked.values(), found)


def _entry(order: Order, came: Mapping[str, Fetched | None], cache: Cache) -> InputFile | None:
    """Return the raster of an order; None where it does not exist or holds nothing."""
    piece, product, where = order.piece, order.product, f"region {order.region.name}"
    answer = _by_ranges(piece, cache) if piece.by_ranges else came[piece.remote.url]
    if answer is None:
        if product.listing:
            message = f"{where}: {piece.remote.url} is listed by the provider, the server has none; try again later"
            raise FetchError(message)
        return None
    source = _unpacked(piece.member, answer, cache) if piece.member and not piece.by_ranges else answer
    if not piece.cut:
        with _told(where, source, cache):
            header = checked_header(source.path, product)
            check_place(header, piece, product)
        return _described(source, piece.name, product, declared_by(product, header), source.origin, cache)
    try:
        part = _part(where, source, piece, product, cache)
    except AbsentError:
        return None
    origin = f"{source.origin}#{place_text(piece.place)}"
    return _described(part, piece.name, product, Declared(), origin, cache)  # what was cut says all of itself


def _part(where: str, source: Fetched, piece: Piece, product: Product, cache: Cache) -> Fetched:
    """Return what is cut out of a file by the data sheet."""

    def make(path: Path) -> None:
        with _told(where, source, cache):
            dem = part_of(source.path, piece.place, product)
        write_dem(path, dem)

    made_of = [source.sha256, piece.place, str((declared_by(product), product.horizontal, product.range_m))]
    name = f"{product.name}_{piece.name.rpartition('__')[2]}.tif"
    return cache.made(f"{source.origin} cut {work_key(made_of, code=_CODE)}", name, make)


def _by_ranges(piece: Piece, cache: Cache) -> Fetched:
    url, name = cache.address(piece.remote.url), f"{Path(piece.remote.name).stem}_part.tif"
    return cache.made(piece.origin, name, lambda path: copy_window(url, path, piece.place, patience=cache.patience))


def _unpacked(member: str, archive: Fetched, cache: Cache) -> Fetched:
    name = f"{Path(archive.path.name).stem}{Path(member).suffix}"
    with _told(archive.path.name, archive, cache):
        return cache.made(f"{archive.origin}!{member}", name, lambda path: unpack(archive.path, member, path))


@contextmanager
def _told(where: str, fetched: Fetched, cache: Cache) -> Iterator[None]:
    """Name region and address in what is found wrong with a file; one that cannot be read leaves the cache."""
    try:
        yield
    except AbsentError:
        raise
    except RasterError as error:
        cache.forget(fetched)
        message = f"{where}: {error}; it came from {_bare(fetched.origin)} and is now removed, run this again"
        raise FetchError(message) from error
    except DemsrError as error:
        message = (
            f"{where}: {error}; it came from {_bare(fetched.origin)}, delete {fetched.path} if the provider has "
            "mended it since"
        )
        raise FetchError(message) from error


def _described(
    fetched: Fetched, name: str, product: Product, declared: Declared, origin: str, cache: Cache
) -> InputFile:
    """Return the entry of a file in the manifest.

    Parameters
    ----------
    origin : address, and what was cut out of it
    """
    return InputFile(
        path=f"{CACHED}{fetched.path.relative_to(cache.folder).as_posix()}",
        bytes=fetched.bytes,
        sha256=fetched.sha256,
        given_name=name,
        product=product.name,
        origin=_bare(origin) if product.takes_urls else origin,
        declared={key: value for key, value in asdict(declared).items() if value is not None},
        range_m=product.range_m,
        fetched_on=fetched.fetched_at[:10] if product.version == AS_SERVED else "",
    )


def _bare(origin: str) -> str:
    """Return an address without its question, which may hold a signature."""
    return re.sub(r"\?[^!#]*", "", origin)
