"""What a region needs of a product: which files, or which parts of them, before anything is fetched."""

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import quote, urlencode, urlsplit

from demsr.dem.grid import Box
from demsr.errors import FetchError
from demsr.sources.remote.catalogue import Product, ProductFile
from demsr.sources.remote.transfer import Kind, Remote

Ask = Callable[[str, Kind], str]  # address, kind of answer -> answer

_CMR_PAGE = 2000  # the most that it gives at once
_GLOBE = (-180.0, -90.0, 180.0, 90.0)
_DEGREES = "http://www.opengis.net/def/crs/EPSG/0/4326"
_TILE_NAME = re.compile(r"([ns]\d\d)(?:_00_)?([ew]\d\d\d)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Region:
    """A named part of the Earth, and the product that is its truth.

    Attributes
    ----------
    box : east is less than west across the antimeridian
    urls : addresses of its files, for products that have no order of their own
    """

    name: str
    domain: Literal["land", "marine"]
    product: str
    box: Box
    urls: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One raster of a region.

    Attributes
    ----------
    name : of the raster, region and tile
    remote : the file that it is, or that it is cut out of
    place : degrees, where it lies or what it is cut to
    member : pattern of its name in that archive; empty where the file is read as it is
    cut : whether it is cut to its place, and read by its data sheet; else it is the whole file, as it is
    by_ranges : only the bytes of its place are asked for, the whole file is never fetched
    about_mb : size of the file; None for the product's mean
    """

    name: str
    remote: Remote
    place: Box
    member: str = ""
    cut: bool = False
    by_ranges: bool = False
    about_mb: float | None = None

    @property
    def origin(self) -> str:
        """Return what tells the bytes that are to come from all others."""
        if not self.by_ranges:
            return self.remote.url
        return f"{self.remote.url}#{place_text(self.place)}"

    def expected_bytes(self, product: Product) -> float:
        """Return the size of what is to come, the product's mean where the provider names none."""
        whole = self.remote.bytes or (self.about_mb or product.tile_mb) * 1e6
        west, south, east, north = self.place
        return whole * (east - west) * (north - south) if self.by_ranges else whole

    def room_bytes(self, product: Product) -> float:
        """Return the disk that it takes, with what is unpacked and cut."""
        times = 1.0 + (2.0 if self.member else 0.0) + (1.0 if self.cut else 0.0)
        return times * self.expected_bytes(product)


def whole_files(product: Product) -> list[Piece]:
    """Return the files of a product as they are."""
    return [
        Piece(
            name=product.name, remote=_remote(product, file), place=_GLOBE, member=file.member, about_mb=file.about_mb
        )
        for file in product.files
    ]


def raster_of(region: str, tile: str) -> str:
    """Return the name of a raster; patterns such as `alps__*` stand for all of a region."""
    return f"{region}__{tile}"


def pieces_of(product: Product, region: Region, *, token: str | None = None) -> list[Piece]:
    """Return all pieces that a region can have; over the sea or beyond a survey some do not exist."""
    ways = {
        "tiles": _tiles,
        "files": _parts_of_files,
        "wcs": _coverages,
        "gmrt": _grids,
        "ncss": _subsets,
        "urls": _named_files,
    }
    pieces = list(ways[product.how](product, region))
    if not pieces:
        message = f"region {region.name}: {product.name} covers nothing of {_text(region.box)}; choose another product"
        raise FetchError(message)
    if token is None:
        return pieces
    return [replace(piece, remote=replace(piece.remote, token=token)) for piece in pieces]


def existing(product: Product, region: Region, pieces: Sequence[Piece], ask: Ask) -> list[Piece]:
    """Leave out the tiles that the provider's catalogue does not list; asking for these would bring a login page.

    Parameters
    ----------
    ask : returns the JSON behind an address

    Raises
    ------
    FetchError : the catalogue lists none of them
    """
    if not product.listing:
        return list(pieces)
    cmr = product.listing.startswith("https:")
    boxes = _unwrapped(region.box)
    listed = {tile for box in boxes for tile in _of_cmr(product, box, ask)} if cmr else set(_of_list(product, ask))
    found = [piece for piece in pieces if piece.name.rpartition("__")[2] in listed]
    if not found:
        message = f"region {region.name}: {product.name} has no tile in {_text(region.box)}; choose another box"
        raise FetchError(message)
    return found


def cells(box: Box, size_deg: float = 1.0) -> Iterator[Box]:
    """Yield the cells of a regular net that a box touches, from the south-west, longitudes from -180 to 180."""
    for west, south, east, north in _unwrapped(box):
        for row in range(math.floor(south / size_deg), math.ceil(north / size_deg)):
            for col in range(math.floor(west / size_deg), math.ceil(east / size_deg)):
                yield col * size_deg, row * size_deg, (col + 1) * size_deg, (row + 1) * size_deg


def place_text(place: Box) -> str:
    """Return a box as text that no other box has."""
    return " ".join(repr(float(edge)) for edge in place)


def tile_name(cell: Box) -> str:
    """Return the name of a cell by its south-western corner: n43w121, or n4825w12450 in hundredths of a degree."""
    west, south = cell[:2]
    whole = all(float(edge).is_integer() for edge in cell)
    lat, lon, width = (abs(south), abs(west), 0) if whole else (abs(south) * 100, abs(west) * 100, 2)
    north_south, east_west = "ns"[south < 0], "ew"[west < 0]
    return f"{north_south}{round(lat):0{2 + width}d}{east_west}{round(lon):0{3 + width}d}"


def overlap(one: Box, other: Box) -> Box | None:
    """Return what two boxes have in common, None if it is nothing."""
    west, south = max(one[0], other[0]), max(one[1], other[1])
    east, north = min(one[2], other[2]), min(one[3], other[3])
    return (west, south, east, north) if west < east and south < north else None


def _tiles(product: Product, region: Region) -> Iterator[Piece]:
    """Yield the tiles of a degree; where a tile only touches the region and the server allows, its part."""
    for cell in cells(region.box):
        west, south = (round(edge) for edge in cell[:2])
        name = tile_name(cell)
        words = {"name": name, "ns": "NS"[south < 0], "lat": abs(south), "ew": "EW"[west < 0], "lon": abs(west)}
        file = ProductFile(url=product.host + product.path.format(**words), kind=product.kind)
        parts = [overlap(cell, box) for box in _unwrapped(region.box)]
        part = next((part for part in parts if part is not None), cell)
        windowed = product.windows and part != cell
        yield Piece(
            name=raster_of(region.name, name),
            remote=_remote(product, file),
            place=part if windowed else cell,
            by_ranges=windowed,
        )


def _parts_of_files(product: Product, region: Region) -> Iterator[Piece]:
    """Yield cells of files that are fetched whole."""
    if not product.files and not region.urls:
        message = f"region {region.name}: copy the addresses of its files from {product.page} into its `urls`"
        raise FetchError(message)
    named = [
        ProductFile(url=url, kind=product.kind, member=product.member, tag=_stem(url).lower().replace("_", "-"))
        for url in region.urls
    ]
    for file in product.files or named:
        for cell in cells(region.box, product.cell_deg):
            if file.box is None or overlap(cell, file.box) is not None:
                tile = tile_name(cell) + (f"-{file.tag}" if file.tag else "")
                remote = _remote(product, file)
                yield Piece(name=raster_of(region.name, tile), remote=remote, place=cell, member=file.member, cut=True)


def _coverages(product: Product, region: Region) -> Iterator[Piece]:
    """Yield requests to a Web Coverage Service 2.0.1."""
    for cell in cells(region.box, product.cell_deg):
        west, south, east, north = cell
        words = [
            ("service", "WCS"),
            ("version", "2.0.1"),
            ("request", "GetCoverage"),
            ("coverageId", product.coverage),
            ("format", "image/tiff"),
            ("subsettingcrs", _DEGREES),
            ("subset", f"{product.axes[0]}({west:g},{east:g})"),
            ("subset", f"{product.axes[1]}({south:g},{north:g})"),
        ]
        yield _requested(product, region, cell, words)


def _grids(product: Product, region: Region) -> Iterator[Piece]:
    """Yield requests to GMRT's GridServer, for measured depths only."""
    for cell in cells(region.box, product.cell_deg):
        names = ("minlongitude", "minlatitude", "maxlongitude", "maxlatitude")
        words = [(name, f"{edge:g}") for name, edge in zip(names, cell, strict=True)]
        words += [("format", "geotiff"), ("resolution", "max"), ("layer", "topo-mask")]
        yield _requested(product, region, cell, words)


def _subsets(product: Product, region: Region) -> Iterator[Piece]:
    """Yield requests to a NetCDF Subset Service."""
    for cell in cells(region.box, product.cell_deg):
        names = ("west", "south", "east", "north")
        words = [("var", product.coverage), *((name, f"{edge:g}") for name, edge in zip(names, cell, strict=True))]
        yield _requested(product, region, cell, [*words, ("accept", "netcdf")])


def _requested(product: Product, region: Region, cell: Box, words: Sequence[tuple[str, str]]) -> Piece:
    url = f"{product.host}{product.path}?{urlencode(words, quote_via=quote)}"
    name = raster_of(region.name, tile_name(cell))
    suffix = {"tiff": ".tif", "netcdf": ".nc"}[product.kind]
    remote = Remote(url, f"{product.name}_{tile_name(cell)}{suffix}", product.kind, computed=True)
    return Piece(name=name, remote=remote, place=cell, cut=product.how != "ncss")


def _named_files(product: Product, region: Region) -> Iterator[Piece]:
    """Yield the files that params.yaml names."""
    if not region.urls:
        message = f"region {region.name}: {product.name} has no order of files; name them under `urls`"
        raise FetchError(message)
    for url in region.urls:
        file = ProductFile(url=url, kind=product.kind)
        yield Piece(
            name=raster_of(region.name, _stem(url)),
            remote=_remote(product, file),
            place=region.box,
            member=product.member,
        )


def _remote(product: Product, file: ProductFile) -> Remote:
    name = PurePosixPath(urlsplit(file.url).path).name
    if "." not in name:  # an address such as .../gebco_2021/zip/
        name = f"{product.name}.{name or file.kind}"
    return Remote(file.url, name, file.kind, sha256=file.sha256, bytes=file.bytes, credentials=product.login)


def _stem(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).stem


def _of_cmr(product: Product, box: Box, ask: Ask) -> Iterator[str]:
    """Yield the tiles that NASA's Common Metadata Repository lists in a box."""
    edges = ",".join(f"{edge:g}" for edge in box)
    for page in range(1, 1000):
        url = f"{product.listing}&bounding_box={edges}&page_size={_CMR_PAGE}&page_num={page}"
        answer = ask(url, "json")
        try:
            entries = json.loads(answer)["feed"]["entry"]
        except (ValueError, KeyError, TypeError) as error:
            message = f"{url}: the answer has no list of granules ({error}); the service has changed"
            raise FetchError(message) from error
        for entry in entries:
            addresses = " ".join(str(link.get("href")) for link in entry.get("links", []))
            yield from {f"{lat}{lon}".lower() for lat, lon in _TILE_NAME.findall(addresses)}
        if len(entries) < _CMR_PAGE:
            return


def _of_list(product: Product, ask: Ask) -> Iterator[str]:
    """Yield the tiles that a text file lists, one name in each line."""
    text = ask(product.host + product.listing, "any")
    yield from (f"{lat}{lon}".lower() for lat, lon in _TILE_NAME.findall(text))


def _unwrapped(box: Box) -> list[Box]:
    """Return a box as one, or two where it lies across the antimeridian, from -180 to 180."""
    west, south, east, north = box
    return [box] if west < east else [(west, south, 180.0, north), (-180.0, south, east, north)]


def _text(box: Box) -> str:
    west, south, east, north = box
    return f"{west:g} to {east:g} east, {south:g} to {north:g} north"
