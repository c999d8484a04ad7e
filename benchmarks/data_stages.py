"""Measure `harmonise` and `pairs` on synthetic 1 arc-second tiles: speed, memory, disk, and resumption after a kill.

Runs each stage in fresh processes on N, 2N and 4N tiles; "all" columns extrapolate a run to the tiles of NASADEM.
Exits with 1 if results depend on the number of processes or on a kill, or if memory or bookkeeping grow too fast.
Needs 20 MB of disk for each of 4N tiles. CPU seconds are those of all processes, starting them included.

    python benchmarks/data_stages.py --tiles 8 --processes 1 2 --out data_stages.json
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import time
import zipfile
from functools import partial
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import fft

from demsr.dem.grid import Grid
from demsr.pairs.build import build_pairs, plan_pairs
from demsr.pairs.cut import CutRule
from demsr.pairs.degradations.block_mean import BlockMean
from demsr.pairs.split import boxes_within_gap, protected_boxes, split_raster
from demsr.runtime.files import sha256_of_file, write_json
from demsr.runtime.seeding import generator
from demsr.sources.harmonise import HarmoniseOptions, harmonise
from demsr.sources.manifest import describe_file

Row = dict[str, Any]
ALL_TILES = 14_520  # of NASADEM
NODES, CELLS = 3601, 1200  # along a side, of a tile and of its 3 arc-second result
OPTIONS = HarmoniseOptions(vertical_datum="EGM96", sea_level_m=0, min_water_km2=0.25, average_to_3arcsec=True)
RULE = CutRule(patch_lr=32, stride_hr=160, gap_lr=2, max_void_share=0.25, min_relief_m=1)
MAX_GROWTH = 1.1  # of peak memory, from N to 4N tiles
MAX_BOOKKEEPING_S = 60  # for all tiles
_CONTEXT = multiprocessing.get_context("spawn")
_PERIOD = 4096  # nodes, of the relief that all tiles are cut from


def make_tiles(folder: Path, count: int, *, kinds: int) -> list[Path]:
    """Write zipped .hgt tiles, side by side in rows of eight: fractal relief in whole metres, lakes, sea, voids.

    Terrain repeats after `kinds` tiles: memory depends on it, and must not depend on their number.
    """
    folder.mkdir()
    frequency = np.hypot(fft.fftfreq(_PERIOD)[:, None], fft.rfftfreq(_PERIOD)).astype(np.float32)
    frequency[0, 0] = np.inf
    real, imaginary = generator(0, "relief").standard_normal((2, *frequency.shape), np.float32)
    relief = fft.irfft2((real + 1j * imaginary) * frequency**-1.8, (_PERIOD, _PERIOD))
    relief *= 300 / relief.std()
    names = [f"N{10 + index // 8:02}E{10 + index % 8:03}" for index in range(count)]
    for index, name in enumerate(track(names, "make tiles")):
        random = generator(0, "tile", index % kinds)
        shifted = np.roll(relief, random.integers(_PERIOD, size=2), axis=(0, 1))[:NODES, :NODES]
        mean_m = (900, 300, 0)[index % kinds % 3]  # mountains, lowland with some sea, coast
        tile = np.maximum(np.rint(mean_m + shifted), 0).astype(">i2")
        row, col = random.integers(NODES - 261, size=2)
        around, offset = tile[row : row + 261, col : col + 261], np.arange(-130, 131)
        distance = np.hypot(offset[:, None], offset)
        around[distance < 120] = around[(distance >= 120) & (distance < 124)].min() - 1  # a lake below its shore
        for row, col in random.integers(NODES - 40, size=(6, 2)):
            tile[row : row + 40, col : col + 25] = -32768  # void
        with zipfile.ZipFile(folder / f"{name}.hgt.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(f"{name}.hgt", tile.tobytes())
    return [folder / f"{name}.hgt.zip" for name in names]


def harmonise_tiles(tiles: list[Path], place: Path, processes: int) -> None:
    """Run the work of the stage `harmonise`."""
    entries = [describe_file(path) for path in tiles]
    harmonise(entries, place / "harmonise", OPTIONS, work=place / "work harmonise", processes=processes)


def pair_tiles(tiles: list[Path], place: Path, processes: int) -> None:
    """Run the work of the stage `pairs`."""
    names = [path.name.removesuffix(".hgt.zip") for path in tiles]
    rasters = [place / "harmonise" / f"{name}.tif" for name in names]
    plan = plan_pairs(rasters, _splitter(names), domain="land", scale_free=False, degradations=[BlockMean()])
    work = place / "work pairs"
    build_pairs(plan, place / "pairs", RULE, all_regions=plan.regions, work=work, processes=processes)


STAGES = {"harmonise": (harmonise_tiles, NODES), "pairs": (pair_tiles, CELLS)}  # with the side of the input


def measured(stage: str, tiles: list[Path], place: Path, processes: int) -> Row:
    """Run a stage in a separate process and return time, memory and disk use."""
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    child = _CONTEXT.Process(target=_run, args=(stage, tiles, place, processes, theirs))
    child.start()
    theirs.close()
    run: Row = ours.recv()
    child.join()
    kept_mb, pieces_mb = (_size_mb(place / name) for name in (stage, f"work {stage}"))
    written_mb = kept_mb + pieces_mb * (stage == "pairs")  # harmonised rasters are links to those in work
    rate, more = len(tiles) / run["wall s"] * 1e-6, ALL_TILES / len(tiles)
    return {
        "stage": stage,
        "tiles": len(tiles),
        "processes": processes,
        **run,
        "HR Mpx/s": rate * CELLS**2,
        "input Mpx/s": rate * STAGES[stage][1] ** 2,
        "written MB": written_mb,
        "all: h": more * run["wall s"] / 3600,
        "CPU h": more * run["CPU s"] / 3600,
        "kept GB": more * kept_mb / 1e3,
        "written GB": more * written_mb / 1e3,
    }


def interrupted(stage: str, tiles: list[Path], place: Path, processes: int) -> Row:
    """Kill a stage and its workers after a third of the tiles, run it again, and return how many tiles were kept."""
    child = _CONTEXT.Process(target=_run, args=(stage, tiles, place, processes, None))
    child.start()
    while len(_done(place / f"work {stage}")) < len(tiles) / 3 and child.is_alive():
        time.sleep(0.002)
    os.killpg(child.pid or 0, signal.SIGKILL)
    child.join()
    before, again = _done(place / f"work {stage}"), measured(stage, tiles, place, processes)
    kept = len(before & _done(place / f"work {stage}"))
    counts = {"tiles": len(tiles), "done at the kill": len(before), "kept": kept}
    return {"stage": stage, "processes": processes, **counts, "wall s of the second run": again["wall s"]}


def bookkeeping(count: int) -> Row:
    """Return the CPU seconds for splitting 1-degree regions and finding the held-out neighbours of each."""
    begin, degree = time.process_time(), {"rows": CELLS, "cols": CELLS, "crs": "EPSG:4326"}
    size = {"pixel_width": 1 / CELLS, "pixel_height": 1 / CELLS}
    grids = [Grid(west=index % 360 - 180, north=index // 360, **size, **degree) for index in range(count)]
    names = [f"{grid.north} {grid.west}" for grid in grids]
    splitter = _splitter(names)
    regions = [region for name, grid in zip(names, grids, strict=True) for region in splitter(name, name, grid)]
    held_out = protected_boxes(regions, "train")
    near = [boxes_within_gap(region.grid, held_out, gap_lr=RULE.gap_lr, scale=RULE.scale) for region in regions]
    return {"regions": count, "held-out neighbours": sum(map(len, near)), "CPU s": time.process_time() - begin}


def main() -> None:
    """Print the measurements and exit with 1 if a guarantee is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=8, help="N, of the smallest run")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, help="JSON to write")
    chosen = parser.parse_args()
    runs, memory, results, fewest = [], [], {}, chosen.tiles
    with tempfile.TemporaryDirectory() as folder:
        tiles, counts = make_tiles(Path(folder) / "tiles", 4 * fewest, kinds=fewest), (fewest, 2 * fewest, 4 * fewest)
        for processes, count in product(chosen.processes, counts):
            place = Path(folder) / "place"
            runs += [measured(stage, tiles[:count], place, processes) for stage in STAGES]
            results[count, processes] = _digests(place)
            shutil.rmtree(place)
        kills = [interrupted(stage, tiles[:fewest], place, max(chosen.processes)) for stage in STAGES]
        results[fewest, "killed"] = _digests(place)
    for stage, processes in product(STAGES, chosen.processes):
        of = [run for run in runs if (run["stage"], run["processes"]) == (stage, processes)]
        for process in ("main", "worker")[: 1 + (processes > 1)]:
            peaks = {f"{run['tiles']} tiles": run[f"{process} peak MB"] for run in of}
            growth = peaks[f"{4 * fewest} tiles"] / peaks[f"{fewest} tiles"]
            memory.append({"stage": stage, "processes": processes, "of": process, **peaks, "growth": growth})
    books = [bookkeeping(count) for count in (ALL_TILES // 4, ALL_TILES)]
    report = {"runs": runs, "peak memory, MB": memory, "killed and run again": kills, "bookkeeping": books}
    guarantees = {
        "same bytes with any number of processes and after a kill": len(set(results.values())) == len(counts),
        "tiles finished before a kill are kept": all(
            0 < kill["done at the kill"] == kill["kept"] < fewest for kill in kills
        ),
        f"peaks grow by less than {MAX_GROWTH - 1:.0%}": all(row["growth"] < MAX_GROWTH for row in memory),
        f"bookkeeping takes less than {MAX_BOOKKEEPING_S} s": books[-1]["CPU s"] < MAX_BOOKKEEPING_S,
    }
    _print(report, guarantees)
    if chosen.out is not None:
        write_json(chosen.out, {**report, "guarantees": guarantees})
    raise SystemExit(not all(guarantees.values()))


def _run(stage: str, tiles: list[Path], place: Path, processes: int, pipe: Connection | None) -> None:
    """Run a stage as leader of a process group, so that its workers can be killed with it, and send time and memory."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    wall, cpu = time.perf_counter(), _cpu_s()
    STAGES[stage][0](tiles, place, processes)
    took = {"wall s": time.perf_counter() - wall, "CPU s": _cpu_s() - cpu}
    peak_kib = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    worker_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (processes > 1)
    if pipe is not None:
        pipe.send({**took, "main peak MB": peak_kib * 1024e-6, "worker peak MB": worker_kib * 1024e-6})


def _cpu_s() -> float:
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _splitter(names: list[str]) -> Any:
    """Return a splitter that holds out every eighth tile for validation and as many for the test, by name."""
    held_out = {"valid": names[1::8], "test": names[2::8]}
    return partial(split_raster, method="files", quadrant_splits=(), gap_lr=RULE.gap_lr, scale=RULE.scale, **held_out)


def _done(work: Path) -> set[tuple[str, int, int]]:
    """Return name, inode and modification time of the note that completes each tile."""
    return {(path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in work.glob("[!.]*.json")}


def _digests(place: Path) -> tuple[str, ...]:
    return tuple(sha256_of_file(path) for stage in STAGES for path in sorted((place / stage).iterdir()))


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir()) * 1e-6


def _print(report: dict[str, list[Row]], guarantees: dict[str, bool]) -> None:
    console = Console()
    for title, rows in report.items():
        table = Table(*rows[0], title=title)
        for row in rows:
            table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
        console.print(table)
    for guarantee, holds in guarantees.items():
        console.print(f"{'kept' if holds else 'BROKEN'}: {guarantee}", highlight=False)


if __name__ == "__main__":
    main()
