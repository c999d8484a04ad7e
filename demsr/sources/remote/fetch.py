"""From regions to files in the cache: what is missing is fetched, cut out and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from demsr.dem.header import Declared
from demsr.errors import FetchError
from demsr.files import sha256_of_text
from demsr.sources.local import InputFile, described_fetched
from demsr.sources.remote.cache import Cache, Fetched
from demsr.sources.remote.catalogue import Box, Product, ProductFile, product_of
from demsr.sources.remote.credentials import Credentials, check_logins, earthdata
from demsr.sources.remote.cutting import assemble, checked_header, copy_window, cut, declared_by, unpack
from demsr.sources.remote.pieces import Piece, Region, existing, pieces_of, whole_files
from demsr.sources.remote.transfer import AbsentError

_CUT_AT_ONCE = 2  # each holds up to a degree of fine pixels


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
    FetchError : see `orders_of`, `fetch_orders` and `fetch_lr`
    """
    credentials = earthdata()
    cache = cache or Cache(logins=credentials.logins, mirrors=wanted.mirrors)
    orders = orders_of(wanted.regions, credentials, cache)
    inputs = {kind: [fetch_lr(product, pieces, cache)] for kind, product, pieces in wanted.inputs()}
    return {**fetch_orders(orders, cache), "lr": [], "lr_tid": [], **inputs}


@dataclass(frozen=True)
class Order:
    """A raster of a region that is to come."""

    region: Region
    product: Product
    piece: Piece


def orders_of(regions: Sequence[Region], credentials: Credentials, cache: Cache) -> list[Order]:
    """Return what there is of each region's product; catalogues of tiles are asked.

    Raises
    ------
    FetchError : a login is missing, a region has no tile, or a catalogue does not answer
    """
    products = {region.name: product_of(region.product, where=f"product of {region.name}") for region in regions}
    check_logins(products.values(), credentials)
    orders = []
    for region in regions:
        product = products[region.name]
        pieces = pieces_of(product, region, token=credentials.token if product.login else None)
        orders += [Order(region, product, piece) for piece in existing(product, region, pieces, cache.asked)]
    return orders


def fetch_orders(orders: Sequence[Order], cache: Cache) -> dict[str, list[InputFile]]:
    """Bring all rasters into the cache; return them by domain, in order.

    Raises
    ------
    FetchError : a file did not come or is not what its data sheet says, or nothing of a region exists
    """
    remotes = {order.piece.remote.url: order.piece.remote for order in orders if not order.piece.by_ranges}
    came = dict(zip(remotes, cache.fetch([*remotes.values()]), strict=True))
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
                f"{order.piece.remote.url}; check the box, and whether the provider has moved them"
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
    files: tuple[ProductFile, ...] = (product.tid,)
    return replace(
        product, name=f"{product.name}-tid", path=product.tid_path, coverage="tid", files=files, range_m=None
    )  # fmt: skip


def fetch_lr(product: Product, pieces: Sequence[Piece], cache: Cache) -> InputFile:
    """Bring an input into the cache as one grid; windows are put back where they belong."""
    came = cache.fetch([piece.remote for piece in pieces], description=f"fetch {product.name}")
    files = [one for one in came if one is not None]
    if len(files) < len(pieces):
        gone = next(piece.remote.url for piece, one in zip(pieces, came, strict=True) if one is None)
        message = f"{gone}: the server has no such file; the provider has moved it, choose another year or lr_whole"
        raise FetchError(message)
    if pieces[0].member:
        grid = _unpacked(pieces[0], files[0], cache)
        header = checked_header(grid.path, product)
        return described_fetched(grid, cache.folder, product.name, product.name, declared_by(product, header))
    for one in files:
        checked_header(one.path, product)
    parts = sha256_of_text("".join(one.sha256 for one in files))[:16]
    grid = cache.made(
        f"{product.host}{product.path}#{len(files)} windows {parts}", f"{product.name}.tif",
        lambda path: assemble([one.path for one in files], path),
    )  # fmt: skip
    return described_fetched(grid, cache.folder, product.name, product.name, declared_by(product))


def _entry(order: Order, came: Mapping[str, Fetched | None], cache: Cache) -> InputFile | None:
    """Return the raster of an order; None where it does not exist or holds nothing."""
    piece, product = order.piece, order.product
    try:
        fetched = _by_ranges(piece, cache) if piece.by_ranges else _of_files(piece, product, came, cache)
    except AbsentError:
        return None
    if fetched is None:
        return None
    declared = Declared()  # what was cut says all of itself
    if piece.cut is None or piece.by_ranges:
        declared = declared_by(product, checked_header(fetched.path, product))
    return described_fetched(fetched, cache.folder, piece.name, product.name, declared)


def _by_ranges(piece: Piece, cache: Cache) -> Fetched:
    assert piece.cut is not None
    box, url = piece.cut, cache.address(piece.remote.url)
    name = f"{Path(piece.remote.name).stem}_part.tif"
    origin = f"{piece.remote.url}#{_text(box)}"
    return cache.made(origin, name, lambda path: copy_window(url, path, box, patience=cache.patience))


def _of_files(
    piece: Piece, product: Product, came: Mapping[str, Fetched | None], cache: Cache
) -> Fetched | None:  # fmt: skip
    fetched = came[piece.remote.url]
    if fetched is None:
        return None
    if piece.member:
        fetched = _unpacked(piece, fetched, cache)
    if piece.cut is None:
        return fetched
    source, box = fetched, piece.cut
    reading = (declared_by(product), product.horizontal, product.range_m)
    sheet = sha256_of_text(str(reading))[:8]  # another data sheet reads the numbers in another way
    name = f"{product.name}_{piece.name.rpartition('__')[2]}.tif"
    return cache.made(
        f"{source.origin}#{_text(box)} by sheet {sheet}", name, lambda path: cut(source.path, path, box, product)
    )


def _unpacked(piece: Piece, archive: Fetched, cache: Cache) -> Fetched:
    suffix = Path(piece.member).suffix
    return cache.made(
        f"{archive.origin}!{piece.member}", f"{Path(archive.path.name).stem}{suffix}",
        lambda path: unpack(archive.path, piece.member, path),
    )  # fmt: skip


def _text(box: Box) -> str:
    return " ".join(f"{edge:g}" for edge in box)
