import numpy as np
import pytest
from synthetic import ARCSEC_3, dem, grid, plane

from demsr.dem.read.raster import read_dem
from demsr.errors import GridError, ParamsError
from demsr.pairs.split import (
    Region,
    check_held_out_files,
    is_within_gap,
    protected_boxes,
    split_into_quadrants,
    split_of_file,
    split_raster,
)

SPLITS = ("train", "valid", "test", "train")


@pytest.mark.parametrize("shape", [(344, 403), (330, 330), (61, 58), (20, 20)])
@pytest.mark.parametrize("gap_lr", [1, 2])
def test_no_pixel_belongs_to_two_quadrants_and_the_gap_is_held(shape, gap_lr):
    owners = np.zeros(shape, int)
    regions = split_into_quadrants("x", grid(*shape), SPLITS, gap_lr=gap_lr, scale=5)
    for region in regions:
        owners[region.row :, region.col :][: region.grid.rows, : region.grid.cols] += 1
    assert owners.max() == 1
    first, _, _, last = regions
    assert last.row - (first.row + first.grid.rows) >= 5 * gap_lr
    assert last.col - (first.col + first.grid.cols) >= 5 * gap_lr


def test_quadrants_of_68_by_80_lr_pixels_give_up_half_the_gap_each():
    regions = split_into_quadrants("x", grid(344, 403), SPLITS, gap_lr=2, scale=5)
    assert {(region.grid.rows, region.grid.cols) for region in regions} == {(33 * 5, 39 * 5)}


def test_quadrants_lie_where_their_names_say():
    whole = grid(100, 100)
    north_west, north_east, south_west, south_east = split_into_quadrants("x", whole, SPLITS, gap_lr=2, scale=5)
    assert [region.split for region in (north_west, north_east, south_west, south_east)] == list(SPLITS)
    assert north_west.name == "x, north-west"
    assert south_east.name == "x, south-east"
    assert (north_west.grid.west, north_west.grid.north) == (whole.west, whole.north)
    assert (south_east.grid.south, south_east.grid.east) == pytest.approx((whole.south, whole.east))
    assert north_east.grid.west > north_west.grid.east
    assert south_west.grid.north < north_west.grid.south
    for region in (north_west, north_east, south_west, south_east):
        assert region.grid.centre(0, 0) == pytest.approx(whole.centre(region.row, region.col))


@pytest.mark.parametrize("shape", [(15, 100), (100, 15)])
def test_raster_too_small_for_quadrants_is_refused(shape):
    with pytest.raises(GridError, match=rf"x: {shape[0]} x {shape[1]} pixels cannot be cut into quadrants"):
        split_into_quadrants("x", grid(*shape), SPLITS, gap_lr=2, scale=5)


@pytest.mark.parametrize(
    ("name", "split"),
    [("alps", "test"), ("alps_2", "test"), ("coast", "valid"), ("plain", "train"), ("a.alps", "train")],
)
def test_file_belongs_to_the_split_whose_pattern_it_matches(name, split):
    assert split_of_file(name, valid=["coast", "alps"], test=["alps*"]) == split


def test_pattern_that_matches_no_file_is_refused():
    check_held_out_files(["alps", "coast"], ["al*", "coast"], where="params.yaml")
    with pytest.raises(ParamsError, match=r"params.yaml: no file is called 'caost'; there are alps, coast"):
        check_held_out_files(["coast", "alps"], ["caost"], where="params.yaml")


def test_raster_is_split_by_the_method_that_was_asked_for():
    raster = dem(plane(100, 100), source="Alps")
    options = {"quadrant_splits": SPLITS, "valid": ["b"], "test": ["a"], "gap_lr": 2, "scale": 5}
    assert [one.split for one in split_raster("a", "Alps", raster.grid, method="quadrants", **options)] == list(SPLITS)
    assert split_raster("a", "Alps", raster.grid, method="files", **options) == [
        Region("Alps", "test", 0, 0, raster.grid)
    ]


@pytest.mark.parametrize(("split", "above"), [("train", {20, 30}), ("valid", {30}), ("test", set())])
def test_training_gives_way_to_validation_and_both_to_the_test(split, above):
    regions = [
        Region(name, name, 0, 0, grid(5, 5, west=west)) for name, west in (("train", 10), ("valid", 20), ("test", 30))
    ]
    assert {box[0] for box in protected_boxes(regions, split)} == above


@pytest.mark.parametrize(("columns", "closer"), [(9.9, True), (10, False), (10.5, False), (0, True), (-3, True)])
def test_gap_of_two_lr_pixels_is_ten_hr_pixels(columns, closer):
    box = grid(40, 40).lonlat_bounds()
    east = grid(40, 40, west=10 + (40 + columns) * ARCSEC_3)
    south = grid(40, 40, north=50 - (40 + columns) * ARCSEC_3)
    assert is_within_gap(east, [box], gap_lr=2, scale=5) == closer
    assert is_within_gap(south, [box], gap_lr=2, scale=5) == closer
    assert is_within_gap(grid(40, 40), [east.lonlat_bounds()], gap_lr=2, scale=5) == closer
    assert is_within_gap(grid(40, 40), [south.lonlat_bounds()], gap_lr=2, scale=5) == closer


def test_longitudes_a_turn_apart_are_the_same_place():
    box = grid(40, 40, west=-170).lonlat_bounds()
    assert is_within_gap(grid(40, 40, west=190), [box], gap_lr=1, scale=5)
    assert not is_within_gap(grid(40, 40, west=180), [box], gap_lr=1, scale=5)


def test_patch_is_far_from_no_box():
    assert not is_within_gap(grid(40, 40), [], gap_lr=2, scale=5)


def test_neighbouring_srtm_tiles_share_a_row_and_are_kept_apart(shared):
    south, north = (
        read_dem(shared / "data" / "land" / f"srtm3_{name}.tif", vertical_datum="EGM96")
        for name in ("N41E001_catalonia_coast", "N42E001_pyrenees")
    )
    shared_row = south.elevation_m[0], north.elevation_m[-1]
    seen = np.isfinite(shared_row[0]) & np.isfinite(shared_row[1])
    assert np.mean(shared_row[0][seen] == shared_row[1][seen]) > 0.99
    box = south.grid.lonlat_bounds()
    assert is_within_gap(north.grid.window(1201 - 40, 0, 40, 40), [box], gap_lr=2, scale=5)
    assert is_within_gap(north.grid.window(1201 - 40 - 10, 0, 40, 40), [box], gap_lr=2, scale=5)
    assert not is_within_gap(north.grid.window(1201 - 40 - 11, 0, 40, 40), [box], gap_lr=2, scale=5)
