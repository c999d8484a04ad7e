"""Harmonised rasters: north-up float32 metres above a named datum, with water and voids as NaN."""

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
from demsr.dem.dem import Dem, check_product_range
from demsr.dem.geoid import convert_datum
from demsr.dem.geotiff import write_dem
from demsr.dem.grid import Grid, describe_spacing
from demsr.dem.read.declared import DECLARED_PREFIX
from demsr.dem.read.gdal import raster_name
from demsr.dem.read.raster import read_raster
from demsr.dem.water import find_water, read_water_mask
from demsr.errors import GridError, ParamsError, RasterError, VoidError
from demsr.runtime.files import sha256_of_folder
from demsr.runtime.fingerprint import work_key
from demsr.runtime.notes import read_note, write_note
from demsr.runtime.processes import parallel_map
from demsr.sources.manifest import InputFile, declared_for, verified_path

WRITTEN = "written"
_CODE = ("dem", "sources/harmonise.py", "sources/manifest.py")


@dataclass(frozen=True, kw_only=True)
class HarmoniseOptions:
    """How the rasters of a domain are read and converted.

    Attributes
    ----------
    vertical_datum : datum of files that name none
    declared : raster name -> properties that the user declares, keyword arguments of `Declared`
    convert_to : datum that elevations are converted to; None keeps the datum of each file
    geoid_grids, proj_network : see `convert_datum`
    sea_level_m, min_water_km2 : see `find_water`; None as area keeps water as elevations
    average_to_3arcsec : average finer rasters onto the 3 arc-second grid
    sea_floor : most elevations should be below zero
    """

    vertical_datum: str
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    convert_to: str | None = None
    geoid_grids: Path | None = None
    proj_network: bool = False
    sea_level_m: float | None = None
    min_water_km2: float | None = None
    average_to_3arcsec: bool = False
    sea_floor: bool = False


@dataclass(frozen=True)
class HarmoniseRecord:
    """Result for one file.

    Attributes
    ----------
    name : name of the raster
    result : WRITTEN, or why the raster was left out
    stored : driver, layer and data type of the file
    grid : grid in words
    vertical_datum : datum of the harmonised raster
    void_percent : share of void pixels
    assumptions : properties that the file does not state
    """

    name: str
    result: str
    stored: str
    grid: str
    vertical_datum: str
    void_percent: float
    assumptions: list[str]


def harmonise(
    entries: Sequence[InputFile],
    folder: Path,
    options: HarmoniseOptions,
    *,
    work: Path,
    processes: int | Literal["auto"] = 1,
    description: str = "harmonise",
) -> list[HarmoniseRecord]:
    """Harmonise files into a folder and return their records in order.

    Parameters
    ----------
    entries : input files
    folder : folder of the harmonised rasters, which keep their names
    options : how the files are read and converted
    work : folder of finished rasters, from which an interrupted run resumes
    processes : number of processes, "auto" for one per CPU
    description : label of the progress bar
    """
    geoid_sha256 = sha256_of_folder(options.geoid_grids) if options.geoid_grids else ""
    # keys are computed once: the code may be edited during the run
    places = [_work_path(entry, work, options, geoid_sha256) for entry in entries]
    tasks = list(zip(entries, places, strict=True))
    records = list(
        parallel_map(partial(_harmonise_file, options=options), tasks, processes=processes, description=description)
    )
    folder.mkdir(parents=True, exist_ok=True)
    for place, record in zip(places, records, strict=True):
        if record.result == WRITTEN:
            _link(place, folder / f"{record.name}.tif")
    return records


def check_declared(declared: Collection[str], entries: Iterable[InputFile]) -> None:
    """Raise ParamsError if properties are declared for a file that is not an input.

    Parameters
    ----------
    declared : names of rasters
    entries : input files
    """
    if unknown := sorted(set(declared) - {entry.name for entry in entries}):
        message = f"params.yaml: harmonise.files names {', '.join(unknown)}; there is no such file, correct the name"
        raise ParamsError(message)


def summarise(records: Sequence[HarmoniseRecord]) -> dict[str, Any]:
    """Return counts of results and of assumptions."""
    results = Counter(record.result for record in records)
    texts = (text for record in records for text in record.assumptions if not text.startswith(DECLARED_PREFIX))
    assumptions = Counter(re.sub(r"(?<![\w.])-?\d+(\.\d+)?(?=[ ,;]|$)", "N", text) for text in texts)
    return {"files": dict(sorted(results.items())), "assumed": dict(sorted(assumptions.items()))}


def harmonise_raster(
    path: Path, options: HarmoniseOptions, entry: InputFile | None = None
) -> tuple[Dem, HarmoniseRecord]:
    """Read and convert one raster.

    Parameters
    ----------
    path : raster file
    options : how the file is read and converted
    entry : its manifest entry, with the name and the properties of its data sheet

    Returns
    -------
    dem, record : harmonised raster and its record
    """
    name = entry.name if entry else raster_name(path)
    declared = declared_for(name, options.declared, entry)
    reading = read_raster(path, declared=declared, vertical_datum=options.vertical_datum)
    dem, notes, header = reading.dem, list(reading.assumptions), reading.header
    if entry and entry.product:
        check_product_range(dem, entry.range_m, str(path))
        dem = replace(dem, source=name)
    if options.sea_floor and np.nanmean(dem.elevation_m > 0) > np.nanmean(dem.elevation_m <= 0):
        notes.append(
            "sign: most elevations are above 0, as in files of depths; if they are depths, declare positive: down"
        )
    if options.min_water_km2 is not None:
        mask = read_water_mask(path, dem)
        if mask is None:
            mask = find_water(dem, sea_level_m=options.sea_level_m, min_area_km2=options.min_water_km2)
        dem = dem.without(mask)
    if options.convert_to is not None:
        dem = convert_datum(dem, options.convert_to, grids=options.geoid_grids, network=options.proj_network)
    result = WRITTEN if dem.valid.any() else "left out: no pixel measured"
    if options.average_to_3arcsec and result == WRITTEN:
        dem, result = _averaged(dem)
    return dem, HarmoniseRecord(
        name=name,
        result=result,
        stored=f"{header.driver}, {header.layer}, {header.dtype}",
        grid=describe_grid(dem.grid),
        vertical_datum=dem.stated_datum,
        void_percent=round(100 * float((~dem.valid).mean()), 3),
        assumptions=notes,
    )


def describe_grid(grid: Grid) -> str:
    """Return size, spacing, registration and CRS of a grid in words."""
    unit = "arcsec" if grid.is_geographic else "CRS units"
    width, height = grid.pixel_size_arcsec() if grid.is_geographic else (grid.pixel_width, grid.pixel_height)
    crs = grid.crs if grid.crs.startswith("EPSG") else "a CRS of its own"
    return f"{grid.rows} x {grid.cols} at {width:.6g} x {height:.6g} {unit}, pixel is {grid.registration}, {crs}"


def _harmonise_file(task: tuple[InputFile, Path], *, options: HarmoniseOptions) -> HarmoniseRecord:
    """Harmonise one file into the work folder, unless an earlier run has done so."""
    entry, place = task
    note = place.with_suffix(".json")
    if (found := read_note(note, place)) is not None:
        return HarmoniseRecord(**found)
    try:
        dem, record = harmonise_raster(verified_path(entry), options, entry)
    except (RasterError, VoidError) as error:
        if not entry.product:
            raise
        message = f"{entry.name}: {error}; it came from {entry.origin}, delete {entry.place} to download it again"
        raise RasterError(message) from error
    if record.result == WRITTEN:
        write_dem(place, dem)
    write_note(note, asdict(record), place)
    return record


def _work_path(entry: InputFile, work: Path, options: HarmoniseOptions, geoid_sha256: str = "") -> Path:
    """Return the path of a finished raster, unique to file, options and code."""
    declared = asdict(declared_for(entry.name, options.declared, entry))
    values = {**asdict(replace(options, declared={})), "declared": declared, "geoid grids": geoid_sha256}
    return work / f"{entry.name}.{work_key([entry.sha256, values], code=_CODE)}.tif"


def _averaged(dem: Dem) -> tuple[Dem, str]:
    """Average finer rasters onto the 3 arc-second grid; others keep their grid."""
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


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
