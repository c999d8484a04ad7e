"""Small files of pairs with known content, for tests of what reads them."""

from pathlib import Path

import numpy as np

from demsr.dem.dem import Dem
from demsr.dem.grid import Grid
from demsr.pairs.area import Area
from demsr.pairs.cut import Patch
from demsr.pairs.degrade import block_mean
from demsr.pairs.pair_file import PairFile
from demsr.pairs.pair_writer import PairWriter

SIDE_LR = 8


def rough_terrain(rows: int, cols: int, seed: int) -> np.ndarray:
    """Waves that a filter can learn, with a little noise."""
    random = np.random.default_rng(seed)
    row, col = np.mgrid[0:rows, 0:cols]
    phases = random.uniform(0, 6, size=3)
    waves = sum(np.sin(row / (4 + place) + col / (7 - place) + phase) for place, phase in enumerate(phases))
    return (60 * waves + random.normal(0, 1, (rows, cols)) - 500).astype(np.float32)


def make_pairs(
    path: Path, *, count: int = 4, areas: int = 1, seed: int = 1, domain: str = "land", arcsec: float = 3
) -> PairFile:
    """Write `count` pairs in each of `areas` areas."""
    side = 5 * SIDE_LR
    with PairWriter(path, patch_lr=SIDE_LR, scale=5, attributes={"domain": domain, "split": "train"}) as writer:
        for place in range(areas):
            size = {"pixel_width": arcsec / 3600, "pixel_height": arcsec / 3600}
            grid = Grid(rows=side, cols=side * count, west=8.0 + place, north=46.0, crs="EPSG:4326", **size)
            elevation = rough_terrain(grid.rows, grid.cols, seed + 100 * place)
            dem = Dem(elevation_m=elevation, grid=grid, vertical_datum="EGM96", source=f"area {place}")
            patches = []
            for col in range(0, grid.cols, side):
                hr = elevation[:, col : col + side]
                patches.append(Patch(block_mean(hr, scale=5), hr, 0, col, grid.window(0, col, side, side)))
            writer.add_area(Area.from_dem(f"area {place}", dem), patches)
    return PairFile(path)
