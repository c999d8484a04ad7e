"""THREDDS NetCDF Subset Service for global input grids, which can also be downloaded as one archive."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from demsr.dem.grid import Box
from demsr.download.remote_file import Kind
from demsr.sources.protocols.base import CellService, ProductFile, RasterRequest

_GLOBE = (-180.0, -90.0, 180.0, 90.0)
_EDGES = ("west", "south", "east", "north")


@dataclass(frozen=True, kw_only=True)
class NetcdfSubsetService(CellService):
    """Variable of a NetCDF file behind a subset service.

    Attributes
    ----------
    variable : name of the variable
    whole : the same grid as one file
    tid_url, tid : the same two for the grid of source types (GEBCO's type identifiers)
    """

    cut_to_cell: ClassVar[bool] = False

    kind: Kind = "netcdf"
    cell_deg: float = 5.0
    variable: str = "elevation"
    whole: ProductFile
    tid_url: str
    tid: ProductFile

    def query(self, cell: Box) -> list[tuple[str, str]]:
        """Return a request for a box of the variable."""
        edges = [(name, f"{edge:g}") for name, edge in zip(_EDGES, cell, strict=True)]
        return [("var", self.variable), *edges, ("accept", "netcdf")]

    def whole_files(self, product: str) -> list[RasterRequest]:
        """Return the request for the archive."""
        whole = self.whole
        file, size_mb = self.remote_file(product, whole), whole.mb or self.mean_mb
        return [RasterRequest(name=product, file=file, box=_GLOBE, member=whole.member, file_mb=size_mb)]

    def source_types(self) -> Self:
        """Return the access to the grid of source types."""
        return replace(self, url=self.tid_url, variable="tid", whole=self.tid)
