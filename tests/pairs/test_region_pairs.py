from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyproj
import pytest
from rasterio.transform import Affine
from synthetic import dem, write_raw

from demsr import options
from demsr.dem.geotiff import write_dem
from demsr.dem.grid import Grid, metres_per_degree
from demsr.dem.read.declared import Declared
from demsr.dem.read.header import read_header
from demsr.dem.read.raster import read_dem
from demsr.errors import GridError, PairsError, VoidError
from demsr.evaluation.scoring import group_slug
from demsr.options import SPLITS
from demsr.pairs.area import BLOCK_MEAN, REAL
from demsr.pairs.build import build_pairs, plan_pairs
from demsr.pairs.cut import CutRule
from demsr.pairs.degradations import Degradation, FittedDegradation, RealLr, make_degradations
from demsr.pairs.degradations.real import describe_real_lr
from demsr.pairs.degrade import block_mean
from demsr.pairs.fit_degradation import fit_degradation_to_rasters
from demsr.pairs.pair_file import PairFile
from demsr.pairs.region_pairs import RegionPairs, write_region_pairs
from demsr.pairs.split import Region, protected_boxes, split_raster
from demsr.runtime.seeding import generator

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


@pytest.mark.parametrize(("whole_metres", "within_m"), [(False, 0.05), (True, 0.8)])
def test_real_pairs_have_the_lr_of_the_grid_and_hr_moved_and_raised_onto_it(tmp_path, whole_metres, within_m):
    rasters = [hr_raster(tmp_path, f"{split}_tile", place=(0, 24 * col)) for col, split in enumerate(SPLITS)]
    lr = lr_raster(tmp_path, shape=(26, 74), whole_metres=whole_metres)
    summary = build(rasters, tmp_path, degradations(lr))
    lon_m, lat_m = metres_per_degree(NORTH - 10 * CELL)
    for split in SPLITS:
        pairs = PairFile(tmp_path / "pairs" / f"{split}.h5")
        assert_real_pairs(pairs, read_dem(lr).elevation_m, within_m=within_m)
        assert summary[split] == {"pairs": len(pairs), "areas": {f"{split}_tile, LR real": len(pairs)}}
        (area,) = pairs.areas
        assert (area.name, area.degradation, area.lr_source) == (f"{split}_tile, LR real", "real", "real")
        assert (area.pair_kind, area.pixel_size) == ("3 arc-second", "0.0008333333333 x 0.0008333333333 degree")
        assert (area.east_m, area.north_m) == pytest.approx((4 * SECOND * lon_m, -7 * SECOND * lat_m), abs=6)
        assert area.bias_m == pytest.approx(BIAS_M, abs=0.1)
        assert area.std_after_m == pytest.approx(1 / np.sqrt(12) if whole_metres else 0, abs=0.05)
        assert area.std_before_m > 3
        assert area.coregistration.startswith("applied: standard deviation falls from")
        told = summary["coregistration"][area.name]
        assert told == {key: getattr(area, key) for key in told}
        assert {"coregistration", "east_m", "north_m", "bias_m", "std_before_m", "std_after_m"} == set(told)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(partial(hr_raster, arcsec=1), id="1 arc-second"),
        pytest.param(partial(hr_raster, arcsec=2, shape=(20, 22)), id="2 arc-seconds"),
        pytest.param(partial(hr_raster, place=(7 / 15, 4 / 15)), id="off the lattice of LR"),
        pytest.param(partial(hr_raster, crs="EPSG:4269"), id="NAD83"),
        pytest.param(utm_raster, id="UTM on ETRS89"),
        pytest.param(partial(utm_raster, crs="EPSG:32632"), id="UTM on WGS 84"),
    ],
)
def test_hr_of_other_spacing_place_and_crs_lies_on_lr_as_well(tmp_path, write):
    lr = lr_raster(tmp_path)
    pairs = made(tmp_path, write(tmp_path), degradations(lr))
    assert_real_pairs(pairs, read_dem(lr).elevation_m, within_m=0.1)
    assert {area.pair_kind for area in pairs.areas} == {"3 arc-second"}


def test_finer_hr_gives_real_pairs_alone(tmp_path):
    given = degradations(lr_raster(tmp_path), kinds=get_args(options.Degradation))
    hr = hr_raster(tmp_path, arcsec=1)
    plan = plan_pairs([hr], whole, domain="marine", scale_free=False, degradations=given)
    assert [job.degradation.name for job in plan.jobs] == [REAL]
    assert plan.left_out == {}


def test_lr_is_read_as_its_user_declared(tmp_path):
    depths_cm = np.round(-100 * means(15, (26, 26), place=(-3, -3), moved_s=MOVED_S))
    place = on_grid(15, (-3, -3))
    transform = Affine(CELL, 0, place["west"], 0, -CELL, place["north"])
    lr = write_raw(tmp_path / "depths.tif", depths_cm.astype(np.int32), transform=transform)
    said = {"depths": Declared(unit="cm", positive="down")}
    files = describe_real_lr([lr], [], vertical_datum="MSL", declared=said)
    pairs = made(tmp_path, hr_raster(tmp_path), files)
    assert_real_pairs(pairs, -depths_cm * np.float32(0.01), within_m=0.06)
    assert [area.vertical_datum for area in pairs.areas] == ["MSL"]


@pytest.mark.parametrize(
    ("hr", "lr", "reason"),
    [
        pytest.param({"arcsec": 4}, {}, "coarser than a 5th of the cells of real", id="HR too coarse"),
        pytest.param(
            {}, {"moved_s": (45, -60)}, "not applied: shift of 5.0 is beyond 2 LR pixels", id="5 LR pixels off"
        ),
        pytest.param({"crs": "EPSG:4301", **JAPAN}, JAPAN, "its CRS 'EPSG:4301' lies metres", id="HR on Tokyo"),
        pytest.param(JAPAN, {"crs": "EPSG:4301", **JAPAN}, "its CRS 'EPSG:4301' lies metres", id="LR on Tokyo"),
        pytest.param({"crs": "EPSG:4267", **KANSAS}, KANSAS, "its CRS 'EPSG:4267' lies metres", id="HR on NAD27"),
    ],
)
def test_raster_that_does_not_fit_lr_is_left_out_with_the_reason(tmp_path, hr, lr, reason):
    (found,) = why_none(tmp_path, hr_raster(tmp_path, **hr), lr_raster(tmp_path, **lr))
    assert found.startswith(f"hr: {reason}")


def test_projected_lr_is_left_out_with_the_reason(tmp_path):
    utm = {"west": 578_000.0, "north": 4_984_000.0, "pixel_width": 450.0, "pixel_height": 450.0, "crs": "EPSG:32632"}
    write_dem(tmp_path / "real.tif", dem(means(15, (22, 22)), **utm))
    (reason,) = why_none(tmp_path, hr_raster(tmp_path), tmp_path / "real.tif")
    assert reason == "hr: the LR grid is in 'EPSG:32632'; warp it to longitude and latitude first, as with gdalwarp"


@pytest.mark.parametrize("place", [(0, 20), (-26, 0), (0, 60)], ids=["touches in the east", "in the north", "far"])
def test_lr_that_does_not_cover_gives_no_job_and_says_so(tmp_path, place):
    hr, lr = hr_raster(tmp_path), lr_raster(tmp_path, place=place)
    plan = plan_pairs([hr], whole, domain="marine", scale_free=False, degradations=degradations(lr))
    assert (plan.jobs, plan.left_out) == ([], {"hr: no real LR grid covers it": 1, "real.tif: covers no raster": 1})
    with pytest.raises(PairsError, match=r"marine: the train split has no pair .*hr: no real LR grid covers it"):
        build_pairs(plan, tmp_path / "pairs", RULE, all_regions=plan.regions, work=tmp_path / "work")


def test_real_grids_of_one_source_give_areas_of_their_own(tmp_path):
    rasters = [
        hr_raster(tmp_path, f"{split}_tile", shape=(12, 12), place=(0, 16 * col)) for col, split in enumerate(SPLITS)
    ]
    lr = [lr_raster(tmp_path, name, shape=(18, 60), moved_s=(0, 0), source="GEBCO") for name in ("east", "west")]
    summary = build(rasters, tmp_path, degradations(*lr))
    pairs = PairFile(tmp_path / "pairs" / "test.h5")
    assert summary["test"] == {"pairs": 2, "areas": {"test_tile, LR east": 1, "test_tile, LR west": 1}}
    assert [(area.name, area.lr_source) for area in pairs.areas] == [
        ("test_tile, LR east", "GEBCO"),
        ("test_tile, LR west", "GEBCO"),
    ]


def test_lr_with_too_few_common_cells_makes_no_pair(tmp_path):
    given = degradations(lr_raster(tmp_path, shape=(9, 9), place=(4, 5)))
    (piece,) = pieces(tmp_path, hr_raster(tmp_path), given)
    assert (piece.path, piece.count) == (None, 0)
    assert any("too few common cells, 81 of the 100 needed" in reason for reason in piece.left_out)


def test_patch_whose_lr_is_mostly_void_is_left_out(tmp_path):
    holes = [(row, col) for row in range(6, 13) for col in range(6, 13)]
    given = degradations(lr_raster(tmp_path, void=holes))
    (piece,) = pieces(tmp_path, hr_raster(tmp_path), given)
    assert any(reason.startswith("more than") for reason in piece.left_out)


def test_hr_is_void_under_void_lr_which_is_filled(tmp_path):
    holes = [(7, 8), (7, 9), (8, 8), (15, 17)]
    lr = lr_raster(tmp_path, moved_s=(0, 0), whole_metres=True, void=holes)
    pairs = made(tmp_path, hr_raster(tmp_path), degradations(lr))
    elevation, seen = read_dem(lr).elevation_m, 0
    for index, corner in enumerate(corners(pairs, (-3, -3))):
        stored, hr = pairs.pair(index)
        void = np.isnan(at(elevation, corner))
        assert np.isfinite(stored).all()
        np.testing.assert_array_equal(stored[0][~void], at(elevation, corner)[~void])
        np.testing.assert_array_equal(np.isnan(hr[0]), np.kron(void, np.ones((5, 5), bool)))
        seen += void.sum()
    assert seen > len(holes)


def tid_raster(folder: Path, name: str, values: np.ndarray, place: tuple[float, float]) -> Path:
    at_place = on_grid(15, place)
    transform = Affine(CELL, 0, at_place["west"], 0, -CELL, at_place["north"])
    return write_raw(folder / f"{name}.tif", values.astype(np.int8), transform=transform)


def test_lr_and_source_types_of_the_same_cells_belong_together(tmp_path):
    here, there = lr_raster(tmp_path, "here"), lr_raster(tmp_path, "there", place=(-3, 40))
    alone = lr_raster(tmp_path, "alone", shape=(26, 25))
    types = [tid_raster(tmp_path, name, np.ones((26, 26)), place) for name, place in (("b", (-3, 40)), ("a", (-3, -3)))]
    said = {"there": Declared(vertical_datum="EGM2008")}
    files = describe_real_lr([here, there, alone], types, vertical_datum="MSL", declared=said)
    assert [len(file.sha256) for file in files] == [128, 128, 64]
    assert [replace(file, sha256="", assumptions=()) for file in files] == [
        RealLr(here, types[1], "MSL", Declared(), read_header(here).grid),
        RealLr(there, types[0], "MSL", said["there"], read_header(there).grid),
        RealLr(alone, None, "MSL", Declared(), read_header(alone).grid),
    ]


def test_samples_know_the_shares_of_their_source_types(tmp_path):
    lr = lr_raster(tmp_path, moved_s=(0, 0))
    kinds = {"measured": (10, 11, 17), "interpolated": (41, 44), "predicted": (40, 45), "none": (0, 70)}
    types = np.random.default_rng(2).choice(np.concatenate(list(kinds.values())), (26, 26))
    types[:14, :14] = 10  # one sample was measured throughout
    pairs = made(tmp_path, hr_raster(tmp_path), degradations(lr, tid=[tid_raster(tmp_path, "tid", types, (-3, -3))]))
    found = []
    for index, (row, col) in enumerate(corners(pairs, (-3, -3))):
        counts = dict.fromkeys(kinds, 0)
        for down, along in product(range(8), range(8)):
            counts[next(kind for kind in kinds if types[row + down, col + along] in kinds[kind])] += 1
        shares = [pairs.samples[f"lr_{kind}_share"][index] for kind in ("measured", "interpolated", "predicted")]
        assert shares == [counts[kind] / 64 for kind in ("measured", "interpolated", "predicted")]
        found.append(tuple(shares))
    assert (1, 0, 0) in found
    assert len(set(found)) > 5


def test_shares_are_unknown_without_source_types(tmp_path):
    pairs = made(tmp_path, hr_raster(tmp_path), degradations(lr_raster(tmp_path)))
    for kind in ("measured", "interpolated", "predicted"):
        assert np.isnan(pairs.samples[f"lr_{kind}_share"]).all()


@pytest.mark.parametrize("change", ["heights", "source types"])
def test_finished_pairs_of_another_lr_are_not_taken(tmp_path, change):
    def measured(code: int, bias_m: float) -> PairFile:
        tid = tid_raster(tmp_path, "tid", np.full((26, 26), code), (-3, -3))
        return made(tmp_path, hr, degradations(lr_raster(tmp_path, moved_s=(0, 0), bias_m=bias_m), tid=[tid]))

    hr = hr_raster(tmp_path)
    first = measured(11, 0)
    second = measured(11, 40) if change == "heights" else measured(41, 0)
    assert second.pair(0)[0].mean() - first.pair(0)[0].mean() == pytest.approx(40 * (change == "heights"), abs=1e-3)
    assert second.samples["lr_measured_share"][0] == (change == "heights")


@pytest.mark.parametrize(("kind", "arcsec"), [(BLOCK_MEAN, 3), ("fitted", 3), (REAL, 3), (REAL, 1)])
def test_training_keeps_the_gap_to_a_held_out_region(tmp_path, kind, arcsec):
    """The test region begins one cell of LR behind the training region; two are asked for."""
    columns = {"train": 0, "test": 21, "valid": 45}
    rasters = [hr_raster(tmp_path, f"{split}_tile", arcsec=arcsec, place=(0, col)) for split, col in columns.items()]
    given = degradations(lr_raster(tmp_path, shape=(26, 75), moved_s=(0, 0), whole_metres=True), kinds=(kind,))
    summary = build(rasters, tmp_path, given, rule=replace(RULE, stride_hr=5))
    end = max(col + 8 for _, col in corners(PairFile(tmp_path / "pairs" / "train.h5")))
    assert end == columns["test"] - 2
    assert summary["left_out"]["too close to a held-out region"] > 0


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


def test_every_fitted_lr_is_cut_from_one_degraded_region(tmp_path):
    hr = hr_raster(tmp_path, shape=(22, 22))
    raster = read_dem(hr)
    found = pieces(tmp_path, hr, degradations(kinds=("fitted",)), split=quarters, seed=7)
    assert [piece.count for piece in found] == [4, 4, 1, 1]
    for piece, region in zip(found, quarters("hr", "hr", raster.grid), strict=True):
        own = raster.elevation_m[region.row : region.row + 50, region.col : region.col + 50]
        degraded = FITTED.degrade(block_mean(own, scale=5), random=generator(7, "soundings", region.name))
        pairs = PairFile(piece.path)
        for index, (row, col) in enumerate(zip(pairs.samples["row"], pairs.samples["col"], strict=True)):
            lr, hr = pairs.pair(index)
            np.testing.assert_array_equal(hr[0], raster.elevation_m[row : row + 40, col : col + 40])
            np.testing.assert_array_equal(lr[0], at(degraded, ((row - region.row) // 5, (col - region.col) // 5)))
            assert (lr[0] != block_mean(hr[0], scale=5)).any()


@pytest.mark.parametrize(("stride_hr", "step"), [(7, 10), (10, 10), (11, 15)])
@pytest.mark.parametrize("kind", ["fitted", "real"])
def test_strides_of_a_given_lr_are_whole_cells_rounded_up(tmp_path, kind, stride_hr, step):
    given = degradations(lr_raster(tmp_path, moved_s=(0, 0)), kinds=(kind,))
    pairs = made(tmp_path, hr_raster(tmp_path), given, rule=replace(RULE, stride_hr=stride_hr))
    assert sorted(set(pairs.samples["row"])) == sorted(set(pairs.samples["col"])) == list(range(0, 61, step))


def test_patches_begin_with_hr_where_its_edges_are_those_of_lr(tmp_path):
    lr = lr_raster(tmp_path, moved_s=(0, 0), whole_metres=True)
    assert corners(made(tmp_path, hr_raster(tmp_path), degradations(lr)))[0] == (0, 0)


def test_another_seed_or_model_gives_another_fitted_lr(tmp_path):
    hr, given = hr_raster(tmp_path, shape=(10, 10)), degradations(kinds=("fitted",))
    other = [replace(FITTED, blur_lr_px=2.0)]
    lr = [made(tmp_path, hr, choice, seed=seed).pair(0)[0] for choice, seed in ((given, 3), (given, 4), (other, 3))]
    assert (lr[0] != lr[1]).any()
    assert (lr[0] != lr[2]).any()


def test_region_too_narrow_for_fitted_soundings_is_left_out_with_the_reason(tmp_path):
    elevation = np.full((60, 60), np.nan, np.float32)
    elevation[20:25] = -5
    write_dem(tmp_path / "hr.tif", dem(elevation, **on_grid(3, (0, 0))))
    (piece,) = pieces(tmp_path, tmp_path / "hr.tif", degradations(kinds=("fitted",)))
    (reason,) = piece.left_out
    assert "soundings span no area; give a larger region or share of soundings" in reason
    assert (piece.path, piece.count) == (None, 0)


def test_degradations_of_one_region_differ_in_name_and_never_share_a_group(tmp_path):
    given = degradations(lr_raster(tmp_path), kinds=get_args(options.Degradation))
    areas = [PairFile(piece.path).areas[0] for piece in pieces(tmp_path, hr_raster(tmp_path), given)]
    assert [area.name for area in areas] == ["hr", "hr, fitted degradation", "hr, LR real"]
    assert [area.degradation for area in areas] == ["block mean", "fitted", "real"]
    assert [area.lr_source for area in areas] == [
        "mean of each block",
        "blur 0.6 LR px, 50.0% sounded, steps of 1 m",
        "real",
    ]
    groups = [group_slug("marine", area) for area in areas]
    assert groups == ["marine_3arcsec", "marine_3arcsec_fitted", "marine_3arcsec_real"]


def blundering(lr: Path) -> None:
    """Raise a few cells by what no model explains."""
    raster = read_dem(lr)
    wrong = np.random.default_rng(4).random(raster.elevation_m.shape) < 0.004
    write_dem(
        lr, replace(raster, elevation_m=np.where(wrong, raster.elevation_m + np.float32(150.25), raster.elevation_m))
    )


@pytest.mark.parametrize("gross", [False, True])
def test_model_of_whole_metres_is_found_once_hr_lies_on_lr(tmp_path, gross):
    lr = lr_raster(tmp_path, shape=(40, 40), place=(0, 0), whole_metres=True)
    if gross:
        blundering(lr)
    hr = read_dem(hr_raster(tmp_path, shape=(44, 44), place=(-2, -2)))
    model, found = fit_degradation_to_rasters(read_dem(lr), hr)
    lon_m, lat_m = metres_per_degree(NORTH - 20 * CELL)
    assert found.applied
    assert found.shift_m == pytest.approx((4 * SECOND * lon_m, -7 * SECOND * lat_m), abs=10)
    assert (model.rounding_m, model.blur_lr_px) == (1.0, pytest.approx(0, abs=0.25))
    assert model.sounding_share > 0.8


def test_model_of_grids_that_do_not_fit_is_refused(tmp_path):
    hr = read_dem(hr_raster(tmp_path, shape=(34, 34), place=(0, 0)))
    off = read_dem(lr_raster(tmp_path, "off", shape=(34, 34), place=(0, 0), moved_s=(45, -60)))
    with pytest.raises(GridError, match="not applied: shift of 5.0 is beyond 2 LR pixels, check both grids"):
        fit_degradation_to_rasters(off, hr)
    with pytest.raises(GridError, match="its CRS 'EPSG:4301' lies metres from WGS 84; warp it to WGS 84 first"):
        fit_degradation_to_rasters(replace(off, grid=replace(off.grid, crs="EPSG:4301")), hr)
    small = read_dem(lr_raster(tmp_path, "small", shape=(20, 20), place=(4, 4)))
    with pytest.raises(VoidError, match="39[0-9] cells are measured in LR and in HR; the fit needs 1000"):
        fit_degradation_to_rasters(small, hr)
