"""Section `harmonise` of params.yaml."""

from pathlib import Path

from demsr import options
from demsr.params.section import Positive, Section


class DeclaredFile(Section):
    """Metadata that a file lacks or states wrongly; arguments of `demsr.dem.read.declared.Declared`."""

    crs: str | None = None
    vertical_datum: str | None = None
    unit: str | None = None
    positive: options.Positive | None = None
    nodata: float | None = None
    registration: options.Registration | None = None
    layer: str | None = None


class HarmoniseDomain(Section):
    """Conversion of the rasters of one domain.

    Attributes
    ----------
    vertical_datum : vertical datum of files that state none
    convert_to : vertical datum to convert to; null keeps that of each file
    sea_level_m : flat areas at this elevation, metres, become void as sea; null keeps them
    min_water_km2 : flat areas of at least this size become void as lakes and rivers; null keeps them
    average_to_3arcsec : average rasters of finer spacing onto the 3 arc-second grid
    """

    vertical_datum: str
    convert_to: str | None
    sea_level_m: float | None
    min_water_km2: Positive | None
    average_to_3arcsec: bool


class HarmoniseLr(Section):
    """Reading of real LR grids.

    Attributes
    ----------
    vertical_datum : vertical datum of files that state none
    """

    vertical_datum: str


class Harmonise(Section):
    """Stage `harmonise`.

    Attributes
    ----------
    geoid_grids : folder with PROJ geoid grids; null for PROJ's own search path
    proj_network : allow PROJ to download missing grids
    files : metadata by file name without suffix
    """

    geoid_grids: Path | None
    proj_network: bool
    files: dict[str, DeclaredFile]
    land: HarmoniseDomain
    marine: HarmoniseDomain
    lr: HarmoniseLr
