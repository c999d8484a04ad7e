"""Large files that are downloaded whole and cut into cells; a data sheet lists them, or the user names them."""

from collections.abc import Iterator
from dataclasses import dataclass

from demsr.errors import FetchError
from demsr.sources.cells import cell_name, cells, intersection
from demsr.sources.protocols.base import FetchRegion, ProductFile, Protocol, RasterRequest, file_stem, raster_name


@dataclass(frozen=True, kw_only=True)
class WholeFiles(Protocol):
    """Files that are cut into cells.

    Attributes
    ----------
    files : files of the product; empty where the user names them
    member : pattern of the raster's name in zip archives
    cell_deg : side of the cells
    """

    files: tuple[ProductFile, ...] = ()
    member: str = ""
    cell_deg: float = 1.0

    @property
    def address(self) -> str:
        """Address of the first file."""
        return self.files[0].url if self.files else ""

    @property
    def takes_urls(self) -> bool:
        """Whether the data sheet lists no files."""
        return not self.files

    def requests(self, product: str, region: FetchRegion) -> Iterator[RasterRequest]:
        """Yield the cells of a region for each file that covers them."""
        if not self.files and not region.urls:
            message = (
                f"region {region.name}: copy the addresses of its files into its `urls`, from the page that "
                f"`demsr sources {product}` prints"
            )
            raise FetchError(message)
        named = [ProductFile(url=url, tag=file_stem(url).lower().replace("_", "-")) for url in region.urls]
        for file in self.files or named:
            remote = self.remote_file(product, file)
            for cell in cells(region.box, self.cell_deg):
                if file.box is not None and intersection(cell, file.box) is None:
                    continue
                name = raster_name(region.name, cell_name(cell) + (f"-{file.tag}" if file.tag else ""))
                yield RasterRequest(
                    name=name, file=remote, box=cell, member=self.member, cut=True, file_mb=self.mean_mb
                )
