"""Regions, products and inputs to fetch, checked as far as possible before anything is downloaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import filter as matching
from typing import Any, Self

from demsr.dem.grid import Box
from demsr.errors import FetchError, ParamsError
from demsr.sources.cells import box_text
from demsr.sources.data_sheet import DataSheet, data_sheet
from demsr.sources.protocols.base import FetchRegion, RasterRequest, ReadText


@dataclass(frozen=True, kw_only=True)
class FetchInput:
    """Low-resolution input to fetch.

    Attributes
    ----------
    kind : kind in the manifest, lr or lr_tid
    sheet : its data sheet
    requests : its windows, or its whole file
    """

    kind: str
    sheet: DataSheet
    requests: list[RasterRequest]


@dataclass(frozen=True, kw_only=True)
class FetchRequest:
    """Regions with their products, and the low-resolution input around them.

    Attributes
    ----------
    regions : regions of ground truth
    lr : product of the input; None for none
    lr_whole : fetch the input as one file instead of windows around the regions
    tid : also fetch the input's grid of source types
    mirrors : beginning of an address -> its replacement
    """

    regions: tuple[FetchRegion, ...]
    lr: str | None = None
    lr_whole: bool = False
    tid: bool = False
    mirrors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Return the request of `fetch.remote` in params.yaml, whose regions are a mapping by name."""
        regions = tuple(FetchRegion(name=name, **region) for name, region in options["regions"].items())
        return cls(**{**options, "regions": regions})

    def sheet_of(self, region: FetchRegion) -> DataSheet:
        """Return the data sheet of a region's product."""
        return data_sheet(region.product, where=f"product of region {region.name}")

    def data_sheets(self) -> list[DataSheet]:
        """Return the data sheets of all products, each once.

        Raises
        ------
        ParamsError : there is no such product
        """
        sheets = {region.product: self.sheet_of(region) for region in self.regions}
        if self.lr is not None:
            sheets[self.lr] = data_sheet(self.lr, where="fetch.remote.lr")
        return list(sheets.values())

    def inputs(self) -> list[FetchInput]:
        """Return the low-resolution input and its source types, as far as requested."""
        if self.lr is None:
            return []
        sheet = data_sheet(self.lr, where="fetch.remote.lr")
        kinds = {"lr": sheet, **({"lr_tid": sheet.source_types()} if self.tid else {})}
        boxes = [region.box for region in self.regions]
        return [
            FetchInput(kind=kind, sheet=one, requests=input_requests(one, boxes, whole=self.lr_whole))
            for kind, one in kinds.items()
        ]

    def check(self, held_out: Mapping[str, Sequence[str]]) -> None:
        """Check products, addresses and held-out patterns without downloading anything.

        Parameters
        ----------
        held_out : domain -> patterns of names of rasters

        Raises
        ------
        ParamsError : a product does not suit its region or input, or a pattern matches no raster
        FetchError : a product does not cover its region, or its files must be named
        """
        names: dict[str, list[str]] = {"land": [], "marine": []}
        for region in self.regions:
            sheet = self.sheet_of(region)
            if sheet.domain != region.domain:
                message = (
                    f"region {region.name} is {region.domain}, {sheet.name} is for {sheet.domain}; "
                    "choose another product, `demsr sources` lists them"
                )
                raise ParamsError(message)
            if region.urls and not sheet.access.takes_urls:
                message = f"region {region.name}: the addresses of {sheet.name} are known; remove its `urls`"
                raise ParamsError(message)
            names[region.domain] += [request.name for request in raster_requests(sheet, region)]
        if self.lr is not None and data_sheet(self.lr, where="fetch.remote.lr").domain != "lr":
            message = f"fetch.remote.lr is {self.lr!r}, not a 15 arc-second input; choose one such as gebco-2024"
            raise ParamsError(message)
        for domain, patterns in held_out.items():
            for pattern in patterns:
                if not matching(names[domain], pattern):
                    regions = ", ".join(region.name for region in self.regions if region.domain == domain)
                    message = (
                        f"pairs.{domain}: no raster matches {pattern!r}; rasters are named REGION__TILE, so use "
                        f"REGION__* with one of {regions}"
                    )
                    raise ParamsError(message)


def raster_requests(sheet: DataSheet, region: FetchRegion, *, token: str | None = None) -> list[RasterRequest]:
    """Return the rasters that a region may have; some may not exist at sea or outside a survey.

    Parameters
    ----------
    sheet : data sheet of the product
    region : region to cover
    token : bearer token for the provider's host

    Raises
    ------
    FetchError : the product does not cover the region, or its files must be named
    """
    requests = list(sheet.access.requests(sheet.name, region))
    if not requests:
        message = f"region {region.name}: {sheet.name} does not cover {box_text(region.box)}; choose another product"
        raise FetchError(message)
    if token is None:
        return requests
    return [replace(request, file=replace(request.file, token=token)) for request in requests]


def listed_requests(
    sheet: DataSheet, region: FetchRegion, requests: Sequence[RasterRequest], read_text: ReadText
) -> list[RasterRequest]:
    """Return the requests whose tiles the provider lists; a request for others would return a login page.

    Parameters
    ----------
    sheet : data sheet of the product
    region : region that the requests are for
    requests : requests of the region
    read_text : returns the response at an address

    Raises
    ------
    FetchError : the provider lists none of them
    """
    tiles = sheet.access.listed_tiles(region, read_text)
    found = [request for request in requests if tiles is None or request.tile in tiles]
    if not found:
        message = f"region {region.name}: {sheet.name} has no tile in {box_text(region.box)}; choose another box"
        raise FetchError(message)
    return found


def input_requests(sheet: DataSheet, boxes: Sequence[Box], *, whole: bool) -> list[RasterRequest]:
    """Return the requests for an input: its whole file, or the windows around regions, each once.

    Parameters
    ----------
    sheet : data sheet of the input
    boxes : boxes of the regions, degrees
    whole : request the whole file
    """
    if whole:
        return sheet.access.whole_files(sheet.name)
    regions = [FetchRegion(name=sheet.name, domain="land", product=sheet.name, box=box) for box in boxes]
    requests = {request.file.url: request for region in regions for request in raster_requests(sheet, region)}
    return [requests[url] for url in sorted(requests)]
