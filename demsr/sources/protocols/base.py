"""Common part of the access protocols: regions, the raster requests made of them, and the class `Protocol`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar, Self
from urllib.parse import quote, urlencode, urlsplit

from pydantic import ConfigDict

from demsr.dem.grid import Box, Grid
from demsr.download.credentials import EARTHDATA, LoginService
from demsr.download.remote_file import Kind, RemoteFile
from demsr.options import Domain
from demsr.sources.cells import box_key, cell_name, cells

LOGIN_SERVICES: dict[str, LoginService] = {"earthdata": EARTHDATA}
STRICT = ConfigDict(extra="forbid")  # unknown keys of data sheets are errors
ReadText = Callable[[str, Kind], str]
"""Returns the response at an address as text, given the address and the format of the response."""
_SUFFIXES: dict[Kind, str] = {"tiff": ".tif", "netcdf": ".nc"}


@dataclass(frozen=True, kw_only=True)
class FetchRegion:
    """Region of the Earth with the product that is fetched for it.

    Attributes
    ----------
    name : prefix of its rasters' names
    domain : land or marine
    product : name of a data sheet
    box : west, south, east, north in degrees; east is less than west across the antimeridian
    urls : addresses of its files, for products whose files the user names
    """

    name: str
    domain: Domain
    product: str
    box: Box
    urls: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class ProductFile:
    """File of a product.

    Attributes
    ----------
    url : address
    kind : format, if it differs from that of the protocol
    member : pattern of the raster's name in a zip archive
    box : degrees; None where it is unknown or global
    tag : suffix of the names of its rasters, unique among the files
    bytes, sha256 : size and checksum, if published
    mb : estimated size; None for the mean of the product
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    url: str
    kind: Kind | None = None
    member: str = ""
    box: Box | None = None
    tag: str = ""
    bytes: int | None = None
    sha256: str | None = None
    mb: float | None = None


@dataclass(frozen=True, kw_only=True)
class RasterRequest:
    """One raster of a region, and the file that contains it.

    Attributes
    ----------
    name : name of the raster, REGION__TILE
    file : file to download, or to read in parts
    box : degrees; where the raster lies, or the part that is cut out of the file
    file_mb : expected size of the whole file
    member : pattern of the raster's name in a zip archive; empty where the file is read as it is
    cut : whether the file is cut to `box`; otherwise the whole file is the raster
    by_ranges : whether only the bytes of `box` are requested
    """

    name: str
    file: RemoteFile
    box: Box
    file_mb: float
    member: str = ""
    cut: bool = False
    by_ranges: bool = False

    @property
    def tile(self) -> str:
        """Part of the name after the region."""
        return self.name.rpartition("__")[2]

    @property
    def download_key(self) -> str:
        """Unique key of the downloaded bytes."""
        return f"{self.file.url}#{box_key(self.box)}" if self.by_ranges else self.file.url

    @property
    def download_bytes(self) -> float:
        """Expected size of the download; the product's mean where the provider publishes none."""
        whole = self.file.bytes or self.file_mb * 1e6
        west, south, east, north = self.box
        return whole * (east - west) * (north - south) if self.by_ranges else whole

    @property
    def disk_bytes(self) -> float:
        """Disk space for the download and for the files unpacked and cut from it."""
        return self.download_bytes * (1.0 + 2.0 * bool(self.member) + self.cut)


@dataclass(frozen=True, kw_only=True)
class Protocol(ABC):
    """Access to the files of a product: its fields are the keys of the table `access` in a data sheet.

    A subclass is named in data sheets by its module.

    Attributes
    ----------
    url : address of the service or template of addresses; empty where there is no single one
    kind : format of the files
    cell_deg : side of a raster in degrees; None where it is not known in advance
    mean_mb : mean size of a file or response, for estimates
    login : a key of LOGIN_SERVICES, or a sentence on a login that is not supported; empty for none
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    by_name: ClassVar[dict[str, type["Protocol"]]] = {}

    url: str = ""
    kind: Kind = "tiff"
    cell_deg: float | None = None
    mean_mb: float
    login: str = ""

    def __init_subclass__(cls) -> None:
        Protocol.by_name[cls.__module__.rpartition(".")[2]] = cls

    @abstractmethod
    def requests(self, product: str, region: FetchRegion) -> Iterator[RasterRequest]:
        """Yield the rasters that a region may have; some may not exist at sea or outside a survey.

        Parameters
        ----------
        product : name of the product
        region : region to cover
        """

    @property
    def address(self) -> str:
        """Address of the server for the data sheet; empty where the user names the files."""
        return server_of(self.url) if self.url else ""

    @property
    def takes_urls(self) -> bool:
        """Whether the user names the files of a region."""
        return False

    @property
    def has_catalogue(self) -> bool:
        """Whether the provider lists its tiles, so that a listed tile must exist."""
        return False

    @property
    def instructions(self) -> str:
        """How a user gets a login; empty where none is needed."""
        return LOGIN_SERVICES[self.login].instructions if self.login in LOGIN_SERVICES else self.login

    def listed_tiles(self, region: FetchRegion, read_text: ReadText) -> set[str] | None:
        """Return the names of the tiles that the provider lists for a region, None without a catalogue.

        Parameters
        ----------
        region : region to look up
        read_text : returns the response at an address

        Raises
        ------
        FetchError : the catalogue has an unknown layout
        """
        del region, read_text
        return None

    def is_in_place(self, grid: Grid, box: Box) -> bool:
        """Whether a raster lies where it was requested; by default it must intersect the box.

        Parameters
        ----------
        grid : grid of the raster
        box : box of the request, degrees
        """
        west, south, east, north = grid.lonlat_bounds()
        box_east = box[2] if box[2] > box[0] else box[2] + 360
        meets = any(west < box_east + turn and box[0] + turn < east for turn in (-360, 0, 360))
        return meets and south < box[3] and box[1] < north

    def whole_files(self, product: str) -> list[RasterRequest]:
        """Return the requests for the product's global files; none by default."""
        del product
        return []

    def source_types(self) -> Self | None:
        """Return the access to the grid of source types that belongs to a product, None if there is none."""
        return None

    def remote_file(self, product: str, file: ProductFile) -> RemoteFile:
        """Return a file of a product as a download.

        Parameters
        ----------
        product : name of the product, for addresses that do not end in a file name
        file : file
        """
        name = PurePosixPath(urlsplit(file.url).path).name
        if "." not in name:  # an address such as .../gebco_2021/zip/
            name = f"{product}.{name or self.kind}"
        kind = file.kind or self.kind
        return RemoteFile(file.url, name, kind, sha256=file.sha256, bytes=file.bytes, credentials=self.instructions)


@dataclass(frozen=True, kw_only=True)
class CellService(Protocol):
    """Service that computes the raster of a cell from a query.

    Attributes
    ----------
    url : address without the query
    cell_deg : side of the cells that are requested
    """

    cut_to_cell: ClassVar[bool] = True

    url: str
    cell_deg: float = 1.0

    @abstractmethod
    def query(self, cell: Box) -> list[tuple[str, str]]:
        """Return the parameters of the request for a cell (west, south, east, north)."""

    def requests(self, product: str, region: FetchRegion) -> Iterator[RasterRequest]:
        """Yield one request for each cell that the region touches."""
        for cell in cells(region.box, self.cell_deg):
            tile = cell_name(cell)
            url = f"{self.url}?{urlencode(self.query(cell), quote_via=quote)}"
            file = RemoteFile(url, f"{product}_{tile}{_SUFFIXES[self.kind]}", self.kind, computed=True)
            name = raster_name(region.name, tile)
            yield RasterRequest(name=name, file=file, box=cell, cut=self.cut_to_cell, file_mb=self.mean_mb)


def raster_name(region: str, tile: str) -> str:
    """Return the name of a region's raster; patterns such as `alps__*` match all rasters of a region."""
    return f"{region}__{tile}"


def server_of(url: str) -> str:
    """Return scheme and host of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def file_stem(url: str) -> str:
    """Return the file name in an address, without suffix."""
    return PurePosixPath(urlsplit(url).path).stem
