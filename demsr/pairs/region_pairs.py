"""The pairs of one region of one raster: where its HR and its LR come from, by kind of degradation."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from demsr.dem.average import average, finer_than
from demsr.dem.dem import Dem
from demsr.dem.grid import Box, Grid, describe_spacing
from demsr.dem.read.declared import Declared
from demsr.dem.read.gdal import raster_name
from demsr.dem.read.header import read_header
from demsr.dem.read.raster import read_dem, read_elevation
from demsr.errors import GridError, VoidError
from demsr.pairs.coregister import Coregistration, coregister
from demsr.pairs.cut import CutRule, GivenLr, cut_patches
from demsr.pairs.degrade import block_mean
from demsr.pairs.fitted import DegradationModel, fit_degradation
from demsr.pairs.split import Boxes, Region, boxes_near
from demsr.pairs.store import BLOCK_MEAN, FITTED, Area, PairWriter
from demsr.runtime.files import atomic_write, read_json, sha256_of_file, write_json
from demsr.runtime.fingerprint import work_key
from demsr.runtime.seeding import generator

_GROSS_SHARE = 0.01  # of cells, with the largest differences: blunders of either survey, which no model explains
_CODE = ("dem", "pairs", "runtime/seeding.py")


@dataclass(frozen=True)
class LrFile:
    """A real LR grid and, where there is one, the grid of its source types.

    Attributes
    ----------
    vertical_datum : for a file that names none
    sha256 : of both files
    assumptions : what had to be taken for granted about the LR grid
    """

    path: Path
    tid: Path | None
    vertical_datum: str
    declared: Declared
    sha256: str = ""
    assumptions: tuple[str, ...] = ()


def lr_files(
    grids: Sequence[Path], tids: Sequence[Path], *, vertical_datum: str, declared: Mapping[str, Declared]
) -> list[LrFile]:
    """Put real LR grids and grids of source types together, those of the same cells."""
    by_cells = {_cells(read_header(path).grid): path for path in tids}
    files = []
    for path in grids:
        said = declared.get(raster_name(path), Declared())
        header = read_header(path, said)
        tid = by_cells.get(_cells(header.grid))
        sha256 = "".join(sha256_of_file(file) for file in (path, tid) if file)
        files.append(LrFile(path, tid, vertical_datum, said, sha256, header.assumptions))
    return files


@dataclass(frozen=True)
class Job:
    """A region, and where its LR comes from; `lr` belongs to real pairs and `model` to fitted ones."""

    raster: Path
    region: Region
    degradation: str
    lr: LrFile | None = None
    model: DegradationModel | None = None


@dataclass(frozen=True)
class Piece:
    """What a job gave.

    Attributes
    ----------
    path : its pairs, None where it has none
    count : of pairs
    area : description, None where it could not be made
    left_out : reasons and how often
    """

    path: Path | None
    count: int
    area: dict[str, Any] | None
    left_out: dict[str, int]


def make_piece(job: Job, *, rule: CutRule, protected: Mapping[str, Boxes], seed: int, work: Path) -> Piece:
    """Write the pairs of a job to a file of its own, unless that was done before.

    Parameters
    ----------
    rule : of training; patches for validation and test do not overlap
    protected : by split, outlines that its patches must keep away from
    seed : base seed, for soundings
    work : folder of finished pieces
    """
    split = job.region.split
    near = boxes_near(_within_reach(job, rule.scale), protected[split], gap_lr=rule.gap_lr, scale=rule.scale)
    chosen = rule if split == "train" else replace(rule, stride_hr=rule.patch_lr * rule.scale)
    identity = [asdict(job), asdict(chosen), near, seed, _sha256_of(job.raster, job.raster.stat().st_mtime_ns)]
    path = work / f"{work_key(identity, code=_CODE)}.h5"
    if not _is_finished(path):
        left_out: Counter[str] = Counter()
        area, count = _write(job, chosen, near, seed, path, left_out)
        done = {"count": count, "area": None if area is None else _json(asdict(area)), "left_out": left_out}
        write_json(path.with_suffix(".json"), done)  # last: what it speaks of is there
    found = read_json(path.with_suffix(".json"))
    return Piece(path if found["count"] else None, **found)


@lru_cache(maxsize=4)
def _sha256_of(path: Path, _: int) -> str:
    """Hash a raster once for all its regions, which come one after the other."""
    return sha256_of_file(path)


def _is_finished(path: Path) -> bool:
    note = path.with_suffix(".json")
    return note.is_file() and (path.is_file() or not read_json(note)["count"])


def _within_reach(job: Job, scale: int) -> Grid:
    """Return HR cells of a patch's size wherever patches can lie: cells of real LR may reach beyond the region."""
    if job.lr is None:
        return job.region.grid
    lr = read_header(job.lr.path, job.lr.declared).grid
    if not lr.is_geographic:
        return job.region.grid
    west, south, east, north = job.region.grid.lonlat_bounds()
    rows, cols = math.ceil((north - south) / lr.pixel_height) + 2, math.ceil((east - west) / lr.pixel_width) + 2
    around = replace(lr, rows=rows, cols=cols, west=west - lr.pixel_width, north=north + lr.pixel_height)
    return around.refine(scale)


def _write(
    job: Job, rule: CutRule, near: Sequence[Box], seed: int, path: Path, left_out: Counter[str]
) -> tuple[Area | None, int]:
    try:
        dem, region, given, area = _terrain(job, rule.scale, seed)
    except (GridError, VoidError) as error:
        left_out[f"{job.region.name}: {error}"] += 1
        return None, 0
    patches = cut_patches(dem, region, rule, keep_away_from=near, left_out=left_out, given=given)
    with (
        atomic_write(path) as temporary,
        PairWriter(temporary, patch_lr=rule.patch_lr, scale=rule.scale, attributes={}) as writer,
    ):
        count = writer.append(area, patches)
    return area, count


def _terrain(job: Job, scale: int, seed: int) -> tuple[Dem, Region, GivenLr | None, Area]:
    """Return HR, the region in it, its LR if that is not the mean of HR, and what is to be known of both."""
    region, name = job.region, job.region.name
    dem = read_dem(job.raster, require_datum=True)
    if job.degradation == BLOCK_MEAN:
        return dem, region, None, Area.of(name, dem)
    part = dem.window(region.row, region.col, region.grid.rows, region.grid.cols)
    if job.degradation == FITTED:
        return dem, region, *_fitted(job, part, scale, seed)
    return _real(job, part, replace(region, row=0, col=0), scale)


def _fitted(job: Job, part: Dem, scale: int, seed: int) -> tuple[GivenLr, Area]:
    assert job.model is not None
    name, model = job.region.name, job.model
    rows, cols = (side // scale * scale for side in part.elevation_m.shape)
    means = block_mean(part.elevation_m[:rows, :cols], scale=scale)
    lr = model.degrade(means, random=generator(seed, "soundings", name))
    words = f"blur {model.blur_lr_px:.3g} LR px, {model.sounding_share:.1%} sounded, steps of {model.rounding_m:g} m"
    return GivenLr(lr), Area.of(f"{name}, fitted degradation", part, degradation=FITTED, lr_source=words)


def _real(job: Job, part: Dem, own: Region, scale: int) -> tuple[Dem, Region, GivenLr, Area]:
    """Lay HR on the cells of a real LR grid, moved and raised as co-registration found.

    Raises
    ------
    GridError : the two do not fit, have too few cells in common, or lie too far apart for co-registration
    """
    assert job.lr is not None
    bounds, lr_file = part.grid.lonlat_bounds(), job.lr
    lr = read_dem(lr_file.path, declared=lr_file.declared, vertical_datum=lr_file.vertical_datum, within=bounds)
    hr, found = laid_on(lr, part, scale=scale)
    tid = None if lr_file.tid is None else read_elevation(read_header(lr_file.tid), within=bounds)[0]
    area = Area.of(
        f"{own.name}, LR {raster_name(lr_file.path)}",
        hr,
        degradation=job.degradation,
        lr_source=lr.source,
        coregistration=found.verdict,
        east_m=found.shift_m[0],
        north_m=found.shift_m[1],
        bias_m=found.bias_m,
        std_before_m=found.std_before_m,
        std_after_m=found.std_after_m,
    )
    return hr, replace(own, grid=hr.grid), GivenLr(lr.elevation_m, tid), area


def laid_on(lr: Dem, hr: Dem, *, scale: int = 5) -> tuple[Dem, Coregistration]:
    """Bring HR onto the cells of a real LR grid, scale x scale in each, moved and raised as co-registration finds.

    Raises
    ------
    GridError : the two do not fit, have too few cells in common, or lie too far apart for co-registration
    """
    lr = replace(lr, grid=replace(lr.grid, crs=_common_crs(hr.grid, lr.grid)))
    target = lr.grid.refine(scale)
    if finer_than(target, hr.grid):
        message = f"coarser than a {scale}th of the cells of {lr.source}"
        raise GridError(message)
    found = coregister(lr, hr)
    if found.unusable:
        raise GridError(found.verdict)
    moved = average(hr, target, shift_m=found.shift_m).without(
        np.kron(np.isnan(lr.elevation_m), np.ones((scale, scale), np.bool_))
    )
    laid = replace(
        moved,
        elevation_m=moved.elevation_m + np.float32(found.bias_m),
        vertical_datum=lr.vertical_datum,
        source=f"{hr.source} (laid on LR from {describe_spacing(hr.grid)})",
    )
    return laid, found


def fitted_model(lr: Dem, hr: Dem) -> tuple[DegradationModel, Coregistration]:
    """Fit what lies between the block means of HR, laid on a real LR grid, and that grid; the worst cells are left out.

    Raises
    ------
    GridError : the two do not fit, or lie further apart than co-registration may bridge
    VoidError : too few cells are measured in both
    """
    lr = replace(lr, grid=replace(lr.grid, crs=_common_crs(hr.grid, lr.grid)))
    if finer_than(lr.grid, hr.grid):
        message = f"{hr.source} is coarser than {lr.source}; give LR first and HR second"
        raise GridError(message)
    found = coregister(lr, hr)
    if found.unusable:
        message = f"{lr.source} and {hr.source}: {found.verdict}; give rasters of the same ground"
        raise GridError(message)
    means = average(hr, lr.grid, shift_m=found.shift_m)
    difference = np.abs(lr.elevation_m - means.elevation_m - found.bias_m)
    gross = difference > np.nanquantile(difference, 1 - _GROSS_SHARE)
    return fit_degradation(np.where(gross, np.nan, lr.elevation_m), means.elevation_m), found


def _cells(grid: Grid) -> tuple[int, ...]:
    """Return size and place, to a hundredth of a cell."""
    west, north = (round(100 * place) for place in (grid.west / grid.pixel_width, grid.north / grid.pixel_height))
    return grid.rows, grid.cols, west, north


def _common_crs(hr: Grid, lr: Grid) -> str:
    """Return the geographic CRS of HR for both: on the ground, those near WGS 84 differ by less than a pixel shows."""
    for grid in (hr, lr):
        if not grid.is_near_wgs84:
            message = f"its CRS {grid.crs[:60]!r} lies metres from WGS 84; warp it to WGS 84 first, as with gdalwarp"
            raise GridError(message)
    if not lr.is_geographic:
        message = f"the LR grid is in {lr.crs[:60]!r}; warp it to longitude and latitude first, as with gdalwarp"
        raise GridError(message)
    return hr.geographic_crs


def _json(area: dict[str, Any]) -> dict[str, Any]:
    """Return values that JSON has: it has no NaN."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in area.items()}
