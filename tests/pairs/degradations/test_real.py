from dataclasses import replace
from functools import partial
from itertools import product
from typing import get_args

import numpy as np
import pytest
from rasterio.transform import Affine
from real_lr import (
    BIAS_M,
    CELL,
    JAPAN,
    KANSAS,
    MOVED_S,
    NORTH,
    RULE,
    SECOND,
    assert_real_pairs,
    at,
    build,
    corners,
    degradations,
    hr_raster,
    lr_raster,
    made,
    means,
    on_grid,
    pieces,
    tid_raster,
    utm_raster,
    whole,
    why_none,
)
from synthetic import dem, write_raw

from demsr import options
from demsr.dem.geotiff import write_dem
from demsr.dem.grid import metres_per_degree
from demsr.dem.read.declared import Declared
from demsr.dem.read.header import read_header
from demsr.dem.read.raster import read_dem
from demsr.errors import PairsError
from demsr.options import SPLITS
from demsr.pairs.area import REAL
from demsr.pairs.build import build_pairs, plan_pairs
from demsr.pairs.degradations import RealLr
from demsr.pairs.degradations.real import describe_real_lr
from demsr.pairs.pair_file import PairFile


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


def test_patches_begin_with_hr_where_its_edges_are_those_of_lr(tmp_path):
    lr = lr_raster(tmp_path, moved_s=(0, 0), whole_metres=True)
    assert corners(made(tmp_path, hr_raster(tmp_path), degradations(lr)))[0] == (0, 0)
