"""From harmonised rasters to the three HDF5 files of a domain."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import track

from demsr.dem.raster import Dem
from demsr.dem.reading import read_dem
from demsr.errors import PairsError
from demsr.files import whole_file
from demsr.pairs.cut import THREE_ARCSEC, CutRule, cut_patches, pair_kind
from demsr.pairs.split import SPLITS, Region, protected_boxes
from demsr.pairs.store import Area, PairWriter

Regions = Callable[[str, Dem], list[Region]]


@dataclass(frozen=True)
class Plan:
    """Which regions of which rasters of a domain give pairs.

    Attributes
    ----------
    regions : by raster
    left_out : reasons and how often, for rasters that give none
    """

    domain: str
    regions: Mapping[Path, list[Region]]
    left_out: Counter[str]

    def all_regions(self) -> list[Region]:
        """Return the regions of all rasters."""
        return [region for some in self.regions.values() for region in some]


def plan_pairs(rasters: Sequence[Path], regions_of: Regions, *, domain: str, scale_free: bool) -> Plan:
    """Split rasters into regions.

    Parameters
    ----------
    rasters : written by `harmonise`
    regions_of : splits a raster, given its file name without suffix
    scale_free : use grids of any spacing, not only of 3 arc-seconds
    """
    left_out: Counter[str] = Counter()
    regions: dict[Path, list[Region]] = {}
    for path in track(rasters, description=f"split {domain}"):
        dem = read_dem(path)
        if not scale_free and pair_kind(dem.grid) != THREE_ARCSEC:
            left_out[f"{path.stem}: spacing is not 3 arc-seconds and scale_free is off"] += 1
            continue
        regions[path] = regions_of(path.stem, dem)
    return Plan(domain, _named_apart(regions), left_out)


def build_pairs(plan: Plan, folder: Path, rule: CutRule, *, everywhere: Sequence[Region]) -> dict[str, Any]:
    """Write train.h5, valid.h5 and test.h5; memory holds one raster at a time.

    Parameters
    ----------
    rule : of training; validation and test patches do not overlap
    everywhere : the regions of all domains: what one domain holds out, the other must not train on either

    Returns
    -------
    summary : pairs by split, and what was left out by reason

    Raises
    ------
    PairsError : a split has no pair
    """
    left_out = Counter(plan.left_out)
    summary: dict[str, Any] = {}
    for split in SPLITS:
        attributes = {"domain": plan.domain, "split": split, "degradation": "block mean"}
        away = protected_boxes(everywhere, split)
        chosen = rule if split == "train" else replace(rule, stride_hr=rule.patch_lr * rule.scale)
        counts: dict[str, int] = {}
        with whole_file(folder / f"{split}.h5") as temporary:
            with PairWriter(temporary, patch_lr=rule.patch_lr, scale=rule.scale, attributes=attributes) as writer:
                for path, region in track(_of_split(plan.regions, split), description=f"cut {plan.domain} {split}"):
                    dem = read_dem(path)
                    patches = cut_patches(dem, region, chosen, keep_away_from=away, left_out=left_out)
                    counts[region.name] = writer.append(Area.of(region.name, dem), patches)
            if not sum(counts.values()):
                message = (
                    f"{plan.domain}: the {split} split has no pair of {rule.patch_lr} x {rule.patch_lr} LR pixels "
                    f"(left out: {dict(left_out)}); give larger or fuller rasters, or make pairs.patch_lr smaller"
                )
                raise PairsError(message)
        summary[split] = {"pairs": sum(counts.values()), "areas": counts}
    return {**summary, "left_out": dict(sorted(left_out.items()))}


def _named_apart(regions: Mapping[Path, list[Region]]) -> dict[Path, list[Region]]:
    """Add the file's name to regions of one name: rasters of one product may all carry the same source."""
    names = Counter(region.name for some in regions.values() for region in some)
    return {
        path: [replace(one, name=f"{one.name} ({path.stem})") if names[one.name] > 1 else one for one in some]
        for path, some in regions.items()
    }


def _of_split(regions: Mapping[Path, list[Region]], split: str) -> list[tuple[Path, Region]]:
    return [(path, region) for path, some in regions.items() for region in some if region.split == split]
