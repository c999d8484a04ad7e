"""Fuzz test of the file readers: reading a damaged file may only raise errors that demsr declares. Needs Linux.

Each file is read in its own process; the exit status is 1 if one crashes, hangs, raises another error, or makes the
reader open a file outside its folder or connect to a server ("left"): some files are written to try just that. File i
of a seed is the same for any count; `--keep` copies the files that failed or made a library print ("noisy").

    python benchmarks/fuzz.py --count 5000 --seed 1 --out fuzz.json --keep wrong_files
"""

import contextlib
import faulthandler
import gzip
import multiprocessing
import os
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import rasterio
import typer
from rasterio.transform import Affine
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))  # writers of small files
import mindspore_files
from outside import Outside, outside, plain, pointing_files, simple_source, vrt
from raster_files import write_ascii, write_hgt, write_netcdf
from synthetic import rough, write_pairs, write_raw

from demsr.dem.dem import HIGHEST_M, LOWEST_M
from demsr.dem.read.raster import read_raster
from demsr.errors import DemsrError, PairsError
from demsr.model.mindspore import import_mindspore
from demsr.pairs.import_pairs import import_pairs
from demsr.pairs.pair_file import PairFile
from demsr.runtime.files import write_json
from demsr.sources.external_pairs import PAIR_FILES, find_external_pairs

RIGHT, WRONG = ("read", "refused", "noisy"), ("defect", "died", "hung", "left")  # noisy: correct, but a library printed
_BREAKS = ("truncate", "repeat", "remove", "splice", *("flip", "overwrite", "digits", "number") * 2)
_NUMBERS = (0, 1, 0x7F, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 10**9, 2**40, 2**63 - 1, 2**64 - 1)
_SUFFIXES = (".hgt", ".nc", ".tif", ".asc", ".grd", ".bag", ".img", ".bil", ".vrt", ".dt0", ".gz", ".h5", ".ckpt")
POINTING = "points elsewhere"
_CONTEXT = multiprocessing.get_context("forkserver")  # equal state and a fast start for each process
_CONTEXT.set_forkserver_preload(["benchmarks.fuzz"])  # run from the root of the project


class Outcome(NamedTuple):
    """Outcome of reading a file: a word of `RIGHT` or `WRONG`, its reason, additional memory, and time."""

    verdict: str
    detail: str
    extra_mib: float = 0.0
    seconds: float = 0.0


def whole_files(folder: Path, there: Outside) -> dict[str, list[Path]]:
    """Write undamaged files of each kind, each in a folder of its own with the files that belong to it."""
    lon, lat, heights = 10 + (np.arange(60) + 0.5) / 240, 50 + (np.arange(40) + 0.5) / 240, rough(40, 60)
    axes = {"lon": lon, "lat": lat}
    writers: dict[str, Callable[[Path], Path]] = {
        "hgt": lambda place: write_hgt(place, rough(1201, 1201)),
        "hgt.zip": lambda place: write_hgt(place, rough(1201, 1201), name="N44E007", zipped=True),
        "nc classic": lambda place: write_netcdf(place / "gebco.nc", heights, **axes),
        "nc hdf5": lambda place: _write_netcdf4(place / "gebco4.nc", heights, **axes),
        "grd": lambda place: write_netcdf(place / "gmt.grd", heights, **axes, name="z", axes=("y", "x"), degrees=False),
        "tif": lambda place: write_raw(place / "plain.tif", heights),
        "tif.gz": lambda place: _gzipped(write_raw(place / "plain.tif", heights)),
        "asc": lambda place: write_ascii(place / "gebco.asc", heights, west=10, south=50, cell=1 / 240),
        "vrt": lambda place: _write_vrt(place / "mosaic.vrt"),
        "pairs": lambda place: write_pairs(place / "ours.h5", (2, 3)),
        "pairs others": lambda place: _write_published_pairs(place / "train.h5"),
        "pairs.zip": lambda place: _packed(
            place / "pairs.zip", _write_published_pairs(place / "train.h5").read_bytes(), PAIR_FILES
        ),
        "ckpt": lambda place: mindspore_files.write(place / "demnet.ckpt", mindspore_files.demnet()),
    }
    metres = {"width": 60, "height": 40, "crs": "EPSG:32632", "transform": Affine(8, 0, 500_000, 0, -8, 5_000_000)}
    degree = {"width": 121, "height": 121, "crs": "EPSG:4326", "dtype": "int16"}
    degree |= {"transform": Affine(1 / 120, 0, 10 - 1 / 240, 0, -1 / 120, 31 + 1 / 240)}
    fine = metres | {"crs": "EPSG:4326", "transform": Affine(1 / 240, 0, 10, 0, -1 / 240, 50)}  # Surfer stores no CRS
    tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate", "predictor": 3}
    for name, driver, options in (
        *(("survey.tif", "GTiff", metres | tiles), ("survey.bag", "BAG", metres), ("survey.img", "HFA", metres)),
        *(("survey.bil", "EHdr", metres), ("survey.flt", "ENVI", metres), ("survey.sdat", "SAGA", metres)),
        *(("ascii.grd", "GSAG", fine), ("binary.grd", "GSBG", fine), ("seven.grd", "GS7BG", fine)),
        *(("n30e010.dt0", "DTED", degree), ("survey.zarr", "Zarr", metres)),
    ):
        writers[f"{driver} {name}"] = partial(_write_with_gdal, name=name, driver=driver, options=options)
    files = {}
    for kind, write in writers.items():
        (folder / kind).mkdir(parents=True)
        files[kind] = [write(folder / kind)]
    return files | {POINTING: [*pointing_files(folder / POINTING, there).values()]}


def broken_file(whole: dict[str, list[Path]], folder: Path, random: np.random.Generator) -> tuple[str, Path]:
    """Write a damaged copy of one of the files, sometimes with another suffix; return its kind and path."""
    kind, other = (str(random.choice(list(whole))) for _ in range(2))
    source, foreign = (files[random.integers(len(files))] for files in (whole[kind], whole[other]))
    shutil.copytree(source.parent, folder, dirs_exist_ok=True, symlinks=True)
    path = folder / source.name
    parts = sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    damaged = path if path.is_file() and random.random() < 0.8 else parts[random.integers(len(parts))]
    content = damaged.read_bytes()
    for _ in range(random.choice([0, 1, 2], p=[0.3, 0.5, 0.2] if kind == POINTING else [0, 0.7, 0.3])):
        content = _broken(content, foreign.read_bytes() if foreign.is_file() else b"", random)
    damaged.write_bytes(content)
    if damaged == path and random.random() < 0.1:
        path = path.rename(path.with_suffix(str(random.choice(_SUFFIXES))))
    if damaged == path and random.random() < 0.05:
        names = PAIR_FILES if path.suffix == ".h5" else (path.name,)
        return kind, _packed(path.with_name(f"{path.name}.zip"), content, names)
    return kind, path


def outcomes(folder: Path, *, count: int, seed: int, keep: Path | None = None) -> Iterator[tuple[str, Outcome]]:
    """Damage and read files, and yield the kind and the outcome of each."""
    with outside(folder / "outside") as there:
        whole = whole_files(folder / "whole", there)
        for index in range(count):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                kind, path = broken_file(whole, Path(place), np.random.default_rng([seed, index]))
                there.reached()  # nothing yet, or the files that were just written
                outcome = judged(read, path)
                if reached := there.reached():
                    outcome = outcome._replace(verdict="left", detail=f"reached {reached}: {outcome}")
                if keep is not None and outcome.verdict not in ("read", "refused"):
                    shutil.copytree(place, keep / f"{seed}-{index}", dirs_exist_ok=True, symlinks=True)
            yield kind, outcome


def read(path: Path) -> object:
    """Read a whole file as a user would, and check the guarantees of its reader."""
    if path.suffix == ".zip":
        with contextlib.suppress(PairsError):
            return [read(file) for file in find_external_pairs(path, path.parent / "unpacked")]
    return {".ckpt": import_mindspore, ".h5": _read_pairs}.get(path.suffix, _read_elevation)(path)


def judged(read: Callable[[Path], object], path: Path, *, seconds: float = 60, most_mib: int = 6000) -> Outcome:
    """Read a file in its own process."""
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile() as printed, receiver:
        process = _CONTEXT.Process(target=_judge, args=(read, path, sender, printed.name, most_mib))
        process.start()
        sender.close()
        with contextlib.suppress(EOFError):
            if receiver.poll(seconds):
                return receiver.recv()
            process.kill()
            return Outcome("hung", f"no end after {seconds:g} s", seconds=seconds)
        process.join()
        return Outcome("died", f"exit status {process.exitcode}: {printed.read().decode(errors='replace')}")


def main(count: int = 1000, seed: int = 0, out: Path | None = None, keep: Path | None = None) -> None:
    """Damage and read files, and print the outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        found = list(track(outcomes(Path(folder), count=count, seed=seed, keep=keep), "damage and read", count))
    rows = []
    for kind in (*sorted(dict(found)), "all"):
        verdicts, _, mib, seconds = zip(*(outcome for of, outcome in found if kind in (of, "all")), strict=True)
        counts = {verdict: verdicts.count(verdict) for verdict in RIGHT + WRONG}
        rows.append({"kind": kind, "files": len(mib), **counts, "most MiB": max(mib), "most s": max(seconds)})
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    failures = [
        f"file {index} ({kind}) {outcome.verdict}: {' '.join(outcome.detail.split())[:600]}"
        for index, (kind, outcome) in enumerate(found)
        if outcome.verdict not in ("read", "refused")
    ]
    Console().print(table, *failures, sep="\n", markup=False, highlight=False)
    if out is not None:
        write_json(out, {"gdal": rasterio.__gdal_version__, "seed": seed, "kinds": rows, "failures": failures})
    raise SystemExit(any(rows[-1][verdict] for verdict in WRONG))


def _judge(read: Callable[[Path], object], path: Path, sender: Connection, printed: str, most_mib: int) -> None:
    log = os.open(printed, os.O_RDWR | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (_memory_mib("VmSize") + most_mib << 20,) * 2)
    before, begin, verdict, detail = _memory_mib("VmRSS"), time.monotonic(), "read", ""
    try:
        read(path)
    except DemsrError as error:
        detail = " ".join(str(error).split())
        verdict = "refused" if detail.isprintable() and len(detail) < 1000 and path.name[:3] in detail else "defect"
    except Exception:
        verdict, detail = "defect", traceback.format_exc(limit=-4)
    if verdict in RIGHT and os.fstat(log).st_size:
        verdict, detail = "noisy", os.pread(log, 4096, 0).decode(errors="replace")
    sender.send(Outcome(verdict, detail, _memory_mib("VmHWM") - before, round(time.monotonic() - begin, 2)))


def _memory_mib(field: str) -> int:
    return int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0]) >> 10


def _read_elevation(path: Path) -> None:
    elevation = read_raster(path, vertical_datum="MSL").dem.elevation_m
    assert elevation.dtype == np.float32
    assert (np.isnan(elevation) | ((elevation >= LOWEST_M) & (elevation <= HIGHEST_M))).all()


def _read_pairs(path: Path) -> None:
    for _ in PairFile(path).batches(64):
        pass
    import_pairs(path, path.with_name("adopted.h5"), domain="land", split="train", scaled_range_m=(-500, 9000))


def _write_netcdf4(path: Path, heights: np.ndarray, **axes: np.ndarray) -> Path:
    """Write a NetCDF-4 file, which is HDF5."""
    with h5py.File(path, "w", libver="v108") as file:
        variable = file.create_dataset("elevation", data=heights, chunks=(20, 30), compression="gzip")
        for place, axis, unit in ((0, "lat", "degrees_north"), (1, "lon", "degrees_east")):
            file[axis] = axes[axis]
            file[axis].attrs["units"] = np.bytes_(unit)
            file[axis].make_scale(axis)
            variable.dims[place].attach_scale(file[axis])
    return path


def _write_with_gdal(folder: Path, *, name: str, driver: str, options: dict[str, Any]) -> Path:
    profile = {"dtype": "float32", **options, "driver": driver, "count": 1}
    with rasterio.open(folder / name, "w", **profile) as file:
        file.write(rough(options["height"], options["width"]).astype(profile["dtype"]), 1)
    return folder / name


def _write_published_pairs(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["16_16"], file["80_80"] = np.full((3, 1, 16, 16), 0.5, "f4"), np.full((3, 1, 80, 80), 0.5, "f4")
    return path


def _write_vrt(path: Path) -> Path:
    """Write a VRT of a raster and of a VRT in a folder below."""
    below = path.parent / "below"
    below.mkdir()
    for folder in (path.parent, below):
        write_raw(folder / "own.tif", plain())
    (below / "inner.vrt").write_text(vrt(simple_source("own.tif", relative=1)))
    path.write_text(vrt(simple_source("own.tif", relative=1), simple_source("below/inner.vrt", relative=1)))
    return path


def _gzipped(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def _packed(path: Path, content: bytes, names: tuple[str, ...]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def _broken(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    at = _place(content, random)
    end = at + int((len(content) - at + 1) ** random.random())
    fillers = (bytes(end - at), b"\xff" * (end - at), random.bytes(end - at))
    before, part, behind = content[:at], content[at:end], content[end:]
    number, size, order = int(random.choice(_NUMBERS)), int(random.choice([4, 8])), random.choice(["little", "big"])
    flipped = np.frombuffer(content, np.uint8).copy()
    for _ in range(int(65 ** random.random()) if content else 0):
        flipped[_place(content[1:], random)] ^= 1 << random.integers(8)
    return {
        "truncate": before,
        "repeat": before + part + part + behind,
        "remove": before + behind,
        "splice": before + other[_place(other, random) :],
        "flip": flipped.tobytes(),
        "overwrite": before + fillers[random.integers(3)] + behind,
        "digits": before + re.sub(rb"[0-9]+", b"%d" % number, content[at:], count=1),
        "number": before + (number % 256**size).to_bytes(size, order) + content[at + size :],
    }[random.choice(_BREAKS)]


def _place(content: bytes, random: np.random.Generator) -> int:
    """Return an offset in a file: often near its start or end, where headers and directories are."""
    near = int(len(content) ** random.uniform(0.3, 1))
    return min(int(random.choice([near, len(content) - near, random.integers(len(content) + 1)])), len(content))


if __name__ == "__main__":
    typer.run(main)
