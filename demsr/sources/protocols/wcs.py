"""OGC Web Coverage Service 2.0.1, requested in cells by longitude and latitude."""

from dataclasses import dataclass

from demsr.dem.grid import Box
from demsr.sources.protocols.base import CellService

_DEGREES = "http://www.opengis.net/def/crs/EPSG/0/4326"


@dataclass(frozen=True, kw_only=True)
class WebCoverageService(CellService):
    """Coverage of a Web Coverage Service.

    Attributes
    ----------
    coverage : identifier of the coverage
    axes : names of its longitude and latitude axes
    """

    coverage: str
    axes: tuple[str, str] = ("Long", "Lat")

    def query(self, cell: Box) -> list[tuple[str, str]]:
        """Return a GetCoverage request."""
        west, south, east, north = cell
        return [
            ("service", "WCS"),
            ("version", "2.0.1"),
            ("request", "GetCoverage"),
            ("coverageId", self.coverage),
            ("format", "image/tiff"),
            ("subsettingcrs", _DEGREES),
            ("subset", f"{self.axes[0]}({west:g},{east:g})"),
            ("subset", f"{self.axes[1]}({south:g},{north:g})"),
        ]
