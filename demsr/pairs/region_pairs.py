"""Pairs of one region of one raster, written to a file of their own."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from demsr.dem.grid import Box
from demsr.dem.read.raster import read_dem
from demsr.errors import GridError, VoidError
from demsr.pairs.cut import CutRule, cut_patches
from demsr.pairs.degradations.base import Degradation, RegionLr
from demsr.pairs.pair_writer import PairWriter
from demsr.pairs.split import Boxes, Region, boxes_within_gap
from demsr.runtime.files import atomic_write, sha256_of_file
from demsr.runtime.fingerprint import work_key
from demsr.runtime.notes import read_note, write_note

_CODE = ("dem", "pairs", "runtime/seeding.py")


@dataclass(frozen=True)
class PairJob:
    """A region to cut pairs from, with one degradation.

    Attributes
    ----------
    raster : file that contains the region
    region : part of the raster
    degradation : how to obtain LR
    """

    raster: Path
    region: Region
    degradation: Degradation

    def region_lr(self, *, scale: int, seed: int) -> RegionLr:
        """Read the region and return its LR, see `Degradation.region_lr`."""
        region = self.region
        hr = read_dem(self.raster, require_datum=True).window(
            region.row, region.col, region.grid.rows, region.grid.cols
        )
        return self.degradation.region_lr(region, hr, scale=scale, seed=seed)


@dataclass(frozen=True)
class RegionPairs:
    """Result of a job.

    Attributes
    ----------
    path : pair file, None if there is no pair
    count : number of pairs
    area : attributes of the `Area` with None for NaN; None if LR could not be obtained
    left_out : number of patches left out, by reason
    """

    path: Path | None
    count: int
    area: dict[str, Any] | None
    left_out: dict[str, int]


def write_region_pairs(
    job: PairJob, *, rule: CutRule, protected: Mapping[str, Boxes], seed: int, work: Path
) -> RegionPairs:
    """Write the pairs of a job to a file, unless the same job was finished before and its file is whole.

    Parameters
    ----------
    job : region and degradation
    rule : rule for training patches; validation and test patches do not overlap
    protected : by split, bounding boxes that its patches must keep a gap to
    seed : base seed of the degradation
    work : folder of finished jobs
    """
    if job.region.split != "train":
        rule = replace(rule, stride_hr=rule.patch_lr * rule.scale)
    patch_grid = job.degradation.patch_grid(job.region, scale=rule.scale)
    boxes = boxes_within_gap(patch_grid, protected[job.region.split], gap_lr=rule.gap_lr, scale=rule.scale)
    raster = _sha256(job.raster, job.raster.stat().st_mtime_ns)
    identity = [job.degradation.name, asdict(job), asdict(rule), boxes, seed, raster]
    path = work / f"{work_key(identity, code=_CODE)}.h5"
    note = path.with_suffix(".json")
    result = read_note(note, path)
    if result is None:
        result = _write(job, rule, boxes, seed, path)
        write_note(note, result, path)
    return RegionPairs(path if result["count"] else None, **result)


@lru_cache(maxsize=4)
def _sha256(path: Path, _: int) -> str:
    """Hash a raster once for all its regions, which are processed one after the other."""
    return sha256_of_file(path)


def _write(job: PairJob, rule: CutRule, boxes: Sequence[Box], seed: int, path: Path) -> dict[str, Any]:
    """Write a pair file and return `count`, `area` and `left_out` of the result."""
    left_out: Counter[str] = Counter()
    try:
        lr = job.region_lr(scale=rule.scale, seed=seed)
    except (GridError, VoidError) as error:
        return {"count": 0, "area": None, "left_out": {f"{job.region.name}: {error}": 1}}
    patches = cut_patches(lr, rule, keep_away_from=boxes, left_out=left_out)
    with (
        atomic_write(path) as temporary,
        PairWriter(temporary, patch_lr=rule.patch_lr, scale=rule.scale, attributes={}) as writer,
    ):
        count = writer.add_area(lr.area, patches)
    area = {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(lr.area).items()
    }
    return {"count": count, "area": area, "left_out": left_out}
