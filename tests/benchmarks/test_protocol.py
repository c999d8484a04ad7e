import json
import math

import numpy as np
import pytest
import torch
from pair_files import rough_terrain
from protocol.methods import COMPARED, METHODS, OUR_NET, OURS, OverBase, new_net
from protocol.regions import (
    EVERYTHING,
    NEVER_TRAINED,
    RealPair,
    Region,
    Regions,
    cut_training_pairs,
    find_files,
    pairs_of,
    read_regions,
)
from protocol.results import Results, gain, land_mean
from protocol.scoring import BackProjected, Scene, block_mean_scene, rmse_by_distance, run, score, tile_edge_rmse
from protocol.training import BATCH, Training, train
from synthetic import dem, plane, rough
from torch.nn import functional

from demsr.dem.geotiff import write_dem
from demsr.errors import RasterError
from demsr.model.baselines import Bicubic
from demsr.model.cost import flop_per_lr_px
from demsr.pairs.pair_file import PairFile

MAY_BE_TRAINED_ON = ("public domain", "CC BY")


def made_regions(*folds: str) -> Regions:
    files = [Region(f"file{place}", f"region {place}", "land", "plain", fold, "") for place, fold in enumerate(folds)]
    return Regions(files, [], "A", "B", {"plain": 1.0}, [])


def scene(rows_lr: int = 12, cols_lr: int = 9) -> Scene:
    hr = rough_terrain(5 * rows_lr, 5 * cols_lr, seed=3)
    lr = hr.reshape(rows_lr, 5, cols_lr, 5).mean(axis=(1, 3))
    return Scene("made", lr, hr, 60.0, 90.0)


def test_only_free_data_is_trained_on_and_each_landform_counts():
    regions = read_regions()
    for region in regions.files:
        assert region.fold == NEVER_TRAINED or region.licence.startswith(MAY_BE_TRAINED_ON)
    assert {one.fold for one in regions.files if "Balanus" in one.name} == {NEVER_TRAINED}
    assert len({one.name for one in regions.files}) == len(regions.files)
    assert sum(regions.land_mix.values()) == pytest.approx(1)
    assert set(regions.land_mix) == {one.landform for one in regions.files if one.domain == "land"}
    forms = [next(one.landform for one in regions.files if one.name == name) for name in regions.land_five]
    assert sorted(forms) == ["mountain", "mountain", "mountain", "plain", "upland"]
    assert {regions.development_fold, regions.comparison_fold} <= set(regions.folds)
    assert regions.development_fold != regions.comparison_fold


def test_all_files_of_the_list_are_found(shared):
    regions = read_regions()
    found = find_files(shared / "data", [one.stem for one in regions.files] + [pair.lr for pair in regions.real])
    assert len(found) == len(regions.files) + len(regions.real)


def test_a_missing_file_is_named(tmp_path):
    write_dem(tmp_path / "there.tif", dem(plane(5, 5)))
    with pytest.raises(RasterError, match=r"has no absent; give the folder"):
        find_files(tmp_path, ["there", "absent"])


@pytest.mark.parametrize(
    ("fold", "seen"), [("A", ["region 1", "region 2"]), (EVERYTHING, ["region 0", "region 1", "region 2"])]
)
def test_pairs_of_a_fold_lack_what_it_holds_back(tmp_path, fold, seen):
    regions = made_regions("A", "B", "B", NEVER_TRAINED, NEVER_TRAINED)
    rasters = {}
    for place, region in enumerate(regions.files):
        rasters[region.stem] = tmp_path / f"{region.stem}.tif"
        terrain = rough_terrain(170, 170, seed=place)
        write_dem(rasters[region.stem], dem(terrain, source=region.name, west=10.0 + place))
    regions.files[4] = Region("file4", "region 4", "marine", "shelf", NEVER_TRAINED, "")
    cut_training_pairs(regions, rasters, fold, tmp_path / "work", processes=1)
    pairs = PairFile(pairs_of(tmp_path / "work", fold))
    assert sorted(area.source for area in pairs.areas if area.degradation == "block mean") == seen
    rounded = [index for index, area in enumerate(pairs.samples["area"]) if pairs.areas[area].degradation == "fitted"]
    assert len(rounded) == len(pairs) / 2
    lr = pairs.pair(rounded[0])[0]
    np.testing.assert_array_equal(lr, np.round(lr))


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("reference")])
def test_every_net_starts_at_the_cubic_base_and_has_its_size(name):
    net = new_net(name, seed=1).eval()
    lr = torch.tensor(scene().lr)[None, None]
    with torch.no_grad():
        torch.testing.assert_close(net(lr), net.base(lr), atol=1e-3, rtol=0)
    assert 5_000 < sum(weight.numel() for weight in net.parameters()) < 3_000_000


def test_operations_are_counted_as_by_hand():
    blocks, features = OUR_NET["num_blocks"], OUR_NET["features"]
    macs = 9 * features**2 * (2 * blocks + 1) + 9 * features * 25 + 9 * features
    assert flop_per_lr_px(new_net(OURS, seed=0)) == pytest.approx(2 * macs, rel=0.01)


def test_budgets_are_spent_alike(tmp_path, monkeypatch):
    monkeypatch.setattr("protocol.training._EPOCH_STEPS", 2)
    regions = made_regions("A", "B", NEVER_TRAINED, NEVER_TRAINED)
    regions.files[3] = Region("file3", "region 3", "marine", "shelf", NEVER_TRAINED, "")
    rasters = {region.stem: tmp_path / f"{region.stem}.tif" for region in regions.files}
    for place, (stem, path) in enumerate(rasters.items()):
        write_dem(path, dem(rough_terrain(170, 170, seed=place), source=stem, west=10.0 + place))
    cut_training_pairs(regions, rasters, "B", tmp_path, processes=1)
    pairs = PairFile(pairs_of(tmp_path, "B"))
    training = Training(
        "comparison", "SRCNN", "B", 0, 4 * 3 * flop_per_lr_px(new_net("SRCNN", seed=0)) * BATCH * 1024e-12
    )
    net = train(training, pairs, tmp_path)
    facts = json.loads((tmp_path / "trained" / training.name / "facts.json").read_text())
    assert facts["steps"] == 4
    assert not (tmp_path / "checkpoints" / training.name).exists()
    again = train(training, pairs, tmp_path)  # from its file
    assert all(torch.equal(one, other) for one, other in zip(net.parameters(), again.parameters(), strict=True))


def test_scores_of_bicubic_do_not_depend_on_the_orientation():
    expected = score(Bicubic(), scene())
    for orientation in range(8):
        found = score(Bicubic(), scene().turned(orientation))
        for metric in ("rmse_m", "nmad_m", "slope_rmse_deg", "roughness_rmse_m", "consistency_m"):
            assert found[metric] == pytest.approx(expected[metric], rel=1e-4), metric


def test_voids_of_the_raster_are_not_scored(tmp_path):
    elevation = rough_terrain(60, 60, seed=1)
    elevation[0:10, 0:10] = np.nan
    elevation[20, 20] = np.nan
    write_dem(tmp_path / "a.tif", dem(elevation))
    made = block_mean_scene("made", tmp_path / "a.tif")
    assert np.isfinite(made.lr).all()
    assert int(np.isnan(made.hr).sum()) == 101
    assert np.isfinite(list(score(Bicubic(), made).values())).all()


class Corner(OverBase):
    """Adds to each HR pixel what depends on its phase alone: the least symmetric net there is."""

    def detail(self, lr: torch.Tensor, base: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return functional.pixel_shuffle(torch.arange(25.0)[:, None, None].expand(lr.shape[0], 25, *lr.shape[2:]), 5)


def test_back_projection_brings_block_means_to_the_input():
    lr = scene().lr
    off = [
        np.abs(run(BackProjected(Corner(), iterations=count), lr).reshape(12, 5, 9, 5).mean((1, 3)) - lr).max()
        for count in (0, 12)
    ]
    assert off[1] < 0.02 * off[0]


def test_rings_of_a_method_that_knows_no_borders_are_those_of_the_whole(monkeypatch):
    monkeypatch.setattr("protocol.scoring.TILE_LR", 4)
    monkeypatch.setattr("protocol.scoring.RING_LR", 1)

    class Repeat(torch.nn.Module):
        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            return functional.interpolate(lr, scale_factor=5)

    made = scene(8, 12)
    found = tile_edge_rmse(Repeat(), made)
    error = run(Repeat(), made.lr) - made.hr
    edge = np.ones((20, 20), bool)
    edge[5:15, 5:15] = False
    squares = np.square(error.astype(float)).reshape(2, 20, 3, 20).swapaxes(1, 2).reshape(-1, 20, 20)
    assert found == pytest.approx([np.sqrt(squares[:, edge].mean()), np.sqrt(squares[:, ~edge].mean())], rel=1e-5)


def test_land_counts_by_landform():
    forms = {"a": "plain", "b": "plain", "c": "upland", "d": "mountain"}
    files = [Region(name, name, "land", form, "A", "") for name, form in forms.items()]
    regions = Regions(files, [], "A", "B", {"plain": 0.2, "upland": 0.2, "mountain": 0.6}, [])
    assert land_mean(regions, {"a": 2.0, "b": 4.0, "c": 10.0, "d": 20.0}) == pytest.approx(
        0.2 * 3 + 0.2 * 10 + 0.6 * 20
    )


def test_gain_is_the_share_of_the_error_that_went():
    assert gain({"rmse_m": 8.0}, {"rmse_m": 10.0}) == pytest.approx(20)


def test_a_region_is_judged_by_the_training_that_did_not_see_it(tmp_path):
    regions = made_regions("A", "B", NEVER_TRAINED)
    pair = Regions(regions.files, [RealPair("lr", "hr", "true pair")], "A", "B", regions.land_mix, [])
    trainings = [Training("product", OURS, fold, 0, 1.0) for fold in ("A", "B", EVERYTHING)]
    for training in trainings:
        (tmp_path / "scores").mkdir(exist_ok=True)
        of_all = {f"region {place}": {"rmse_m": ord(training.fold[0])} for place in range(3)}
        (tmp_path / "scores" / f"{training.name}.json").write_text(
            json.dumps({"net": of_all | {"true pair": {"rmse_m": ord(training.fold[0])}}})
        )
    results = Results(pair, trainings, tmp_path)
    found = results.product_scores(["region 0", "region 1", "region 2", "true pair"])
    assert [chr(found[name]["rmse_m"]) for name in found] == ["A", "B", "n", "n"]


def test_comparison_has_the_nets_that_it_must_have(root):
    assert [name.split()[0] for name in COMPARED] == [OURS, "EDSR", "VDSR", "SRCNN", "reference"]
    nets = [new_net(name, seed=0) for name in COMPARED]
    assert [type(net).__name__ for net in nets] == ["DemSrNet", "EDSR", "VDSR", "SRCNN", "DemSrNet"]
    shipped = json.loads((root / "demsr/weights/config.json").read_text(encoding="utf-8"))["net"]
    assert {name: getattr(nets[0], name) for name in shipped} == shipped


def test_rmse_by_distance_equals_a_slow_loop():
    error = rough(24, 36, level=0, rms=3)
    error[3, 4] = np.nan
    squares: dict[int, list[float]] = {}
    for row in range(24):
        for col in range(36):
            if not math.isnan(error[row, col]):
                inside = min(row % 12, 11 - row % 12, col % 12, 11 - col % 12)
                squares.setdefault(inside // 2, []).append(float(error[row, col]) ** 2)
    slow = [math.sqrt(sum(values) / len(values)) for _, values in sorted(squares.items())]
    np.testing.assert_allclose(rmse_by_distance(error, tile_px=12, bins_px=2), slow, rtol=1e-6)
