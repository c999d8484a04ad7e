"""Which rasters are trained and tested on, brought to one kind, and the pairs of each fold."""

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
EVERYTHING = "none"  # the fold that holds nothing back
RULE = CutRule(patch_lr=32, stride_hr=36, gap_lr=2, max_void_share=0.25, min_relief_m=1)
WHOLE_METRES = FittedDegradation(blur_lr_px=0, sounding_share=1, rounding_m=1)  # as GEBCO: half of the pairs
_LIST = Path(__file__).with_name("regions.yaml")
_RECIPES = {
    "land": HarmoniseOptions(vertical_datum="EGM96", sea_level_m=0, min_water_km2=0.25, average_to_3arcsec=True),
    "marine": HarmoniseOptions(vertical_datum="MSL", sea_floor=True),
}


@dataclass(frozen=True)
class Region:
    """One file of the protocol.

    Attributes
    ----------
    stem : its name without suffix
    domain : land or marine
    fold : the one that holds it back; `NEVER_TRAINED` is held back by all
    """

    stem: str
    name: str
    domain: str
    landform: str
    fold: str
    licence: str


@dataclass(frozen=True)
class RealPair:
    """LR and HR of the same ground from different surveys, by file name without suffix."""

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
        """The folds that each have a training of their own."""
        return sorted({region.fold for region in self.files} - {NEVER_TRAINED})


def read_regions() -> Regions:
    """Read the list of files."""
    content = YAML(typ="safe").load(_LIST.read_text(encoding="utf-8"))
    files = [Region(stem, domain=domain, **values) for domain in _RECIPES for stem, values in content[domain].items()]
    real = [RealPair(**pair) for pair in content["real"]]
    return Regions(
        files, real, content["development_fold"], content["comparison_fold"], content["land_mix"], content["land_five"]
    )


def find_files(data: Path, stems: Sequence[str]) -> dict[str, Path]:
    """Return the raster of each name, anywhere in a folder.

    Raises
    ------
    RasterError : one is missing
    """
    found = {raster_name(path): path for path in find_rasters(data, include=RASTER_PATTERNS, exclude=[])}
    if missing := sorted(set(stems) - set(found)):
        message = (
            f"{data}: has no {', '.join(missing)}; give the folder of the development data, or change regions.yaml"
        )
        raise RasterError(message)
    return {stem: found[stem] for stem in stems}


def harmonised(regions: Regions, data: Path, work: Path, *, processes: int) -> dict[str, Path]:
    """Bring every file to one kind, unless that was done before, and return the rasters by name."""
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
    """Return where the training pairs of a fold lie."""
    return work / "pairs" / fold / "train.h5"


def cut_training_pairs(regions: Regions, rasters: Mapping[str, Path], fold: str, work: Path, *, processes: int) -> None:
    """Cut pairs of all that a fold does not hold back, land and sea floor together, unless that was done before."""
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
