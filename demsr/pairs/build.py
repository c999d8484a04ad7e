"""Build the three pair files of a domain from harmonised rasters."""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from demsr.dem.grid import Grid
from demsr.dem.read.header import read_header
from demsr.errors import PairsError
from demsr.options import SPLITS, Split
from demsr.pairs.area import THREE_ARCSEC, pair_kind
from demsr.pairs.cut import CutRule
from demsr.pairs.degradations.base import Degradation
from demsr.pairs.pair_writer import PairWriter
from demsr.pairs.region_pairs import PairJob, RegionPairs, write_region_pairs
from demsr.pairs.sampling import Sampling, denser_stride, draw_pairs, quotas
from demsr.pairs.split import Boxes, Region, protected_boxes
from demsr.runtime.files import atomic_write
from demsr.runtime.processes import parallel_map
from demsr.runtime.seeding import generator

_COREGISTRATION_M = ("east_m", "north_m", "bias_m", "std_before_m", "std_after_m")  # attributes of Area
Splitter = Callable[[str, str, Grid], list[Region]]
"""Function that splits a raster into regions: file name without suffix, source, grid."""


@dataclass(frozen=True)
class PairPlan:
    """Jobs for the pairs of a domain.

    Attributes
    ----------
    domain : "land" or "marine"
    regions : all regions of the rasters, also those without jobs: pairs of other regions keep away from them
    jobs : one for each region and degradation
    left_out : rasters and LR grids without jobs, by reason
    """

    domain: str
    regions: list[Region]
    jobs: list[PairJob]
    left_out: Counter[str]


def plan_pairs(
    rasters: Sequence[Path],
    splitter: Splitter,
    *,
    domain: str,
    scale_free: bool,
    degradations: Sequence[Degradation],
) -> PairPlan:
    """Split rasters into regions and list the jobs of each; reads only the headers of the rasters.

    Parameters
    ----------
    rasters : harmonised rasters
    splitter : function that splits a raster into regions
    domain : "land" or "marine"
    scale_free : use rasters of any spacing instead of 3 arc-seconds alone; real LR takes HR of any finer spacing
    degradations : ways to obtain LR
    """
    headers = {path: read_header(path) for path in rasters}
    regions_of = {path: splitter(path.stem, header.source, header.grid) for path, header in headers.items()}
    jobs, left_out = [], Counter[str]()
    for path, regions in _with_unique_names(regions_of).items():
        jobs_of_raster = [
            PairJob(path, region, degradation)
            for region in regions
            for degradation in degradations
            if degradation.applies_to(region, scale_free=scale_free)
        ]
        if not jobs_of_raster:
            left_out[f"{path.stem}: {_reason_without_jobs(headers[path].grid, degradations)}"] += 1
        jobs += jobs_of_raster
    used = {job.degradation for job in jobs}
    unused = [degradation for degradation in degradations if degradation.has_own_grid and degradation not in used]
    left_out.update(f"{degradation}: covers no raster" for degradation in unused)
    return PairPlan(domain, [region for regions in regions_of.values() for region in regions], jobs, left_out)


def build_pairs(
    plan: PairPlan,
    folder: Path,
    rule: CutRule,
    *,
    all_regions: Sequence[Region],
    work: Path,
    seed: int = 0,
    processes: int | Literal["auto"] = 1,
    count: int | None = None,
) -> dict[str, Any]:
    """Write train.h5, valid.h5 and test.h5; each process holds one raster at a time.

    Every job writes a file of its own, so that an interrupted build continues there; the files of a domain are
    joined from these in the order of the plan.

    Parameters
    ----------
    plan : jobs of the domain
    folder : where to write the files
    rule : rule for training patches; validation and test patches do not overlap
    all_regions : regions of all domains; no domain trains on a region that another holds out
    work : folder of finished jobs
    seed : base seed of degradations and of the draw
    processes : number of processes, "auto" for one per CPU; results do not depend on it
    count : requested number of training and validation pairs together; None keeps all pairs

    Returns
    -------
    summary : pairs by split and area, patches left out by reason, co-registration by area of real LR, and `sampling`
        if a number was requested

    Raises
    ------
    PairsError : a split has no pair, or the number cannot be reached
    """
    protected: dict[str, Boxes] = {split: protected_boxes(all_regions, split) for split in SPLITS}

    def cut(rule: CutRule) -> list[RegionPairs]:
        write = partial(write_region_pairs, rule=rule, protected=protected, seed=seed, work=work)
        return list(parallel_map(write, plan.jobs, processes=processes, description=f"cut {plan.domain}"))

    results, sampling = (cut(rule), None) if count is None else _cut_at_least(plan, cut, rule, count)
    left_out = sum((Counter(result.left_out) for result in results), Counter(plan.left_out))
    summary: dict[str, Any] = {}
    for split in SPLITS:
        parts = _of_split(plan, results, split)
        if not any(part.count for part in parts):
            message = (
                f"{plan.domain}: the {split} split has no pair of {rule.patch_lr} x {rule.patch_lr} LR pixels "
                f"(left out: {dict(left_out)}); give larger or fuller rasters, or make pairs.patch_lr smaller"
            )
            raise PairsError(message)
        drawn: Sequence[Any] = [None] * len(parts)
        if sampling is not None and split in sampling.kept:
            random = generator(seed, "drawn pairs", plan.domain, split)
            drawn = draw_pairs([part.count for part in parts], sampling.kept[split], random)
        attributes = {"domain": plan.domain, "split": split}
        areas = {part.area["name"]: 0 for part in parts if part.area}
        with (
            atomic_write(folder / f"{split}.h5") as temporary,
            PairWriter(temporary, patch_lr=rule.patch_lr, scale=rule.scale, attributes=attributes) as writer,
        ):
            for part, indices in zip(parts, drawn, strict=True):
                if part.path is not None and part.area and (indices is None or len(indices)):
                    areas[part.area["name"]] = writer.add_file(part.path, indices=indices)
        summary[split] = {"pairs": sum(areas.values()), "areas": areas}
    if sampling is not None:
        summary["sampling"] = sampling.as_json()
    real = [result.area for result in results if result.area and result.area["coregistration"]]
    found = {area["name"]: {key: area[key] for key in ("coregistration", *_COREGISTRATION_M)} for area in real}
    return {**summary, "left_out": dict(sorted(left_out.items())), "coregistration": found}


def _cut_at_least(
    plan: PairPlan, cut: Callable[[CutRule], list[RegionPairs]], rule: CutRule, count: int
) -> tuple[list[RegionPairs], Sampling]:
    """Cut training patches at smaller strides until there are at least as many as requested."""
    strides: list[int] = []
    while True:
        results = cut(rule)
        strides.append(rule.stride_hr)
        splits: tuple[Split, ...] = ("train", "valid")
        candidates = {split: sum(part.count for part in _of_split(plan, results, split)) for split in splits}
        kept = quotas(count, candidates)
        found, wanted = candidates["train"], kept["train"]
        if found >= wanted:
            return results, Sampling(count, tuple(strides), candidates, kept)
        sizes = {"patch_hr": rule.patch_lr * rule.scale, "step": rule.scale}
        rule = replace(rule, stride_hr=denser_stride(rule.stride_hr, found, wanted, domain=plan.domain, **sizes))


def _of_split(plan: PairPlan, results: Sequence[RegionPairs], split: Split) -> list[RegionPairs]:
    return [result for result, job in zip(results, plan.jobs, strict=True) if job.region.split == split]


def summary_metrics(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of summaries by domain: pairs by split, medians of the co-registrations."""
    return {
        domain: {
            **{split: {"pairs": part[split]["pairs"]} for split in SPLITS},
            "coregistration": _medians(list(part.get("coregistration", {}).values())),
        }
        for domain, part in summary.items()
    }


def _medians(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    if not found:
        return {}
    applied = sum(area["coregistration"].startswith("applied") for area in found)
    medians = {f"median_{key}": statistics.median(float(area[key]) for area in found) for key in _COREGISTRATION_M}
    return {"regions": len(found), "applied": applied, **medians}


def _reason_without_jobs(grid: Grid, degradations: Sequence[Degradation]) -> str:
    if all(degradation.has_own_grid for degradation in degradations):
        return "no real LR grid covers it"
    return "spacing is not 3 arc-seconds and scale_free is off" if pair_kind(grid) != THREE_ARCSEC else "no region"


def _with_unique_names(regions: Mapping[Path, list[Region]]) -> dict[Path, list[Region]]:
    """Append the file name to names that occur twice: rasters of one product may all have the same source."""
    names = Counter(region.name for group in regions.values() for region in group)
    return {
        path: [replace(one, name=f"{one.name} ({path.stem})") if names[one.name] > 1 else one for one in group]
        for path, group in regions.items()
    }
