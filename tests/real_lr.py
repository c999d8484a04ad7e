"""Hills surveyed twice: an HR raster, and a real LR grid of the same ground that is displaced and raised."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from rasterio.transform import Affine
from synthetic import dem, write_raw

from demsr.dem.geotiff import write_dem
from demsr.dem.grid import Grid
from demsr.options import SPLITS
from demsr.pairs.area import REAL
from demsr.pairs.build import build_pairs, plan_pairs
from demsr.pairs.cut import CutRule
from demsr.pairs.degradations import Degradation, FittedDegradation, make_degradations
from demsr.pairs.degradations.real import describe_real_lr
from demsr.pairs.pair_file import PairFile
from demsr.pairs.region_pairs import RegionPairs, write_region_pairs
from demsr.pairs.split import Region, protected_boxes, split_raster

SECOND, CELL = 1 / 3600, 15 / 3600  # degrees; a cell is one of LR
WEST, NORTH = 10.0, 45.0
JAPAN, KANSAS = {"west": 139.0, "north": 36.0}, {"west": -100.0, "north": 40.0}
SEA_FLOOR_M = -3000.0
MOVED_S, BIAS_M = (4.0, -7.0), 2.5  # of the terrain in LR: arc-seconds to the east and the north, metres up
RULE = CutRule(patch_lr=8, stride_hr=7, gap_lr=2, max_void_share=0.1, min_relief_m=1)
FITTED = FittedDegradation(0.6, 0.5, 1.0)
HILLS = 120


def axes_of_hills(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Gaussian profiles of hills, (hills, n) metres along meridians and (hills, m) along parallels."""
    random = np.random.default_rng(5)
    col, row, width = (random.uniform(*bounds, (HILLS, 1)) for bounds in ((-10, 90), (-10, 40), (2, 5)))  # in cells
    height = random.normal(0, 60, (HILLS, 1))
    along = np.exp(-((((lon - WEST) / CELL - col) / width) ** 2))
    return along, height * np.exp(-((((NORTH - lat) / CELL - row) / width) ** 2))


def means(
    arcsec: int,
    shape: tuple[int, int],
    *,
    place: tuple[float, float] = (0, 0),
    moved_s: tuple[float, float] = (0, 0),
    bias_m: float = 0,
) -> np.ndarray:
    """Return means of the ground over cells of whole arc-seconds; shape and place (row, col) are in LR cells."""
    rows, cols = (15 * side for side in shape)
    lon = WEST + place[1] * CELL + (np.arange(cols) + 0.5 - moved_s[0]) * SECOND
    lat = NORTH - place[0] * CELL - (np.arange(rows) + 0.5 + moved_s[1]) * SECOND
    along, down = axes_of_hills(lon, lat)
    fine = down.T @ along + SEA_FLOOR_M + bias_m
    return fine.reshape(rows // arcsec, arcsec, cols // arcsec, arcsec).mean(axis=(1, 3)).astype(np.float32)


def on_grid(arcsec: int, place: tuple[float, float], **options: Any) -> dict[str, Any]:
    size = {"pixel_width": arcsec * SECOND, "pixel_height": arcsec * SECOND}
    return {**size, "west": WEST + place[1] * CELL, "north": NORTH - place[0] * CELL, **options}


def hr_raster(
    folder: Path,
    name: str = "hr",
    *,
    arcsec: int = 3,
    shape: tuple[int, int] = (20, 20),
    place: tuple[float, float] = (0, 0),
    **options: Any,
) -> Path:
    elevation = means(arcsec, shape, place=place)
    write_dem(folder / f"{name}.tif", dem(elevation, **on_grid(arcsec, place, **{"source": name, **options})))
    return folder / f"{name}.tif"


def utm_raster(folder: Path, *, crs: str = "EPSG:25832") -> Path:
    """Write the ground at pixels of 45 m inside the outline of the other HR rasters."""
    utm = {"west": 579_300.0, "north": 4_983_100.0, "pixel_width": 45.0, "pixel_height": 45.0, "crs": crs}
    x, y = np.meshgrid(579_322.5 + 45 * np.arange(140), 4_983_077.5 - 45 * np.arange(187))
    to_lonlat = pyproj.Transformer.from_crs(crs, "EPSG:4258", always_xy=True)
    along, down = axes_of_hills(*to_lonlat.transform(x.ravel(), y.ravel()))
    write_dem(folder / "hr.tif", dem((along * down).sum(axis=0).reshape(x.shape) + SEA_FLOOR_M, source="hr", **utm))
    return folder / "hr.tif"


def lr_raster(
    folder: Path,
    name: str = "real",
    *,
    shape: tuple[int, int] = (26, 26),
    place: tuple[float, float] = (-3, -3),
    moved_s: tuple[float, float] = MOVED_S,
    bias_m: float = BIAS_M,
    whole_metres: bool = False,
    void: Sequence[tuple[int, int]] = (),
    **options: Any,
) -> Path:
    elevation = means(15, shape, place=place, moved_s=moved_s, bias_m=bias_m)
    elevation = np.round(elevation) if whole_metres else elevation
    for row, col in void:
        elevation[row, col] = np.nan
    write_dem(folder / f"{name}.tif", dem(elevation, **on_grid(15, place, **{"source": name, **options})))
    return folder / f"{name}.tif"


def degradations(
    *lr: Path, tid: Sequence[Path] = (), kinds: Sequence[Any] = (REAL,), fitted: FittedDegradation = FITTED
) -> list[Degradation]:
    real = describe_real_lr(lr, tid, vertical_datum="MSL", declared={})
    return make_degradations(kinds, fitted=fitted, real=real)


def whole(name: str, source: str, grid: Grid) -> list[Region]:
    return [Region(source, "train", 0, 0, grid)]


def pieces(
    folder: Path, hr: Path, given: list[Degradation], *, split: Any = whole, rule: CutRule = RULE, seed: int = 3
) -> list[RegionPairs]:
    """Make everything that one raster gives."""
    plan = plan_pairs([hr], split, domain="marine", scale_free=False, degradations=given)
    protected = {split: protected_boxes((), split) for split in SPLITS}
    make = partial(write_region_pairs, rule=rule, protected=protected, seed=seed, work=folder / "work")
    return [make(job) for job in plan.jobs]


def made(folder: Path, hr: Path, given: list[Degradation], **options: Any) -> PairFile:
    """Return the pairs of one raster with one LR."""
    (piece,) = pieces(folder, hr, given, **options)
    assert piece.path is not None, piece.left_out
    return PairFile(piece.path)


def why_none(folder: Path, hr: Path, *lr: Path) -> list[str]:
    (piece,) = pieces(folder, hr, degradations(*lr))
    assert (piece.path, piece.count, piece.area) == (None, 0, None)
    return list(piece.left_out)


def build(rasters: Sequence[Path], folder: Path, given: list[Degradation], *, rule: CutRule = RULE) -> dict[str, Any]:
    options = {"method": "files", "quadrant_splits": (), "valid": ["valid*"], "test": ["test*"]}
    splitter = partial(split_raster, gap_lr=RULE.gap_lr, scale=RULE.scale, **options)
    plan = plan_pairs(rasters, splitter, domain="marine", scale_free=False, degradations=given)
    return build_pairs(plan, folder / "pairs", rule, all_regions=plan.regions, work=folder / "work", seed=3)


def corners(pairs: PairFile, place: tuple[float, float] = (0, 0)) -> list[tuple[int, int]]:
    """Return (row, col) of the north-western LR cell of each sample, counted from a place in LR cells."""
    row = (NORTH - pairs.samples["lat"]) / CELL - place[0] - pairs.patch_lr / 2
    col = (pairs.samples["lon"] - WEST) / CELL - place[1] - pairs.patch_lr / 2
    found = np.column_stack([row, col])
    np.testing.assert_allclose(found, np.rint(found), atol=1e-4)
    return [(int(row), int(col)) for row, col in np.rint(found)]


def at(lr: np.ndarray, corner: tuple[int, int], side: int = RULE.patch_lr) -> np.ndarray:
    return lr[corner[0] : corner[0] + side, corner[1] : corner[1] + side]


def assert_real_pairs(pairs: PairFile, lr: np.ndarray, *, within_m: float) -> None:
    """Check LR against the grid it was cut from, and HR against LR wherever a block is whole."""
    assert len(pairs) > 0
    for index, corner in enumerate(corners(pairs, (-3, -3))):
        stored, hr = pairs.pair(index)
        np.testing.assert_array_equal(stored[0], at(lr, corner))
        blocks = hr.reshape(8, 5, 8, 5).mean(axis=(1, 3))
        assert np.isfinite(blocks).mean() > 0.8  # the shift leaves a part of the outermost cells without HR
        assert np.nanmax(np.abs(blocks - stored[0])) < within_m


def tid_raster(folder: Path, name: str, values: np.ndarray, place: tuple[float, float]) -> Path:
    at_place = on_grid(15, place)
    transform = Affine(CELL, 0, at_place["west"], 0, -CELL, at_place["north"])
    return write_raw(folder / f"{name}.tif", values.astype(np.int8), transform=transform)


def quarters(name: str, source: str, grid: Grid) -> list[Region]:
    return split_raster(
        name,
        source,
        grid,
        method="quadrants",
        quadrant_splits=("train", "train", "test", "valid"),
        valid=(),
        test=(),
        gap_lr=2,
        scale=5,
    )
