"""From regions to files in the cache: what is missing is fetched, cut out and checked."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from fnmatch import filter as fnmatch_filter
from pathlib import Path
from typing import Any, Self

from demsr.dem.header import Declared
from demsr.errors import FetchError, ParamsError, RasterError
from demsr.files import sha256_of_text
from demsr.sources.local import CACHED, InputFile
from demsr.sources.remote.cache import Cache, Fetched
from demsr.sources.remote.catalogue import AS_SERVED, TID, Box, Product, product_of
from demsr.sources.remote.credentials import check_logins, earthdata
from demsr.sources.remote.cutting import (
    assemble,
    check_place,
    check_window,
    checked_header,
    copy_window,
    cut,
    declared_by,
    unpack,
)
from demsr.sources.remote.pieces import Piece, Region, existing, pieces_of, place_text, whole_files
from demsr.sources.remote.transfer import AbsentError

_CUT_AT_ONCE = 2  # each holds up to a degree of fine pixels
_WITH_PARTS = 2  # times what comes: what is unpacked or cut lies beside it


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What params.yaml asks for.

    Attributes
    ----------
    lr : name of the input's product; None for no input
    lr_whole : as one file, not as windows around the regions
    tid : with its grid of source types
    mirrors : see `Cache`
    """

    regions: tuple[Region, ...]
    lr: str | None = None
    lr_whole: bool = False
    tid: bool = False
    mirrors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Self:
        """Return what a section of params.yaml asks for; its regions are given by name."""
        regions = tuple(Region(name=name, **region) for name, region in section["regions"].items())
        return cls(**{**section, "regions": regions})

    def check(self, held_out: Mapping[str, Sequence[str]]) -> None:
        """Raise ParamsError for mistakes that can be told before anything is fetched.

        Parameters
        ----------
        held_out : by domain, patterns of names of rasters
        """
        for region in self.regions:
            product = product_of(region.product, where=f"product of region {region.name}")
            if product.domain != region.domain:
                message = (
                    f"region {region.name} is {region.domain}, {product.name} is for {product.domain}; "
                    "choose another product, `demsr sources` lists them"
                )
                raise ParamsError(message)
        if self.lr is not None and product_of(self.lr, where="fetch.remote.lr").domain != "lr":
            message = (
                f"fetch.remote.lr is {self.lr!r}, which is no input of 15 arc-seconds; choose one such as gebco-2024"
            )
            raise ParamsError(message)
        for domain, patterns in held_out.items():
            names = [region.name for region in self.regions if region.domain == domain]
            for pattern in patterns:
                if not fnmatch_filter(names, pattern.partition("__")[0]):
                    message = f"pairs.{domain}: no region fits {pattern!r}; there are {', '.join(names)}"
                    raise ParamsError(message)

    def products(self) -> list[Product]:
        """Return the data sheets of all that is wanted, each once.

        Raises
        ------
        ParamsError : there is no such product
        """
        regions = {region.product: f"product of region {region.name}" for region in self.regions}
        inputs = {} if self.lr is None else {self.lr: "fetch.remote.lr"}
        return [product_of(name, where=where) for name, where in {**regions, **inputs}.items()]

    def inputs(self) -> list[tuple[str, Product, list[Piece]]]:
        """Return what to fetch as input: kind in the manifest, data sheet and pieces."""
        if self.lr is None:
            return []
        product = product_of(self.lr, where="fetch.remote.lr")
        sheets = [("lr", product), *([("lr_tid", tid_of(product))] if self.tid else [])]
        boxes = [region.box for region in self.regions]
        return [(kind, sheet, lr_pieces(sheet, boxes, whole=self.lr_whole)) for kind, sheet in sheets]


def fetch_all(wanted: Wanted, cache: Cache | None = None) -> dict[str, list[InputFile]]:
    """Bring all that is wanted into the cache and return it by domain, as the manifest lists it.

    Raises
    ------
    FetchError : a login is missing, the disk is too small, a catalogue does not answer, a file did not come or is not
        what its data sheet says, or nothing of a region exists
    """
    credentials = earthdata()
    cache = cache or Cache(logins=credentials.logins, mirrors=wanted.mirrors)
    orders = orders_of(wanted.regions, credentials.token, cache)
    inputs = wanted.inputs()
    pieces = [(order.piece, order.product) for order in orders]
    pieces += [(piece, product) for _, product, some in inputs for piece in some]
    missing = {piece.origin: (piece, product) for piece, product in pieces if cache.known(piece.origin) is None}
    asked = {product.name: product for piece, product in missing.values() if not cache.is_mirrored(piece.remote.url)}
    check_logins(asked.values(), credentials)
    cache.check_room(_WITH_PARTS * sum(piece.expected_bytes(product) for piece, product in missing.values()))
    found = {kind: [fetch_lr(product, some, cache)] for kind, product, some in inputs}
    return {**fetch_orders(orders, cache), "lr": [], "lr_tid": [], **found}


@dataclass(frozen=True)
class Order:
    """A raster of a region that is to come."""

    region: Region
    product: Product
    piece: Piece


def orders_of(regions: Sequence[Region], token: str | None, cache: Cache) -> list[Order]:
    """Return what there is of each region's product; catalogues of tiles are asked.

    Parameters
    ----------
    token : for products that want a login
    """
    orders = []
    for region in regions:
        product = product_of(region.product, where=f"product of region {region.name}")
        pieces = pieces_of(product, region, token=token if product.login else None)
        orders += [Order(region, product, piece) for piece in existing(product, region, pieces, cache.asked)]
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
    entries = cache.each(lambda order: _entry(order, came, cache), orders, at_once=_CUT_AT_ONCE)
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


def lr_pieces(product: Product, boxes: Sequence[Box], *, whole: bool) -> list[Piece]:
    """Return what is needed of an input: its file as a whole, or windows around regions, each once."""
    if whole:
        return whole_files(product)
    regions = [Region(name=product.name, domain="land", product=product.name, box=box) for box in boxes]
    pieces = {piece.remote.url: piece for region in regions for piece in pieces_of(product, region)}
    return [pieces[url] for url in sorted(pieces)]


def tid_of(product: Product) -> Product:
    """Return the data sheet of the grid of source types that belongs to an input.

    Raises
    ------
    FetchError : it has none
    """
    if product.tid is None:
        message = f"{product.name}: has no grid of source types; set fetch.remote.tid to false"
        raise FetchError(message)
    return replace(
        product, name=product.name + TID, path=product.tid_path, coverage="tid", files=(product.tid,), range_m=None
    )  # fmt: skip


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
        header = checked_header(grid.path, product)
        return _described(grid, product.name, product, declared_by(product, header), cache)
    for piece, one in zip(pieces, files, strict=True):
        with _forgetting(one, cache):
            check_window(one.path, piece.place, product)
    parts = sha256_of_text("".join(one.sha256 for one in files))[:16]
    grid = cache.made(
        f"{product.host}{product.path}#{len(files)} windows {parts}", f"{product.name}.tif",
        lambda path: assemble([one.path for one in files], path),
    )  # fmt: skip
    return _described(grid, product.name, product, declared_by(product), cache)


def _entry(order: Order, came: Mapping[str, Fetched | None], cache: Cache) -> InputFile | None:
    """Return the raster of an order; None where it does not exist or holds nothing."""
    piece, product = order.piece, order.product
    if piece.by_ranges:
        fetched = _by_ranges(piece, cache)
    elif (answer := came[piece.remote.url]) is not None:
        try:
            fetched = _of_file(piece, product, answer, cache)
        except AbsentError:
            return None
    elif product.listing:
        message = (
            f"{cache.address(piece.remote.url)}: the provider lists this tile and the server has none; try again later"
        )
        raise FetchError(message)
    else:
        return None
    if piece.cut:
        return _described(fetched, piece.name, product, Declared(), cache)  # what was cut says all of itself
    header = checked_header(fetched.path, product)
    check_place(header, piece.place, product)
    return _described(fetched, piece.name, product, declared_by(product, header), cache)


def _by_ranges(piece: Piece, cache: Cache) -> Fetched:
    url, name = cache.address(piece.remote.url), f"{Path(piece.remote.name).stem}_part.tif"
    return cache.made(
        piece.origin, name, lambda path: copy_window(url, path, piece.place, patience=cache.patience)
    )  # fmt: skip


def _of_file(piece: Piece, product: Product, answer: Fetched, cache: Cache) -> Fetched:
    """Return a file, or what is made of it: a member of an archive, a part by the data sheet."""
    source = _unpacked(piece.member, answer, cache) if piece.member else answer
    if not piece.cut:
        return source
    reading = (declared_by(product), product.horizontal, product.range_m)
    sheet = sha256_of_text(str(reading))[:8]  # another data sheet reads the numbers in another way
    name = f"{product.name}_{piece.name.rpartition('__')[2]}.tif"
    with _forgetting(answer, cache) if product.how in ("wcs", "gmrt") else nullcontext():
        return cache.made(
            f"{source.origin}#{place_text(piece.place)} by sheet {sheet}",
            name,
            lambda path: cut(source.path, path, piece.place, product),
        )


def _unpacked(member: str, archive: Fetched, cache: Cache) -> Fetched:
    name = f"{Path(archive.path.name).stem}{Path(member).suffix}"
    with _forgetting(archive, cache):
        return cache.made(f"{archive.origin}!{member}", name, lambda path: unpack(archive.path, member, path))


@contextmanager
def _forgetting(fetched: Fetched, cache: Cache) -> Iterator[None]:
    """Remove a file from the cache that cannot be read, so that the next run asks for it again."""
    try:
        yield
    except RasterError as error:
        cache.forget(fetched)
        message = (
            f"{error}; it came from {fetched.origin} and is now removed from the cache, run this again to fetch it"
        )
        raise FetchError(message) from error


def _described(fetched: Fetched, name: str, product: Product, declared: Declared, cache: Cache) -> InputFile:
    """Return the entry of a file in the manifest."""
    return InputFile(
        path=f"{CACHED}{fetched.path.relative_to(cache.folder).as_posix()}", bytes=fetched.bytes, sha256=fetched.sha256,
        given_name=name, product=product.name,
        origin=fetched.origin.partition("?")[0] if product.how == "urls" else fetched.origin,  # it may hold a signature
        declared={key: value for key, value in asdict(declared).items() if value is not None}, range_m=product.range_m,
        fetched_on=fetched.fetched_at[:10] if product.version == AS_SERVED else "",
    )  # fmt: skip
