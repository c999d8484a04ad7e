"""GridServer of the Global Multi-Resolution Topography, measured depths only."""

from dataclasses import dataclass

from demsr.dem.grid import Box
from demsr.sources.protocols.base import CellService

_EDGES = ("minlongitude", "minlatitude", "maxlongitude", "maxlatitude")


@dataclass(frozen=True, kw_only=True)
class GridServer(CellService):
    """GMRT's GridServer at its finest resolution."""

    def query(self, cell: Box) -> list[tuple[str, str]]:
        """Return a request for the layer `topo-mask`, which is void where nothing was measured."""
        edges = [(name, f"{edge:g}") for name, edge in zip(_EDGES, cell, strict=True)]
        return [*edges, ("format", "geotiff"), ("resolution", "max"), ("layer", "topo-mask")]
