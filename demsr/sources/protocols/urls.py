"""Files that the user names by their addresses, read as they are."""

from collections.abc import Iterator
from dataclasses import dataclass

from demsr.errors import FetchError
from demsr.sources.protocols.base import FetchRegion, ProductFile, Protocol, RasterRequest, file_stem, raster_name


@dataclass(frozen=True, kw_only=True)
class NamedUrls(Protocol):
    """Files listed under `urls` of a region.

    Attributes
    ----------
    member : pattern of the raster's name in zip archives; empty for archives that are read as they are
    """

    member: str = ""

    @property
    def takes_urls(self) -> bool:
        """Always."""
        return True

    def requests(self, product: str, region: FetchRegion) -> Iterator[RasterRequest]:
        """Yield the named files."""
        if not region.urls:
            message = f"region {region.name}: the files of {product} follow no pattern; name them under `urls`"
            raise FetchError(message)
        for url in region.urls:
            yield RasterRequest(
                name=raster_name(region.name, file_stem(url)),
                file=self.remote_file(product, ProductFile(url=url)),
                box=region.box,
                member=self.member,
                file_mb=self.mean_mb,
            )
