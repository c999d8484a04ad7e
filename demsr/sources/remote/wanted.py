"""What params.yaml asks for, checked as far as it can be before anything is fetched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import filter as matching
from typing import Any, Self

from demsr.dem.grid import Box
from demsr.errors import FetchError, ParamsError
from demsr.sources.remote.catalogue import TID, Product, product_of
from demsr.sources.remote.pieces import Piece, Region, pieces_of, whole_files


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Regions with their products, and the input around them.

    Attributes
    ----------
    lr : name of the input's product; None for no input
    lr_whole : as one file, not as windows around the regions
    tid : with its grid of source types
    mirrors : see `demsr.sources.remote.cache.Cache`
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
        """Raise ParamsError or FetchError for mistakes that can be told before anything is fetched.

        Parameters
        ----------
        held_out : by domain, patterns of names of rasters
        """
        names: dict[str, list[str]] = {"land": [], "marine": []}
        for region in self.regions:
            product = product_of(region.product, where=f"product of region {region.name}")
            if product.domain != region.domain:
                message = (
                    f"region {region.name} is {region.domain}, {product.name} is for {product.domain}; "
                    "choose another product, `demsr sources` lists them"
                )
                raise ParamsError(message)
            if region.urls and not product.takes_urls:
                message = f"region {region.name}: {product.name} has addresses of its own; take its `urls` away"
                raise ParamsError(message)
            names[region.domain] += [piece.name for piece in pieces_of(product, region)]
        if self.lr is not None and product_of(self.lr, where="fetch.remote.lr").domain != "lr":
            message = f"fetch.remote.lr is {self.lr!r}, no input of 15 arc-seconds; choose one such as gebco-2024"
            raise ParamsError(message)
        for domain, patterns in held_out.items():
            for pattern in patterns:
                if not matching(names[domain], pattern):
                    regions = ", ".join(region.name for region in self.regions if region.domain == domain)
                    message = (
                        f"pairs.{domain}: no raster fits {pattern!r}; those of a region are called REGION__TILE, so "
                        f"give REGION__*, with one of {regions}"
                    )
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
    )
