"""Bring rasters of any kind to one kind: north-up float32 metres, a named datum, water and voids as NaN."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from demsr.dem.average import average, finer_than, product_grid
from demsr.dem.dem import Dem, check_product_range, write_dem
from demsr.dem.geoid import convert_datum
from demsr.dem.grid import Grid, describe_spacing
from demsr.dem.read.header import DECLARED, Declared, raster_name
from demsr.dem.read.raster import read_raster
from demsr.dem.water import find_water, read_water_mask
from demsr.errors import GridError, ParamsError, RasterError, VoidError
from demsr.params import Harmonise
from demsr.runtime.files import read_json, sha256_of_folder, write_json
from demsr.runtime.fingerprint import work_key
from demsr.runtime.processes import parallel_map
from demsr.sources.local import InputFile, checked_path

WRITTEN = "written"
_CODE = ("dem", "sources/harmonise.py", "sources/local.py")


@dataclass(frozen=True, kw_only=True)
class HarmoniseOptions:
    """How the rasters of a domain are read.

    Attributes
    ----------
    vertical_datum : for files that name none
    declared : what single files do not say or say wrongly, by name without suffix
    convert_to : datum that heights are brought to; None keeps each file's own
    geoid_grids, proj_network : see `convert_datum`
    sea_level_m, min_water_km2 : see `find_water`; no area keeps water as it is
    average_to_3arcsec : average rasters of finer spacing onto the grid of the product
    sea_floor : most heights are expected below zero
    geoid_grids_sha256 : of what lies in `geoid_grids`
    """

    vertical_datum: str
    declared: Mapping[str, Declared] = field(default_factory=dict)
    convert_to: str | None = None
    geoid_grids: Path | None = None
    proj_network: bool = False
    sea_level_m: float | None = None
    min_water_km2: float | None = None
    average_to_3arcsec: bool = False
    sea_floor: bool = False
    geoid_grids_sha256: str = ""


@dataclass(frozen=True)
class HarmoniseRecord:
    """What became of one file: `result` is WRITTEN or why it was left out."""

    name: str
    result: str
    stored: str
    grid: str
    vertical_datum: str
    void_percent: float
    assumptions: list[str]


def declared_files(section: Harmonise) -> dict[str, Declared]:
    """Return what params.yaml says about single files, by name without suffix."""
    return {name: Declared(**file.model_dump()) for name, file in section.files.items()}


def recipe_of(section: Harmonise, domain: str) -> HarmoniseOptions:
    """Return the recipe that params.yaml asks for."""
    common: dict[str, Any] = {
        "declared": declared_files(section),
        "geoid_grids": section.geoid_grids,
        "proj_network": section.proj_network,
        "geoid_grids_sha256": sha256_of_folder(section.geoid_grids) if section.geoid_grids else "",
    }
    return HarmoniseOptions(**getattr(section, domain).model_dump(), sea_floor=domain == "marine", **common)


def harmonise(
    entries: Sequence[InputFile],
    folder: Path,
    recipe: HarmoniseOptions,
    *,
    work: Path,
    processes: int | Literal["auto"] = 1,
    description: str = "harmonise",
) -> list[HarmoniseRecord]:
    """Write each raster to `folder` under its own name and return what became of each, in order.

    Parameters
    ----------
    work : where finished rasters wait until all are done, so that an interrupted run goes on from there
    """
    places = [_waiting(entry, work, recipe) for entry in entries]  # named once: the code may be edited meanwhile
    tasks = list(zip(entries, places, strict=True))
    records = list(parallel_map(partial(_finished, recipe=recipe), tasks, processes=processes, description=description))
    folder.mkdir(parents=True, exist_ok=True)
    for place, record in zip(places, records, strict=True):
        if record.result == WRITTEN:
            _link(place, folder / f"{record.name}.tif")
    return records


def check_declared(declared: Collection[str], entries: Iterable[InputFile]) -> None:
    """Raise ParamsError if something is declared about a file that is not among the input."""
    names = {entry.name for entry in entries}
    if unknown := sorted(set(declared) - names):
        message = f"params.yaml: harmonise.files names {', '.join(unknown)}; there is no such file, correct the name"
        raise ParamsError(message)


def summarised(records: Sequence[HarmoniseRecord]) -> dict[str, Any]:
    """Count results, and how often each assumption was made."""
    results = Counter(record.result for record in records)
    noted = (text for record in records for text in record.assumptions)
    assumptions = Counter(_kind(text) for text in noted if not text.startswith(DECLARED))
    return {"files": dict(sorted(results.items())), "assumed": dict(sorted(assumptions.items()))}


def harmonised(path: Path, recipe: HarmoniseOptions, entry: InputFile | None = None) -> tuple[Dem, HarmoniseRecord]:
    """Read one raster and bring it to the common kind.

    Parameters
    ----------
    entry : its name, and what the data sheet of its product says; params.yaml overrides that
    """
    name = entry.name if entry else raster_name(path)
    reading = read_raster(
        path, declared=declared_of(name, entry, recipe.declared), vertical_datum=recipe.vertical_datum
    )
    dem, notes = reading.dem, list(reading.assumptions)
    if entry and entry.product:
        check_product_range(dem, entry.range_m, str(path))
        dem = replace(dem, source=name)
    if recipe.sea_floor and np.nanmean(dem.elevation_m > 0) > np.nanmean(dem.elevation_m <= 0):
        notes.append(
            "sign: most heights are above 0, as depths are that count downwards; if so, declare positive: down"
        )
    if recipe.min_water_km2 is not None:
        mask = read_water_mask(path, dem)
        if mask is None:
            mask = find_water(dem, sea_level_m=recipe.sea_level_m, min_area_km2=recipe.min_water_km2)
        dem = dem.without(mask)
    if recipe.convert_to is not None:
        dem = convert_datum(dem, recipe.convert_to, grids=recipe.geoid_grids, network=recipe.proj_network)
    result = WRITTEN if dem.valid.any() else "left out: no pixel measured"
    if recipe.average_to_3arcsec and result == WRITTEN:
        dem, result = _averaged(dem)
    record = HarmoniseRecord(
        name=name,
        result=result,
        stored=f"{reading.header.driver}, {reading.header.layer}, {reading.header.dtype}",
        grid=described(dem.grid),
        vertical_datum=dem.vertical_datum,
        void_percent=round(100 * float((~dem.valid).mean()), 3),
        assumptions=notes,
    )
    return dem, record


def described(grid: Grid) -> str:
    """Return the size, spacing, registration and CRS of a grid in words."""
    unit = "arcsec" if grid.is_geographic else "CRS units"
    width, height = grid.pixel_size_arcsec() if grid.is_geographic else (grid.pixel_width, grid.pixel_height)
    crs = grid.crs if grid.crs.startswith("EPSG") else "a CRS of its own"
    return f"{grid.rows} x {grid.cols} at {width:.6g} x {height:.6g} {unit}, pixel is {grid.registration}, {crs}"


def _finished(task: tuple[InputFile, Path], *, recipe: HarmoniseOptions) -> HarmoniseRecord:
    """Harmonise one file to where it waits, unless that was done before."""
    entry, waiting = task
    note = waiting.with_suffix(".json")
    if note.is_file():
        record = HarmoniseRecord(**read_json(note))
        if record.result != WRITTEN or waiting.is_file():
            return record
    try:
        dem, record = harmonised(checked_path(entry), recipe, entry)
    except (RasterError, VoidError) as error:
        if not entry.product:
            raise
        message = f"{entry.name}: {error}; it came from {entry.origin}, delete {entry.place} to fetch it again"
        raise RasterError(message) from error
    if record.result == WRITTEN:
        write_dem(waiting, dem)
    write_json(note, asdict(record))  # last: what it speaks of is there
    return record


def declared_of(name: str, entry: InputFile | None, by_user: Mapping[str, Declared]) -> Declared:
    """Return what is declared of a file: by its user, else by the data sheet of its product."""
    sheet = entry.declared if entry else {}
    said = {key: value for key, value in asdict(by_user.get(name, Declared())).items() if value is not None}
    return Declared(**{**sheet, **said})


def _waiting(entry: InputFile, work: Path, recipe: HarmoniseOptions) -> Path:
    own = {**asdict(replace(recipe, declared={})), "declared": asdict(declared_of(entry.name, entry, recipe.declared))}
    return work / f"{entry.name}.{work_key([entry.sha256, own], code=_CODE)}.tif"


def _averaged(dem: Dem) -> tuple[Dem, str]:
    """Average onto the 3 arc-second grid what is finer; leave the rest on its own grid."""
    if dem.grid.is_three_arcsec:
        return dem, WRITTEN
    try:
        target = product_grid(dem.grid)
    except GridError:
        return dem, "left out: smaller than a cell of 3 arc-seconds"
    if finer_than(target, dem.grid):
        return dem, WRITTEN
    mean = average(dem, target)
    mean = replace(mean, source=f"{dem.source} (from {describe_spacing(dem.grid)})")
    return mean, WRITTEN if mean.valid.any() else "left out: no cell of 3 arc-seconds is half measured"


def _kind(assumption: str) -> str:
    """Return an assumption without its numbers, for counting."""
    return re.sub(r"(?<![\w.])-?\d+(\.\d+)?(?=[ ,;]|$)", "N", assumption)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
