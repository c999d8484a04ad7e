"""Rasters of the protocol, their folds, and the training pairs of each fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ruamel.yaml import YAML

from demsr.dem.read.gdal import raster_name
from demsr.errors import RasterError
from demsr.pairs.build import build_pairs, plan_pairs
from demsr.pairs.cut import CutRule
from demsr.pairs.degradations.block_mean import BlockMean
from demsr.pairs.degradations.fitted import FittedDegradation
from demsr.pairs.split import split_raster
from demsr.sources.harmonise import HarmoniseOptions, harmonise
from demsr.sources.local_rasters import RASTER_PATTERNS, find_rasters
from demsr.sources.manifest import describe_file

NEVER_TRAINED = "test"
EVERYTHING = "none"  # the fold without held-out regions
RULE = CutRule(patch_lr=32, stride_hr=36, gap_lr=2, max_void_share=0.25, min_relief_m=1)
WHOLE_METRES = FittedDegradation(blur_lr_px=0, sounding_share=1, rounding_m=1)  # as GEBCO: half of the pairs
_LIST = Path(__file__).with_name("regions.yaml")
_RECIPES = {
    "land": HarmoniseOptions(vertical_datum="EGM96", sea_level_m=0, min_water_km2=0.25, average_to_3arcsec=True),
    "marine": HarmoniseOptions(vertical_datum="MSL", sea_floor=True),
}


@dataclass(frozen=True)
class Region:
    """A raster file of the protocol.

    Attributes
    ----------
    stem : file name without suffix
    name : name in the report
    domain : "land" or "marine"
    landform : such as "mountain"
    fold : fold that it belongs to; no net is trained on those of `NEVER_TRAINED`
    licence : licence of the data
    """

    stem: str
    name: str
    domain: str
    landform: str
    fold: str
    licence: str


@dataclass(frozen=True)
class RealPair:
    """LR and HR of the same ground from different surveys: file names without suffix, and the name in the report."""

    lr: str
    hr: str
    name: str


@dataclass(frozen=True)
class Regions:
    """Contents of regions.yaml."""

    files: list[Region]
    real: list[RealPair]
    development_fold: str
    comparison_fold: str
    land_mix: Mapping[str, float]
    land_five: Sequence[str]

    @property
    def folds(self) -> list[str]:
        """Folds that are held out in turn."""
        return sorted({region.fold for region in self.files} - {NEVER_TRAINED})


def read_regions() -> Regions:
    """Read regions.yaml."""
    content = YAML(typ="safe").load(_LIST.read_text(encoding="utf-8"))
    files = [Region(stem, domain=domain, **values) for domain in _RECIPES for stem, values in content[domain].items()]
    real = [RealPair(**pair) for pair in content["real"]]
    return Regions(
        files, real, content["development_fold"], content["comparison_fold"], content["land_mix"], content["land_five"]
    )


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


def pairs_of(work: Path, fold: str) -> Path:
    """Return the file with the training pairs of a fold."""
    return work / "pairs" / fold / "train.h5"


def cut_training_pairs(regions: Regions, rasters: Mapping[str, Path], fold: str, work: Path, *, processes: int) -> None:
    """Cut the training pairs of a fold, land and sea floor together, unless that was done before.

    Parameters
    ----------
    regions : regions of the protocol
    rasters : harmonised rasters by name
    fold : fold that is held out
    work : work folder
    processes : number of processes
    """
    folder = pairs_of(work, fold).parent
    if not pairs_of(work, fold).is_file():
        held_back = [region for region in regions.files if region.fold in (fold, NEVER_TRAINED)]
        split = partial(
            split_raster,
            method="files",
            quadrant_splits=[],
            gap_lr=RULE.gap_lr,
            scale=RULE.scale,
            valid=[region.stem for region in held_back if region.domain == "marine"],
            test=[region.stem for region in held_back if region.domain == "land"],
        )
        paths = sorted(rasters.values(), key=lambda path: path.stem)
        degradations = [BlockMean(), WHOLE_METRES]
        plan = plan_pairs(paths, split, domain="land and sea floor", scale_free=True, degradations=degradations)
        build_pairs(plan, folder, RULE, all_regions=plan.regions, work=work / "cut", processes=processes)
