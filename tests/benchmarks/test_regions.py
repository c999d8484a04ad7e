import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from protocol.regions import (
    ALWAYS,
    EVERYTHING,
    NEVER_TRAINED,
    Region,
    find_files,
    read_regions,
    training_rasters,
)
from synthetic import ARCSEC_3, dem, plane

from demsr.dem.geotiff import write_dem
from demsr.dem.grid import Box
from demsr.dem.read.header import read_header
from demsr.errors import RasterError

MAY_BE_TRAINED_ON = ("public domain", "CC BY")
REGIONS = read_regions()
BY_STEM = {one.stem: one for one in REGIONS.files}


def test_names_are_unique():
    assert len(BY_STEM) == len(REGIONS.files)
    for listed in (REGIONS.files, REGIONS.real):
        names = [one.name for one in listed]
        assert len(set(names)) == len(names)
    assert len({(pair.lr, pair.hr, pair.kind) for pair in REGIONS.real}) == len(REGIONS.real)


def test_only_free_data_is_trained_on():
    for region in REGIONS.files:
        assert region.licence
        assert region.fold == NEVER_TRAINED or region.licence.startswith(MAY_BE_TRAINED_ON), region.name
    assert {one.fold for one in REGIONS.files if "balanus" in one.stem} == {NEVER_TRAINED}
    assert {pair.fold for pair in REGIONS.real if "balanus" in pair.hr} == {NEVER_TRAINED}


def test_folds_are_those_of_the_files():
    assert REGIONS.folds == ["A", "B", "C"]
    assert {one.fold for one in REGIONS.files} == {*REGIONS.folds, ALWAYS, NEVER_TRAINED}
    assert {REGIONS.development_fold, REGIONS.comparison_fold} <= set(REGIONS.folds)
    assert REGIONS.development_fold != REGIONS.comparison_fold
    assert not [one.name for one in REGIONS.files if one.block_means and one.fold == ALWAYS]
    for domain in ("land", "marine"):
        assert {one.fold for one in REGIONS.files if one.domain == domain} >= set(REGIONS.folds)


def test_srtm_pairs_have_the_fold_of_their_file_and_share_it_under_a_grid():
    of_grid: dict[str, set[str]] = {}
    for pair in REGIONS.real:
        assert pair.kind in ("srtm", "land", "sea")
        if pair.kind == "srtm":
            assert (BY_STEM[pair.hr].domain, BY_STEM[pair.hr].fold) == ("land", pair.fold)
        if pair.kind != "sea":
            of_grid.setdefault(pair.lr, set()).add(pair.fold)
    assert {lr: folds for lr, folds in of_grid.items() if len(folds) > 1} == {}


def test_pairs_at_sea_that_share_a_file_share_their_place():
    at_sea = [pair for pair in REGIONS.real if pair.kind == "sea"]
    assert REGIONS.places_at_sea == sorted({pair.fold for pair in at_sea} - {NEVER_TRAINED})
    assert not set(REGIONS.places_at_sea) & {*REGIONS.folds, ALWAYS, EVERYTHING}
    for one, other in combinations(at_sea, 2):
        assert one.fold == other.fold or not {one.lr, one.hr} & {other.lr, other.hr}


@pytest.fixture(scope="module")
def boxes(shared):
    """West, south, east and north edge of all files, degrees."""
    stems = {*BY_STEM, *(name for pair in REGIONS.real for name in (pair.lr, pair.hr))}
    found = find_files(shared / "data", sorted(stems))
    assert set(found) == stems
    return {stem: read_header(path).grid.lonlat_bounds() for stem, path in found.items()}


def common_px(one: Box, other: Box) -> int:
    """Return the smaller side of the ground that two boxes share, in pixels of 3 arc-seconds."""
    west, south = (max(one[side], other[side]) for side in (0, 1))
    east, north = (min(one[side], other[side]) for side in (2, 3))
    return round(min(east - west, north - south) / ARCSEC_3)


def test_rasters_of_different_folds_share_no_more_than_a_row_of_nodes(boxes):
    """Ground that a file of fold `test` shares with others is void in their training."""
    trained = [one for one in REGIONS.files if one.fold != NEVER_TRAINED]
    for one, other in combinations(trained, 2):
        assert one.fold == other.fold or common_px(boxes[one.stem], boxes[other.stem]) <= 1, (one.name, other.name)


def test_no_net_for_land_is_trained_where_another_survey_tests_it(boxes):
    for pair in REGIONS.real:
        for one in REGIONS.files:
            if pair.kind == "land" and one.domain == "land" and one.fold not in (pair.fold, NEVER_TRAINED):
                assert common_px(boxes[pair.hr], boxes[one.stem]) <= 0, (pair.name, one.name)


def test_real_pairs_share_ground(boxes):
    for pair in REGIONS.real:
        assert common_px(boxes[pair.lr], boxes[pair.hr]) > 100, pair.name


def test_a_missing_file_is_named(tmp_path):
    write_dem(tmp_path / "there.tif", dem(plane(5, 5)))
    with pytest.raises(RasterError, match=r"has no absent; give the folder"):
        find_files(tmp_path, ["there", "absent"])


@pytest.fixture
def made(tmp_path, regions_of):
    """Four land rasters and one of the sea floor, each of its own level; "beside" adjoins "held out" in the east."""
    folds = {"held out": "A", "beside": "B", "always": ALWAYS, "never": NEVER_TRAINED, "marine": "B"}
    files = [Region(name, name, "land", "plain", fold, "public domain") for name, fold in folds.items()]
    files[-1] = replace(files[-1], domain="marine")
    west = {"held out": 10.0, "beside": 10 + 60 * ARCSEC_3, "always": 20.0, "never": 20 - 50 * ARCSEC_3, "marine": 30.0}
    rasters = {}
    for level, name in enumerate(folds):
        rasters[name] = tmp_path / f"{name}.tif"
        write_dem(rasters[name], dem(np.full((60, 60), 100.0 * level), source=name, west=west[name]))
    return regions_of(files), rasters


@pytest.mark.parametrize(("fold", "levels"), [("A", [100, 200]), ("B", [0, 200]), (EVERYTHING, [0, 100, 200])])
def test_a_fold_is_trained_on_without_its_files_and_those_of_fold_test(made, fold, levels):
    found = training_rasters(*made, fold, ["land"])
    assert [float(np.nanmax(one.elevation_m)) for one in found] == levels
    both = training_rasters(*made, fold, ["land", "marine"])
    assert [float(np.nanmax(one.elevation_m)) for one in both] == (levels if fold == "B" else [*levels, 400])


def test_held_out_ground_and_two_lr_pixels_around_it_are_void(made):
    beside, always = (one.elevation_m for one in training_rasters(*made, "A", ["land"]))
    assert np.isnan(beside[:, :10]).all()  # adjoins the held-out file
    assert np.isfinite(beside[:, 11:]).all()
    assert np.isnan(always[:, : 10 + 10]).all()  # ten columns lie in the file of fold test
    assert np.isfinite(always[:, 10 + 11 :]).all()
    everything = training_rasters(*made, EVERYTHING, ["land"])
    assert [math.isnan(one.elevation_m[0, 0]) for one in everything] == [False, False, True]
