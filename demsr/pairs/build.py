"""From harmonised rasters to the three HDF5 files of a domain."""

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from demsr.dem.grid import Box, Grid
from demsr.dem.read.header import read_header
from demsr.errors import PairsError
from demsr.options import SPLITS
from demsr.pairs.cut import THREE_ARCSEC, CutRule, pair_kind
from demsr.pairs.fitted import DegradationModel
from demsr.pairs.region_pairs import Job, LrFile, Piece, make_piece
from demsr.pairs.sampling import Sampling, denser_stride, drawn, quotas
from demsr.pairs.split import Boxes, Region, closer_than, protected_boxes
from demsr.pairs.store import BLOCK_MEAN, FITTED, REAL, PairWriter
from demsr.runtime.files import atomic_write
from demsr.runtime.processes import parallel_map
from demsr.runtime.seeding import generator

_COREGISTERED = ("east_m", "north_m", "bias_m", "std_before_m", "std_after_m")
Regions = Callable[[str, str, Grid], list[Region]]


@dataclass(frozen=True, kw_only=True)
class Degradations:
    """Where LR comes from: any of the three kinds, with what they need.

    Attributes
    ----------
    kinds : of `demsr.pairs.store.DEGRADATIONS`
    model : of fitted pairs
    lr_files : of real pairs, wherever they cover a raster
    """

    kinds: Sequence[str] = (BLOCK_MEAN,)
    model: DegradationModel | None = None
    lr_files: Sequence[LrFile] = ()


@dataclass(frozen=True)
class PairPlan:
    """Which regions of which rasters of a domain give pairs.

    Attributes
    ----------
    regions : all of them, also those that others must only keep away from
    jobs : a region can give pairs of several kinds
    left_out : reasons and how often, for rasters that give none
    """

    domain: str
    regions: list[Region]
    jobs: list[Job]
    left_out: Counter[str]


def plan_pairs(
    rasters: Sequence[Path], regions_of: Regions, *, domain: str, scale_free: bool, degradations: Degradations
) -> PairPlan:
    """Split rasters into regions and say what to make of each; only their headers are read.

    Parameters
    ----------
    rasters : written by `harmonise`
    regions_of : splits a raster, given its file name without suffix, its source and its grid
    scale_free : use grids of any spacing, not only of 3 arc-seconds; real pairs come from any that is fine enough
    """
    left_out: Counter[str] = Counter()
    headers = {path: read_header(path) for path in rasters}
    found = {path: regions_of(path.stem, header.source, header.grid) for path, header in headers.items()}
    lr = {file: read_header(file.path, file.declared).grid.lonlat_bounds() for file in degradations.lr_files}
    jobs = []
    for path, regions in _named_apart(found).items():
        of_raster = _jobs(path, regions, degradations, lr, scale_free=scale_free)
        if not of_raster:
            left_out[f"{path.stem}: {_why_none(headers[path].grid, degradations)}"] += 1
        jobs += of_raster
    used = {job.lr for job in jobs}
    left_out.update(f"{file.path.name}: covers no raster" for file in degradations.lr_files if file not in used)
    return PairPlan(domain, [region for some in found.values() for region in some], jobs, left_out)


def build_pairs(
    plan: PairPlan,
    folder: Path,
    rule: CutRule,
    *,
    everywhere: Sequence[Region],
    work: Path,
    seed: int = 0,
    processes: int | Literal["auto"] = 1,
    count: int | None = None,
) -> dict[str, Any]:
    """Write train.h5, valid.h5 and test.h5; each process holds one raster at a time.

    Every region is finished in a file of its own, so an interrupted build goes on from there; the files of a domain
    are put together from these, always in the same order.

    Parameters
    ----------
    rule : of training; validation and test patches do not overlap
    everywhere : the regions of all domains: what one domain holds out, the other must not train on either
    work : folder of finished regions
    seed : base seed, for fitted degradation and for the draw
    count : pairs of training and validation together; None keeps all that the rule gives

    Returns
    -------
    summary : pairs by split and area, what was left out by reason, how real pairs were co-registered, and how a
        number that was asked for was reached

    Raises
    ------
    PairsError : a split has no pair, or a number cannot be reached
    """
    protected: dict[str, Boxes] = {split: protected_boxes(everywhere, split) for split in SPLITS}

    def cut(rule: CutRule) -> list[Piece]:
        make = partial(make_piece, rule=rule, protected=protected, seed=seed, work=work)
        return list(parallel_map(make, plan.jobs, processes=processes, description=f"cut {plan.domain}"))

    pieces, sampling = (cut(rule), None) if count is None else _enough(plan, cut, rule, count)
    left_out = Counter(plan.left_out)
    for piece in pieces:
        left_out.update(piece.left_out)
    summary: dict[str, Any] = {}
    for split in SPLITS:
        chosen = _of_split(plan, pieces, split)
        if not any(piece.count for piece in chosen):
            message = (
                f"{plan.domain}: the {split} split has no pair of {rule.patch_lr} x {rule.patch_lr} LR pixels "
                f"(left out: {dict(left_out)}); give larger or fuller rasters, or make pairs.patch_lr smaller"
            )
            raise PairsError(message)
        kept: list[Any] = [None] * len(chosen)
        if sampling is not None and split in sampling.kept:
            random = generator(seed, "drawn pairs", plan.domain, split)
            kept = drawn([piece.count for piece in chosen], sampling.kept[split], random)
        attributes = {"domain": plan.domain, "split": split}
        areas = {piece.area["name"]: 0 for piece in chosen if piece.area}
        with (
            atomic_write(folder / f"{split}.h5") as temporary,
            PairWriter(temporary, patch_lr=rule.patch_lr, scale=rule.scale, attributes=attributes) as writer,
        ):
            for piece, only in zip(chosen, kept, strict=True):
                if piece.path is not None and piece.area and (only is None or len(only)):
                    areas[piece.area["name"]] = writer.append_file(piece.path, only=only)
        summary[split] = {"pairs": sum(areas.values()), "areas": areas}
    if sampling is not None:
        summary["sampling"] = sampling.as_json()
    return {**summary, "left_out": dict(sorted(left_out.items())), "coregistration": _coregistration(pieces)}


def _enough(
    plan: PairPlan, cut: Callable[[CutRule], list[Piece]], rule: CutRule, count: int
) -> tuple[list[Piece], Sampling]:
    """Cut training patches closer together until there are as many as asked for."""
    strides: list[int] = []
    while True:
        pieces = cut(rule)
        strides.append(rule.stride_hr)
        candidates = {
            split: sum(piece.count for piece in _of_split(plan, pieces, split)) for split in ("train", "valid")
        }
        kept = quotas(count, candidates)
        if candidates["train"] >= kept["train"]:
            return pieces, Sampling(count, tuple(strides), candidates, kept)
        stride_hr = denser_stride(
            rule.stride_hr,
            candidates["train"],
            kept["train"],
            patch_hr=rule.patch_lr * rule.scale,
            step=rule.scale,
            domain=plan.domain,
        )
        rule = replace(rule, stride_hr=stride_hr)


def _of_split(plan: PairPlan, pieces: Sequence[Piece], split: str) -> list[Piece]:
    return [piece for piece, job in zip(pieces, plan.jobs, strict=True) if job.region.split == split]


def headlines(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the summaries of all domains is worth a metric: pairs by split, medians of co-registration."""
    return {
        domain: {
            **{split: {"pairs": found[split]["pairs"]} for split in SPLITS},
            "coregistration": _medians(list(found.get("coregistration", {}).values())),
        }
        for domain, found in summary.items()
    }


def _jobs(
    path: Path, regions: Sequence[Region], degradations: Degradations, lr: Mapping[LrFile, Box], *, scale_free: bool
) -> list[Job]:
    """Return what to make of the regions of a raster; `lr` has the outlines of real LR grids."""
    jobs = []
    for region, kind in itertools.product(regions, degradations.kinds):
        if kind == REAL:
            covering = [file for file, box in lr.items() if closer_than(region.grid, [box], gap_lr=0, scale=1)]
            jobs += [Job(path, region, kind, lr=file) for file in covering]
        elif scale_free or pair_kind(region.grid) == THREE_ARCSEC:
            jobs.append(Job(path, region, kind, model=degradations.model if kind == FITTED else None))
    return jobs


def _why_none(grid: Grid, degradations: Degradations) -> str:
    if tuple(degradations.kinds) == (REAL,):
        return "no real LR grid covers it"
    return "spacing is not 3 arc-seconds and scale_free is off" if pair_kind(grid) != THREE_ARCSEC else "no region"


def _named_apart(regions: Mapping[Path, list[Region]]) -> dict[Path, list[Region]]:
    """Add the file's name to regions of one name: rasters of one product may all carry the same source."""
    names = Counter(region.name for some in regions.values() for region in some)
    return {
        path: [replace(one, name=f"{one.name} ({path.stem})") if names[one.name] > 1 else one for one in some]
        for path, some in regions.items()
    }


def _medians(regions: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    if not regions:
        return {}
    applied = sum(region["coregistration"].startswith("applied") for region in regions)
    numbers = {key: statistics.median(float(region[key]) for region in regions) for key in _COREGISTERED}
    return {"regions": len(regions), "applied": applied, **{f"median_{key}": value for key, value in numbers.items()}}


def _coregistration(pieces: Sequence[Piece]) -> dict[str, Any]:
    areas = [piece.area for piece in pieces if piece.area and piece.area["coregistration"]]
    return {area["name"]: {key: area[key] for key in ("coregistration", *_COREGISTERED)} for area in areas}
