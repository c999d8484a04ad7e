"""Section `fetch` of params.yaml: input rasters and products."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from demsr.options import DOMAINS, Domain
from demsr.params.section import Section


class Folder(Section):
    """Folder with rasters of one domain.

    Attributes
    ----------
    include : glob patterns of the files to use
    exclude : glob patterns of files to leave out
    """

    folder: Path
    include: list[str]
    exclude: list[str]


class RealLrFolder(Folder):
    """Folder with real LR grids; an empty `include` for none.

    Attributes
    ----------
    tid : glob patterns of grids with GEBCO's type identifiers, in the same folder
    """

    tid: list[str]


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        message = "an address must begin with http:// or https:// and must not contain a user or password"
        raise ValueError(message)
    return url


Address = Annotated[str, AfterValidator(_without_secrets)]


class FetchedRegion(Section):
    """Region whose HR elevation is fetched.

    Attributes
    ----------
    product : name of a product that `demsr sources` lists
    box : west, south, east, north in degrees; east is less than west across the antimeridian
    urls : addresses of its files, for products without a file naming scheme
    """

    domain: Domain
    product: str
    box: tuple[float, float, float, float]
    urls: list[Address] = []

    @model_validator(mode="after")
    def _has_a_box(self) -> Self:
        west, south, east, north = self.box
        if not (-180 <= west <= 180 and -180 <= east <= 180 and west != east and -90 <= south < north <= 90):
            message = f"box is {self.box}; give west, south, east and north in degrees, longitudes from -180 to 180"
            raise ValueError(message)
        if east < west and east + 360 - west > 180:
            message = f"box is {self.box}, {east + 360 - west:g} degrees wide across the antimeridian; west comes first"
            raise ValueError(message)
        return self


RegionName = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class Remote(Section):
    """Downloads for `source: remote`.

    Attributes
    ----------
    lr : product of the 15 arc-second input around the regions; null for none
    lr_whole : download the whole file once, instead of windows around the regions
    tid : also download its grid of type identifiers
    mirrors : replacement by the start of an address; tokens are never sent to a mirror
    regions : regions by name; rasters are called NAME__TILE
    """

    lr: str | None
    lr_whole: bool
    tid: bool
    mirrors: dict[Address, Address]
    regions: dict[RegionName, FetchedRegion]


class Fetch(Section):
    """Stage `fetch`.

    Attributes
    ----------
    source : `pairs` imports train.h5, valid.h5 and test.h5 from the folders (or .zip files) of both domains
    """

    source: Literal["sample", "local", "remote", "pairs"]
    remote: Remote
    land: Folder
    marine: Folder
    lr: RealLrFolder

    @model_validator(mode="after")
    def _has_regions_to_fetch(self) -> Self:
        found = {region.domain for region in self.remote.regions.values()}
        if self.source == "remote" and found != set(DOMAINS):
            message = f"remote.regions are of {sorted(found)}; name at least one of land and one of marine"
            raise ValueError(message)
        return self
