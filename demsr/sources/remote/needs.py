"""What fetching will take, region by region, before anything is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from demsr.sources.remote.cache import Cache
from demsr.sources.remote.catalogue import Product, product_of
from demsr.sources.remote.pieces import Piece, pieces_of
from demsr.sources.remote.wanted import Wanted

_LR_PX_PER_DEGREE = 240


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a region takes, at most: which tiles exist is known to the provider alone.

    Attributes
    ----------
    region, product : names
    domain : land, marine or lr
    rasters : that it is made of
    files : to be fetched or asked for in parts, each once
    bytes : of these; sizes that no document names are the product's mean
    here_bytes : of these, in the cache already
    pairs : patches beside each other, if all was measured; 0 for inputs
    """

    region: str
    product: str
    domain: str
    rasters: int
    files: int
    bytes: float
    here_bytes: float
    pairs: int = 0


def needs_of(wanted: Wanted, cache: Cache, *, patch_lr: int) -> list[Need]:
    """Return what each region and each input takes; a file that several regions share counts for the first.

    Parameters
    ----------
    patch_lr : LR pixels along a side of a patch
    """
    seen: set[str] = set()
    needs = []
    for region in wanted.regions:
        product = product_of(region.product, where=f"product of region {region.name}")
        pieces = pieces_of(product, region)
        need = _need(region.name, product, pieces, cache, seen)
        needs.append(replace(need, domain=region.domain, pairs=_pairs(product, len(pieces), patch_lr)))
    for kind, product, pieces in wanted.inputs():
        needs.append(replace(_need("all", product, pieces, cache, seen), domain=kind))
    return needs


def _need(region: str, product: Product, pieces: Sequence[Piece], cache: Cache, seen: set[str]) -> Need:
    new = {piece.origin: piece for piece in pieces if piece.origin not in seen}
    seen.update(new)
    sizes = {origin: piece.expected_bytes(product) for origin, piece in new.items()}
    return Need(
        region=region,
        product=product.name,
        domain=product.domain,
        rasters=len(pieces),
        files=len(new),
        bytes=sum(sizes.values()),
        here_bytes=sum(size for origin, size in sizes.items() if cache.known(origin) is not None),
    )


def _pairs(product: Product, rasters: int, patch_lr: int) -> int:
    """Return how many patches fit beside each other into the rasters of a region."""
    if product.how == "urls":
        return 0
    side = 1.0 if product.how == "tiles" else product.cell_deg
    return rasters * int(side * _LR_PX_PER_DEGREE // patch_lr) ** 2
