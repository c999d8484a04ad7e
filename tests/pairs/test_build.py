from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from synthetic import ARCSEC_3, dem, rough

from demsr.dem.geotiff import write_dem
from demsr.dem.read.raster import read_dem
from demsr.errors import PairsError
from demsr.options import SPLITS
from demsr.pairs import region_pairs
from demsr.pairs.build import PairPlan, build_pairs, plan_pairs
from demsr.pairs.cut import CutRule
from demsr.pairs.degradations.block_mean import BlockMean
from demsr.pairs.degrade import block_mean
from demsr.pairs.pair_file import PairFile
from demsr.pairs.split import split_raster

GAP_LR, SCALE = 2, 5
RULE = CutRule(patch_lr=8, stride_hr=7, gap_lr=GAP_LR, max_void_share=0.1, min_relief_m=1)


def build(rasters: Sequence[Path], folder: Path, **changes: Any) -> dict[str, Any]:
    options = {
        "method": "quadrants",
        "quadrant_splits": ("train", "train", "test", "valid"),
        "valid": [],
        "test": [],
        "gap_lr": GAP_LR,
        "scale": SCALE,
        "rule": RULE,
        "scale_free": False,
        **changes,
    }
    rule, scale_free = options.pop("rule"), options.pop("scale_free")
    degradations, processes = options.pop("degradations", [BlockMean()]), options.pop("processes", 1)
    count = options.pop("count", None)
    splitter = partial(split_raster, **options)
    plan = plan_pairs(rasters, splitter, domain="land", scale_free=scale_free, degradations=degradations)
    work = folder.with_name(f"{folder.name}.work")
    return build_pairs(plan, folder, rule, all_regions=plan.regions, work=work, processes=processes, count=count)


def raster(
    folder: Path, name: str, shape: tuple[int, int] = (121, 121), *, row: int = 0, col: int = 0, **of: Any
) -> Path:
    """Write rough terrain whose north-western pixel is pixel (row, col) of one lattice for all rasters."""
    seed = sum(name.encode())
    options = {"west": 10 + col * ARCSEC_3, "north": 50 - row * ARCSEC_3, "source": name, **of}
    write_dem(folder / f"{name}.tif", dem(rough(*shape, seed=seed), **options))
    return folder / f"{name}.tif"


def pixels_of_splits(folder: Path) -> dict[str, np.ndarray]:
    """Return which pixels of the lattice each split holds, from the coordinates stored with the samples."""
    owned = {split: np.zeros((600, 600), bool) for split in SPLITS}
    for split in SPLITS:
        pairs = PairFile(folder / f"{split}.h5")
        side = pairs.patch_lr * pairs.scale
        for lon, lat in zip(pairs.samples["lon"], pairs.samples["lat"], strict=True):
            row, col = (50 - lat) / ARCSEC_3 - side / 2, (lon - 10) / ARCSEC_3 - side / 2
            assert (row, col) == pytest.approx((round(row), round(col)), abs=1e-4)
            owned[split][round(row) + 150 :, round(col) + 150 :][:side, :side] = True
    return owned


def pixels_between(one: np.ndarray, other: np.ndarray) -> int:
    """Return how many pixels lie between two sets along the rows or the columns, -1 if they share one."""
    distance = ndimage.distance_transform_cdt(~one, metric="chessboard")
    return int(distance[other].min()) - 1


def assert_apart(folder: Path) -> None:
    owned = pixels_of_splits(folder)
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert pixels_between(owned[one], owned[other]) >= GAP_LR * SCALE, (one, other)


def test_oracle_of_the_leakage_tests_counts_the_pixels_between():
    one, other = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    one[:5, :5], other[5:, 8:] = True, True
    assert pixels_between(one, other) == 3
    other[4, 4] = True
    assert pixels_between(one, other) == -1


def test_no_pixel_belongs_to_two_quadrants(tmp_path):
    build([raster(tmp_path, "a", (133, 128))], tmp_path / "pairs")
    assert_apart(tmp_path / "pairs")


@pytest.mark.parametrize(
    ("row", "col"),
    [
        pytest.param(0, 120, id="share a column of nodes"),
        pytest.param(120, 0, id="share a row of nodes"),
        pytest.param(120, 120, id="share one node"),
        pytest.param(0, 121, id="touch"),
        pytest.param(-121, 121, id="touch by a corner"),
        pytest.param(60, -50, id="overlap"),
        pytest.param(0, 0, id="same place"),
        pytest.param(0, 128, id="less than the gap apart"),
    ],
)
def test_no_pixel_belongs_to_two_files_of_different_splits(tmp_path, row, col):
    """Train, validation and test each have a neighbour, and training another raster of its own."""
    rasters = [
        raster(tmp_path, "test_tile"),
        raster(tmp_path, "train_tile", row=row, col=col),
        raster(tmp_path, "valid_tile", (121, 121), row=row + 60, col=col + 120),
        raster(tmp_path, "valid_far", row=300, col=300),
        raster(tmp_path, "train_far", row=300, col=0),
    ]
    build(rasters, tmp_path / "pairs", method="files", valid=["valid*"], test=["test*"])
    assert_apart(tmp_path / "pairs")


def test_what_one_domain_holds_out_the_other_does_not_train_on(tmp_path):
    def plan(domain: str, names: Sequence[str], **held_out: list[str]) -> PairPlan:
        options = {"method": "files", "quadrant_splits": (), "gap_lr": GAP_LR, "scale": SCALE}
        rasters = [raster(tmp_path, name, row=300 * (place // 2), col=300 * (place % 2)) for place, name in names]
        splitter = partial(split_raster, **options, **held_out)
        return plan_pairs(rasters, splitter, domain=domain, scale_free=False, degradations=[BlockMean()])

    land = plan(
        "land",
        [(0, "land_train"), (1, "land_valid"), (2, "land_test"), (3, "land_more")],
        valid=["land_valid"],
        test=["land_test"],
    )
    marine = plan(
        "marine", [(0, "sea_test"), (1, "sea_valid"), (3, "sea_train")], valid=["sea_valid"], test=["sea_test"]
    )
    all_regions = [*land.regions, *marine.regions]
    summary = build_pairs(land, tmp_path / "land", RULE, all_regions=all_regions, work=tmp_path / "work")
    assert summary["train"]["areas"]["land_train"] == 0  # it lies where the sea floor is tested
    assert summary["train"]["areas"]["land_more"] > 0


def test_quadrants_of_overlapping_rasters_are_kept_apart(tmp_path):
    build([raster(tmp_path, "a"), raster(tmp_path, "b", row=30, col=45)], tmp_path / "pairs")
    assert_apart(tmp_path / "pairs")


def test_second_build_gives_the_same_bytes(tmp_path):
    path = raster(tmp_path, "a")
    build([path], tmp_path / "one")
    build([path], tmp_path / "two")
    for split in SPLITS:
        assert (tmp_path / "one" / f"{split}.h5").read_bytes() == (tmp_path / "two" / f"{split}.h5").read_bytes()


def test_layout_has_the_names_of_the_paper_at_its_patch_size(tmp_path):
    rule = CutRule(patch_lr=32, stride_hr=160, gap_lr=2, max_void_share=0.1, min_relief_m=1)
    summary = build([raster(tmp_path, "a", (330, 330))], tmp_path / "pairs", rule=rule)
    assert [summary[split]["pairs"] for split in SPLITS] == [2, 1, 1]
    pairs = PairFile(tmp_path / "pairs" / "train.h5")
    assert pairs._names == ["32_32", "160_160"]
    assert pairs.attributes["domain"] == "land"
    assert pairs.attributes["split"] == "train"


def test_every_stored_lr_is_the_block_mean_of_its_hr_at_its_place(tmp_path):
    path = raster(tmp_path, "a")
    build([path], tmp_path / "pairs")
    elevation = read_dem(path).elevation_m
    pairs = PairFile(tmp_path / "pairs" / "train.h5")
    for index in range(len(pairs)):
        lr, hr = pairs.pair(index)
        row, col = pairs.samples["row"][index], pairs.samples["col"][index]
        np.testing.assert_array_equal(hr[0], elevation[row : row + 40, col : col + 40])
        np.testing.assert_array_equal(lr[0], block_mean(hr[0], scale=5))


def test_only_training_patches_overlap(tmp_path):
    rule = CutRule(patch_lr=8, stride_hr=10, gap_lr=2, max_void_share=0.1, min_relief_m=1)
    summary = build([raster(tmp_path, "a", (180, 180))], tmp_path / "pairs", rule=rule)
    # quadrants of 17 x 17 LR pixels: 85 HR pixels hold 5 training positions a side, or 2 that do not overlap
    assert {split: summary[split]["pairs"] for split in SPLITS} == {"train": 2 * 25, "valid": 4, "test": 4}


def test_summary_counts_pairs_by_area_and_reasons(tmp_path):
    summary = build([raster(tmp_path, "a", (90, 90)), raster(tmp_path, "b", (90, 90), row=400)], tmp_path / "pairs")
    assert summary["test"] == {"pairs": 2, "areas": {"a, south-west": 1, "b, south-west": 1}}
    assert summary["left_out"] == {}


def test_areas_of_rasters_with_one_source_stay_apart(tmp_path):
    rasters = [raster(tmp_path, name, (90, 90), row=row, source="SRTM") for name, row in (("a", 0), ("b", 400))]
    summary = build(rasters, tmp_path / "pairs")
    assert summary["test"]["areas"] == {"SRTM, south-west (a)": 1, "SRTM, south-west (b)": 1}
    assert len({area.name for area in PairFile(tmp_path / "pairs" / "train.h5").areas}) == 4


def test_grid_of_another_spacing_is_left_out_with_its_name(tmp_path):
    coarse = raster(tmp_path, "coarse", pixel_width=4 / 3600, pixel_height=4 / 3600, row=400)
    summary = build([raster(tmp_path, "a"), coarse], tmp_path / "pairs")
    assert summary["left_out"] == {"coarse: spacing is not 3 arc-seconds and scale_free is off": 1}
    assert {area.pair_kind for area in PairFile(tmp_path / "pairs" / "train.h5").areas} == {"3 arc-second"}


def test_scale_free_pairs_are_cut_and_marked(tmp_path):
    coarse = raster(tmp_path, "coarse", pixel_width=4 / 3600, pixel_height=4 / 3600)
    build([coarse], tmp_path / "pairs", scale_free=True)
    assert {area.pair_kind for area in PairFile(tmp_path / "pairs" / "train.h5").areas} == {"scale-free"}


def test_split_without_pairs_is_refused_with_the_reasons_and_no_file_of_it(tmp_path):
    rasters = [raster(tmp_path, "a"), raster(tmp_path, "b", row=400)]
    with pytest.raises(
        PairsError, match=r"land: the valid split has no pair of 8 x 8 LR pixels \(left out: \{.*patch_lr"
    ):
        build(rasters, tmp_path / "pairs", method="files", valid=[], test=["b"])
    assert [path.name for path in (tmp_path / "pairs").iterdir()] == ["train.h5"]


def test_two_processes_write_the_bytes_of_one(tmp_path):
    rasters = [raster(tmp_path, "a"), raster(tmp_path, "b", row=400)]
    for processes in (1, 2):
        build(rasters, tmp_path / str(processes), processes=processes)
    for split in SPLITS:
        assert (tmp_path / "1" / f"{split}.h5").read_bytes() == (tmp_path / "2" / f"{split}.h5").read_bytes()


def test_interrupted_build_goes_on_and_ends_byte_equal(tmp_path, monkeypatch):
    rasters = [raster(tmp_path, "a"), raster(tmp_path, "b", row=400)]
    build(rasters, tmp_path / "unbroken")
    written = []

    def killed(job: Any, *rest: Any) -> Any:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(job.region.name)
        return write(job, *rest)

    write = region_pairs._write
    monkeypatch.setattr(region_pairs, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        build(rasters, tmp_path / "broken")
    monkeypatch.setattr(region_pairs, "_write", lambda job, *rest: written.append(job.region.name) or write(job, *rest))
    build(rasters, tmp_path / "broken")
    assert len(written) == len(set(written)) == 8  # none was made twice
    for split in SPLITS:
        assert (tmp_path / "broken" / f"{split}.h5").read_bytes() == (
            tmp_path / "unbroken" / f"{split}.h5"
        ).read_bytes()


def test_finished_regions_of_another_rule_or_raster_are_not_taken(tmp_path):
    path = raster(tmp_path, "a")
    first = build([path], tmp_path / "pairs")
    second = build([path], tmp_path / "pairs", rule=replace(RULE, stride_hr=35))
    assert second["train"]["pairs"] < first["train"]["pairs"]
    write_dem(path, dem(rough(121, 121, seed=9), source="a"))
    build([path], tmp_path / "pairs")
    _, hr = PairFile(tmp_path / "pairs" / "train.h5").pair(0)
    np.testing.assert_array_equal(hr[0], read_dem(path).elevation_m[:40, :40])


def test_training_pieces_are_not_taken_once_a_neighbour_is_held_out(tmp_path):
    places = {"a": (0, 0), "b": (60, 60), "c": (400, 0), "d": (400, 300)}
    rasters = [raster(tmp_path, name, row=row, col=col) for name, (row, col) in places.items()]
    first = build(rasters, tmp_path / "pairs", method="files", valid=["c"], test=["d"])
    second = build(rasters, tmp_path / "pairs", method="files", valid=["c"], test=["d", "b"])
    assert second["train"]["areas"]["a"] < first["train"]["areas"]["a"]
    assert_apart(tmp_path / "pairs")


def test_lost_piece_is_made_again(tmp_path):
    path = raster(tmp_path, "a")
    build([path], tmp_path / "pairs")
    before = (tmp_path / "pairs" / "train.h5").read_bytes()
    for piece in (tmp_path / "pairs.work").glob("*.h5"):
        piece.unlink()
    build([path], tmp_path / "pairs")
    assert (tmp_path / "pairs" / "train.h5").read_bytes() == before


def test_a_number_of_pairs_is_drawn_from_what_there_is(tmp_path):
    rasters = [raster(tmp_path, "a"), raster(tmp_path, "b", col=300)]
    everything = build(rasters, tmp_path / "all")
    summary = build(rasters, tmp_path / "some", count=30)
    kept = {split: summary[split]["pairs"] for split in SPLITS}
    assert kept["train"] + kept["valid"] == 30
    assert kept["test"] == everything["test"]["pairs"]
    assert summary["sampling"]["candidates"] == {split: everything[split]["pairs"] for split in ("train", "valid")}
    assert {split: len(PairFile(tmp_path / "some" / f"{split}.h5")) for split in SPLITS} == kept
    assert all(summary["train"]["areas"].values())  # of all regions, not of the first
    assert_apart(tmp_path / "some")


def test_patches_lie_closer_where_more_are_asked_for(tmp_path):
    rasters = [raster(tmp_path, "a"), raster(tmp_path, "b", col=300)]
    coarse = replace(RULE, stride_hr=40)
    have = build(rasters, tmp_path / "few", rule=coarse)
    asked = 6 * (have["train"]["pairs"] + have["valid"]["pairs"])
    summary = build(rasters, tmp_path / "many", rule=coarse, count=asked)
    assert summary["train"]["pairs"] + summary["valid"]["pairs"] == asked
    assert summary["sampling"]["strides_hr"][0] == 40
    assert summary["sampling"]["strides_hr"][-1] < 40
    assert_apart(tmp_path / "many")


def test_a_number_that_cannot_be_reached_is_refused(tmp_path):
    with pytest.raises(PairsError, match="land: .* training pairs are asked for, patches every 5 HR pixels give"):
        build([raster(tmp_path, "a")], tmp_path / "out", count=1_000_000)
    assert not (tmp_path / "out" / "train.h5").exists()
