"""Time whole commands in turn: an empty interpreter, `demsr --help`, `import torch`, `super-resolve` of a small raster.

`python benchmarks/startup.py --rounds 10` prints a table. Compare rows of one run only: each round runs every command
once, so that other load on the machine affects all of them alike.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine
from scipy.io import netcdf_file
from scipy.ndimage import gaussian_filter

DEMSR = str(Path(sys.executable).parent / "demsr")
EMPTY, TORCH = "python -c pass", "python -c 'import torch'"
DEGREES = 15 / 3600  # pixel size of a GEBCO grid
SIDE = 168  # pixels of a crop of 0.7 degrees


def main() -> None:
    """Time all commands and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each command")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        commands = commands_in(Path(name))
        seconds: dict[str, list[float]] = {row: [] for row in commands}
        for _ in range(1 + rounds):  # the first round fills the caches of the file system
            for row, command in commands.items():
                seconds[row].append(seconds_of(command))
    sys.stdout.write(table({row: statistics.median(times[1:]) for row, times in seconds.items()}))


def commands_in(folder: Path) -> dict[str, list[str]]:
    """Return the command of each row of the table; their input rasters are written into `folder`."""
    commands = {
        EMPTY: [sys.executable, "-c", "pass"],
        "demsr --help": [DEMSR, "--help"],
        TORCH: [sys.executable, "-c", "import torch"],
    }
    for source in (write_gebco_geotiff(folder / "gebco_crop.tif"), write_gebco_netcdf(folder / "gebco_crop.nc")):
        target = folder / f"sr{source.suffix}"
        words = ["super-resolve", str(source), str(target), "--overwrite"]
        commands[f"demsr super-resolve, {SIDE} x {SIDE} {source.suffix}"] = [DEMSR, *words]
    return commands


def seconds_of(command: list[str]) -> float:
    """Return the wall time of one run, in seconds."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def table(seconds: dict[str, float]) -> str:
    """Return the table: seconds, ratio to the empty interpreter, difference to `import torch`."""
    head = f"{'command':40}{'seconds':>10}{'x empty':>10}{'- torch, s':>12}\n"
    rows = (
        f"{row:40}{value:10.2f}{value / seconds[EMPTY]:10.1f}{value - seconds[TORCH]:12.2f}\n"
        for row, value in seconds.items()
    )
    return head + "".join(rows)


def sea_floor(side: int = SIDE) -> np.ndarray:
    """Return (side, side) elevations of a rough sea floor, in whole metres, int16."""
    noise = gaussian_filter(np.random.default_rng(0).standard_normal((side, side)), 4)
    return np.round(-3000 + 200 * noise / noise.std()).astype(np.int16)


def write_gebco_geotiff(path: Path, side: int = SIDE) -> Path:
    """Write a GeoTIFF like a crop of GEBCO: pixel is area, 15 arc-seconds, north-west corner at 10 E 50 N."""
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "int16", "nodata": -32767}
    transform = Affine(DEGREES, 0, 10, 0, -DEGREES, 50)
    with rasterio.open(path, "w", crs="EPSG:4326", transform=transform, **profile) as file:
        file.write(sea_floor(side), 1)
        file.update_tags(TITLE="The GEBCO_2025 Grid")
    return path


def write_gebco_netcdf(path: Path, side: int = SIDE) -> Path:
    """Write the same crop as GEBCO's NetCDF: rows from south to north, centres of cells as coordinates."""
    centres = (np.arange(side) + 0.5) * DEGREES
    axes = {"lat": ("degrees_north", 50 - centres[::-1]), "lon": ("degrees_east", 10 + centres)}
    with netcdf_file(path, "w") as file:
        file.title = "The GEBCO_2025 Grid"
        for name, (units, values) in axes.items():
            file.createDimension(name, side)
            axis = file.createVariable(name, "d", (name,))
            axis[:], axis.units = values, units
        elevation = file.createVariable("elevation", ">i2", ("lat", "lon"))
        elevation[:], elevation.units = sea_floor(side)[::-1], "m"
    return path


if __name__ == "__main__":
    main()
