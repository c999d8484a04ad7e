"""Rasters of the protocol, their folds, and the training pairs of each fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from demsr.dem.dem import Dem
from demsr.dem.read.gdal import raster_name
from demsr.dem.read.header import read_header
from demsr.errors import RasterError
from demsr.sources.harmonise import HarmoniseOptions, harmonise
from demsr.sources.local_rasters import RASTER_PATTERNS, find_rasters
from demsr.sources.manifest import describe_file
from protocol.patches import read_rasters

NEVER_TRAINED = "test"
EVERYTHING = "none"  # the fold without held-out regions
ALWAYS = "always"  # the fold of files that are never held out
_LIST = Path(__file__).with_name("regions.yaml")
_LAND = HarmoniseOptions(vertical_datum="EGM96", sea_level_m=0, min_water_km2=0.25, average_to_3arcsec=True)
_RECIPES = {
    "land": _LAND,
    "finer": _LAND,
    "marine": HarmoniseOptions(vertical_datum="MSL", sea_floor=True),
}


@dataclass(frozen=True)
class Region:
    """A raster file of the protocol.

    Attributes
    ----------
    stem : file name without suffix
    name : name in the report
    domain : "land", "finer" (land averaged from finer rasters) or "marine"
    landform : such as "mountain"
    fold : fold that it belongs to; no net is trained on those of `NEVER_TRAINED`
    licence : licence of the data
    block_means : whether its block means are scored
    """

    stem: str
    name: str
    domain: str
    landform: str
    fold: str
    licence: str
    block_means: bool = False


@dataclass(frozen=True)
class RealPair:
    """A real LR grid and HR of the same ground.

    Attributes
    ----------
    lr, hr : file names without suffix
    name : name in the report
    kind : "srtm" if LR was made from HR, "land" or "sea" if HR is another survey
    fold : fold that it belongs to; for the sea floor, its place is held out by a training of its own
    """

    lr: str
    hr: str
    name: str
    kind: str
    fold: str


@dataclass(frozen=True)
class Regions:
    """Contents of regions.yaml."""

    files: list[Region]
    real: list[RealPair]
    development_fold: str
    comparison_fold: str

    @property
    def folds(self) -> list[str]:
        """Folds that are held out in turn."""
        return sorted({region.fold for region in self.files} - {NEVER_TRAINED, ALWAYS})

    @property
    def places_at_sea(self) -> list[str]:
        """Places of the true pairs at sea, which are held out in turn."""
        return sorted({pair.fold for pair in self.real if pair.kind == "sea"} - {NEVER_TRAINED})


def read_regions() -> Regions:
    """Read regions.yaml."""
    content = YAML(typ="safe").load(_LIST.read_text(encoding="utf-8"))
    files = [Region(stem, domain=domain, **values) for domain in _RECIPES for stem, values in content[domain].items()]
    real = [RealPair(**pair) for pair in content["real"]]
    return Regions(files, real, content["development_fold"], content["comparison_fold"])


def find_files(data: Path, stems: Sequence[str]) -> dict[str, Path]:
    """Find rasters by name anywhere in a folder.

    Parameters
    ----------
    data : folder
    stems : file names without suffix

    Raises
    ------
    RasterError : a raster is missing
    """
    found = {raster_name(path): path for path in find_rasters(data, include=RASTER_PATTERNS, exclude=[])}
    if missing := sorted(set(stems) - set(found)):
        message = (
            f"{data}: has no {', '.join(missing)}; give the folder of the development data, or change regions.yaml"
        )
        raise RasterError(message)
    return {stem: found[stem] for stem in stems}


def harmonised(regions: Regions, data: Path, work: Path, *, processes: int) -> dict[str, Path]:
    """Harmonise all files, unless that was done before, and return the rasters by name.

    Parameters
    ----------
    regions : regions of the protocol
    data : folder of the files
    work : work folder
    processes : number of processes
    """
    files = find_files(data, [region.stem for region in regions.files])
    rasters = {}
    for domain, recipe in _RECIPES.items():
        folder = work / "rasters" / domain
        of_domain = {region.stem: files[region.stem] for region in regions.files if region.domain == domain}
        if not folder.is_dir():
            temporary = folder.with_name(f"{domain}.part")
            temporary.mkdir(parents=True, exist_ok=True)
            inputs = [describe_file(path) for path in of_domain.values()]
            harmonise(
                inputs, temporary, recipe, work=work / "harmonise" / domain, processes=processes, description=domain
            )
            temporary.rename(folder)
        rasters |= {stem: folder / f"{stem}.tif" for stem in of_domain}
    return rasters


def training_rasters(regions: Regions, rasters: Mapping[str, Path], fold: str, domains: Sequence[str]) -> list[Dem]:
    """Read the rasters that a fold trains on; held-out ground and a margin around it are void.

    Parameters
    ----------
    regions : regions of the protocol
    rasters : harmonised rasters by name
    fold : fold that is held out
    domains : of the rasters
    """
    held_back = [region for region in regions.files if region.fold in (fold, NEVER_TRAINED)]
    boxes = [read_header(rasters[region.stem]).grid.lonlat_bounds() for region in held_back]
    chosen = [one for one in regions.files if one.domain in domains and one not in held_back]
    return read_rasters([rasters[one.stem] for one in chosen], boxes)
