"""Tiles of one degree whose addresses follow from their south-west corners, often with a catalogue of those at land."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from demsr.dem.grid import Box, Grid
from demsr.errors import FetchError
from demsr.sources.cells import cell_name, cells, intersection, split_at_antimeridian
from demsr.sources.protocols.base import FetchRegion, ProductFile, Protocol, RasterRequest, ReadText, raster_name

_PAGE_SIZE = 2000  # largest page of CMR
_MAX_OFFSET_PX = 2  # of a tile's corner: half a pixel for point registration, plus a shared row and column
_TILE = re.compile(r"([ns]\d\d)(?:_00_)?([ew]\d\d\d)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class DegreeTiles(Protocol):
    """One file per degree cell.

    Attributes
    ----------
    url : address with the fields {name} (n43w121), {ns}, {lat}, {ew}, {lon}
    catalogue : address of the list of tiles; empty if there is none
    catalogue_format : "text" with a name in each line, or "cmr" (NASA's Common Metadata Repository)
    by_ranges : whether parts of a file can be read by byte ranges
    """

    url: str
    cell_deg: float = 1.0
    catalogue: str = ""
    catalogue_format: Literal["text", "cmr"] = "text"
    by_ranges: bool = False

    @property
    def has_catalogue(self) -> bool:
        """Whether there is a list of tiles."""
        return bool(self.catalogue)

    def requests(self, product: str, region: FetchRegion) -> Iterator[RasterRequest]:
        """Yield the tiles of a region; of tiles at its border only the part inside, if the server supports it."""
        for cell in cells(region.box):
            west, south = (round(edge) for edge in cell[:2])
            name, lat, lon = cell_name(cell), abs(south), abs(west)
            url = self.url.format(name=name, ns="NS"[south < 0], lat=lat, ew="EW"[west < 0], lon=lon)
            parts = [intersection(cell, box) for box in split_at_antimeridian(region.box)]
            part = next((part for part in parts if part is not None), cell)
            partial = self.by_ranges and part != cell
            yield RasterRequest(
                name=raster_name(region.name, name),
                file=self.remote_file(product, ProductFile(url=url)),
                box=part if partial else cell,
                by_ranges=partial,
                file_mb=self.mean_mb,
            )

    def listed_tiles(self, region: FetchRegion, read_text: ReadText) -> set[str] | None:
        """Return the names of the listed tiles."""
        if not self.catalogue:
            return None
        if self.catalogue_format == "text":
            return _tile_names(read_text(self.catalogue, "any"))
        return {tile for box in split_at_antimeridian(region.box) for tile in self._cmr_tiles(box, read_text)}

    def is_in_place(self, grid: Grid, box: Box) -> bool:
        """Whether the north-west corner of the tile is where its name says."""
        west, _, _, north = grid.lonlat_bounds()
        cols, rows = abs((west - box[0] + 180) % 360 - 180) / grid.pixel_width, abs(north - box[3]) / grid.pixel_height
        return max(cols, rows) < _MAX_OFFSET_PX

    def _cmr_tiles(self, box: Box, read_text: ReadText) -> Iterator[str]:
        """Yield the tiles that NASA's Common Metadata Repository lists in a box."""
        edges = ",".join(f"{edge:g}" for edge in box)
        for page in range(1, 1000):
            url = f"{self.catalogue}&bounding_box={edges}&page_size={_PAGE_SIZE}&page_num={page}"
            response = read_text(url, "json")
            try:
                granules = json.loads(response)["feed"]["entry"]
            except (ValueError, KeyError, TypeError) as error:
                message = f"{url}: the response has no list of granules ({error}); the service has changed"
                raise FetchError(message) from error
            for granule in granules:
                yield from _tile_names(" ".join(str(link.get("href")) for link in granule.get("links", [])))
            if len(granules) < _PAGE_SIZE:
                return


def _tile_names(text: str) -> set[str]:
    return {f"{lat}{lon}".lower() for lat, lon in _TILE.findall(text)}
