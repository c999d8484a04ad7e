"""Measure `demsr super-resolve` as a whole command: speed, memory, going on after kills, workers of Ray.

Every run is a process of its own. Exits with 1 if a run that was killed gives other bytes than an unbroken one, or two
workers other pixels than one.

    python benchmarks/product.py --raster gebco.tif --part W S E N --kills 10
"""

import argparse
import contextlib
import os
import platform
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from rich.console import Console

from demsr.dem.grid import Grid, window_within
from demsr.dem.read.header import read_header
from demsr.dem.read.raster import read_dem
from demsr.errors import reported
from demsr.model.checkpoint import save_model
from demsr.model.srnet import DemSrNet
from demsr.runtime.files import sha256_of_file, write_text

KILL_TILE_PX, RAY_TILE_PX = 96, 256
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Run:
    """What a command took."""

    name: str
    pixels: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int

    def row(self) -> str:
        """Return a line of a table."""
        rate, memory = f"{self.pixels / self.seconds:,.0f}", f"{self.peak_bytes / 1e9:.2f}"
        cells = (self.name, f"{self.pixels:,}", f"{self.seconds:.1f}", f"{self.cpu_seconds:.1f}", rate, memory)
        return f"| {' | '.join(cells)} |"


def start(*words: object) -> subprocess.Popen[bytes]:
    """Start a command of this environment, quietly, in a group of its own."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "RAY_AUTH_MODE": "disabled"}
    return subprocess.Popen(
        [str(word) for word in words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )


def timed(name: str, pixels: int, *words: object) -> Run:
    """Run a command to its end."""
    started = time.perf_counter()
    process = start(*words)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        assert process.stderr is not None
        message = f"{shlex.join(map(str, words))}: {process.stderr.read().decode()}"
        raise SystemExit(message)
    run = Run(name, pixels, seconds, usage.ru_utime + usage.ru_stime, 1024 * usage.ru_maxrss)
    Console().print(run.row(), soft_wrap=True)
    return run


def full_net(folder: Path) -> Path:
    """Write the net of the paper with random weights; time and memory do not depend on them."""
    torch.manual_seed(0)
    net = DemSrNet()
    torch.nn.init.normal_(net.last.weight, std=1e-3)
    save_model(net, folder / "full", training={})
    return folder / "full"


def four_times(raster: Path, folder: Path) -> Path:
    """Write a raster of four times the area, of copies: memory must not grow with it."""
    with rasterio.open(raster) as file:
        values, profile = file.read(), file.profile
    target = folder / f"{raster.stem}_four.tif"
    profile |= {"height": 2 * profile["height"], "width": 2 * profile["width"]}
    with rasterio.open(target, "w", **profile) as large:
        large.write(np.tile(values, (1, 2, 2)))
    return target


def speeds(raster: Path, whole: Grid, box: tuple[float, ...], part: Grid, folder: Path) -> list[Run]:
    """Time the bundled model on the whole raster and the net of the paper on a part, beside GDAL's cubic warp."""
    pixels, of_part = whole.rows * whole.cols, part.rows * part.cols
    size = ("--dimensions", whole.cols * 5, whole.rows * 5, "--resampling", "cubic")
    packed = ("--driver", "COG", "--co", "COMPRESS=DEFLATE", "--co", "PREDICTOR=YES")
    full, exact = ("--model", full_net(folder), "--bbox", *box), ("--precision", "float32")
    warp = timed(
        "cubic warp of GDAL (`rio warp`)", pixels, "rio", "warp", raster, folder / "warped.tif", *size, *packed
    )
    ours = [
        ("bundled model", pixels, raster, ()),
        ("bundled model, a raster four times as large", 4 * pixels, four_times(raster, folder), ()),
        ("bundled model, float32", pixels, raster, exact),
        ("bundled model, with --consistency and --uncertainty", pixels, raster, ("--consistency", "--uncertainty")),
        ("net of the paper, a part", of_part, raster, full),
        ("net of the paper, a part, float32", of_part, raster, (*full, *exact)),
    ]
    return [warp] + [
        timed(name, count, "demsr", "super-resolve", source, folder / f"{place}.tif", *how)
        for place, (name, count, source, how) in enumerate(ours)
    ]


def crews(raster: Path, whole: Grid, folder: Path) -> tuple[list[Run], bool]:
    """Time one and two workers of Ray; return whether their pixels are the same."""
    words = ("demsr", "super-resolve", raster, "--ray", "local", "--tile", RAY_TILE_PX)
    pixels, targets = whole.rows * whole.cols, {count: folder / f"crew{count}.tif" for count in (1, 2)}
    runs = [
        timed(f"bundled model, {count} Ray worker(s)", pixels, *words, target, "--workers", count)
        for count, target in targets.items()
    ]
    one, two = (read_dem(target).elevation_m for target in targets.values())
    return runs, np.array_equal(one, two, equal_nan=True)


def kills(raster: Path, folder: Path, count: int) -> tuple[list[int], bool]:
    """Kill a run at random moments, going on each time.

    Returns
    -------
    left : finished tiles after each kill
    same : whether the end is that of an unbroken run, byte for byte
    """
    words = ("demsr", "super-resolve", raster, "out.tif", "--tile", KILL_TILE_PX)  # the command stands in the file
    whole, broken = folder / "whole", folder / "broken"
    for place in (whole, broken):
        place.mkdir()
    with contextlib.chdir(whole):
        unbroken = timed("bundled model, small tiles", 1, *words)
    draw, left = random.Random(0), []
    with contextlib.chdir(broken):
        while len(left) < count:
            process = start(*words, "--resume")
            time.sleep(draw.uniform(0.2, 0.4) * unbroken.seconds)
            if process.poll() is not None:
                break
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            left.append(len(list(Path().glob(".out.tif.tiles/*.tif"))))
            if Path("out.tif").exists():
                message = "a run that was killed left a file under the final name"
                raise SystemExit(message)
        if not Path("out.tif").exists():
            timed("the rest after all kills", 1, *words, "--resume")
    return left, sha256_of_file(whole / "out.tif") == sha256_of_file(broken / "out.tif")


def report(raster: Path, runs: list[Run], left: list[int], *, same_bytes: bool, same_pixels: bool) -> str:
    """Return the tables in words."""
    rows = "\n".join(run.row() for run in runs)
    return f"""# Speed of `demsr super-resolve`

Written by `python benchmarks/product.py --raster FILE --part W S E N`; do not edit. Times of whole commands,
including the start of Python and the writing of the product, on {processor()}; {raster.name}. Pixels are LR pixels.

| command | pixels | seconds | CPU seconds | pixels per second | peak memory (GB) |
| --- | --: | --: | --: | --: | --: |
{rows}

Memory is that of the main process, without the workers of Ray.

One run was killed with SIGKILL {len(left)} times at random moments, when {", ".join(map(str, left))} tiles
were finished, and resumed each time.
Its file is {"byte-equal to" if same_bytes else "NOT EQUAL to"} that of an uninterrupted run.
One and two workers of Ray give {"the same pixels" if same_pixels else "DIFFERENT PIXELS"}.
"""


def processor() -> str:
    """Return the name of the processor, and how many of its CPUs this process may use."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{len(os.sched_getaffinity(0))} CPUs of {name}"


def main() -> None:
    """Run everything, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raster", type=Path, required=True, help="15 arc-second grid, such as GEBCO")
    parser.add_argument("--part", type=float, nargs=4, required=True, metavar=tuple("WSEN"), help="for slow nets")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--report", type=Path, default=Path("docs/speed.md"))
    options = parser.parse_args()
    raster, box = options.raster.resolve(), tuple(options.part)
    whole = read_header(raster).grid
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = speeds(raster, whole, box, window_within(whole, box, where="part")[1], folder)
        of_ray, same_pixels = crews(raster, whole, folder)
        left, same_bytes = kills(raster, folder, options.kills)
    text = report(raster, runs + of_ray, left, same_bytes=same_bytes, same_pixels=same_pixels)
    write_text(options.report, text)
    raise SystemExit(0 if same_bytes and same_pixels else 1)


if __name__ == "__main__":
    with reported("product"):
        main()
