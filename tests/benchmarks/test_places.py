import numpy as np
import pytest
from accuracy import patches_of, trainings
from protocol.places import Nets, Place, all_places, scene_of
from protocol.regions import ALWAYS, EVERYTHING, NEVER_TRAINED, RealPair, Region, read_regions
from protocol.results import scores_of
from protocol.scenes import Scene
from synthetic import dem, rough
from torch import nn

from demsr.dem.geotiff import write_dem

REGIONS = read_regions()
NETS = trainings(REGIONS, ["folds", "comparison", "variants"], share=1.0)
PLACES = {one.name: one for one in all_places(REGIONS)}


class Tagged(nn.Module):
    """Stands for the net of a training."""

    def __init__(self, training, _work=None):
        super().__init__()
        self.of = training


@pytest.fixture
def nets(tmp_path, monkeypatch):
    monkeypatch.setattr("protocol.places._read", Tagged)
    return Nets(REGIONS, NETS, tmp_path)


def has_seen(training, place: Place) -> bool:
    """Whether the truth or the grid of a place was in a training, by the rules of the protocol."""
    if training.operator == "blind":
        pairs = [pair for pair in REGIONS.real if pair.kind == "sea" and pair.fold not in (training.fold, "test")]
        return any({place.hr, place.lr} & {pair.hr, pair.lr} for pair in pairs)
    return any(one.stem == place.hr and one.fold not in (training.fold, "test") for one in REGIONS.files)


def test_each_place_is_judged_by_nets_that_were_not_trained_on_it(nets):
    for place in PLACES.values():
        model = nets.model_for(place)
        if place.is_real:
            assert (model.land.of.operator, model.sea.of.operator) == ("gebco", "blind")
            assert model.sea.of.start is not None
            judge = model.sea.of if place.kind == "sea" else model.land.of
        else:
            judge = model.of
            assert judge.operator == "mean"
        assert (judge.role, judge.method) == ("product", "ours")
        assert not has_seen(judge, place), (judge.name, place.name)


def test_nets_that_ship_saw_everything_but_fold_test(nets):
    for place in PLACES.values():
        if place.fold == NEVER_TRAINED:
            model = nets.model_for(place)
            parts = [model.land, model.sea] if place.is_real else [model]
            assert {part.of.fold for part in parts} == {EVERYTHING}


def test_compared_nets_are_scored_where_they_were_not_trained(nets):
    assert {one.fold for one in nets.compared} == {REGIONS.comparison_fold, REGIONS.development_fold}
    for training in nets.compared:
        chosen = [one for one in PLACES.values() if one.kind == "srtm" and one.fold == training.fold]
        assert chosen
        assert not any(has_seen(training, one) for one in chosen)
        assert nets.coast(Tagged(training), chosen[0]).sea.of.fold == EVERYTHING


def test_trainings_have_unique_names_and_follow_what_they_start_from():
    assert len({one.name for one in NETS}) == len(NETS)
    for place, one in enumerate(NETS):
        assert one.start is None or one.start in NETS[:place]
    only = trainings(REGIONS, [], share=1.0)
    assert {(one.operator, one.fold) for one in only} == {(name, EVERYTHING) for name in ("gebco", "mean", "blind")}
    assert [one.budget_tflop for one in trainings(REGIONS, [], share=0.5)] == [one.budget_tflop / 2 for one in only]


@pytest.fixture
def made(regions_of):
    files = [
        Region("a", "region A", "land", "plain", "A", "public domain", block_means=True),
        Region("b", "region B", "land", "mountain", "B", "public domain"),
        Region("c", "region C", "land", "upland", ALWAYS, "public domain", block_means=True),
        Region("d", "region D", "marine", "shelf", NEVER_TRAINED, "not stated", block_means=True),
    ]
    real = [
        RealPair("lr", "b", "pair B", "srtm", "B"),
        RealPair("lr", "x", "other", "land", "B"),
        RealPair("deep", "y", "sea Y", "sea", "pacific"),
        RealPair("deeper", "z", "sea Z", "sea", "atlantic"),
        RealPair("deepest", "w", "sea W", "sea", NEVER_TRAINED),
    ]
    return regions_of(files, real)


def test_places_are_the_true_pairs_and_the_block_means_of_held_out_files(made):
    found = {one.name: (one.kind, one.group, one.domain, one.fold, one.hr) for one in all_places(made)}
    assert found == {
        "pair B": ("srtm", "mountain", "land", "B", "b"),
        "other": ("land", "land", "land", "B", "x"),
        "sea Y": ("sea", "sea", "marine", "pacific", "y"),
        "sea Z": ("sea", "sea", "marine", "atlantic", "z"),
        "sea W": ("sea", "sea", "marine", NEVER_TRAINED, "w"),
        "region A": ("block mean", "plain", "land", "A", "a"),
        "region D": ("block mean", "shelf", "marine", NEVER_TRAINED, "d"),
    }


def test_names_of_places_make_file_names(tmp_path):
    paths = {scores_of(tmp_path, name) for name in PLACES}
    assert len(paths) == len(PLACES)
    assert {path.parent for path in paths} == {tmp_path / "scores"}


@pytest.mark.parametrize(("held_out", "seen"), [("pacific", "z"), ("atlantic", "y"), (EVERYTHING, "yz")])
def test_fine_tuning_sees_the_surveys_of_other_places_with_land_at_0_m(made, tmp_path, monkeypatch, held_out, seen):
    levels = {"y": -100.0, "z": -200.0, "w": -300.0}

    def made_scene(name, lr_file, hr_file, *, at_sea):
        lr = rough(32, 32, level=levels[hr_file], rms=1)
        lr[0, 0] = 50
        return Scene(name, lr, np.kron(lr, np.ones((5, 5), np.float32)), 90.0, 90.0)

    folds = []
    monkeypatch.setattr("accuracy.find_files", lambda data, names: {name: name for name in names})
    monkeypatch.setattr("accuracy.survey_scene", made_scene)
    monkeypatch.setattr(
        "accuracy.training_rasters",
        lambda regions, rasters, fold, domains: folds.append(fold) or [dem(rough(300, 300))],
    )
    tuned = {one.fold: one for one in trainings(made, ["folds"], share=1.0) if one.start}
    patches = patches_of(tuned[held_out], made, {}, tmp_path)
    scenes = patches.sources[0].pairs
    assert sorted(round(float(lr[1:].mean()), -2) for lr, _ in scenes) == sorted(levels[name] for name in seen)
    assert {float(lr.max()) for lr, _ in scenes} == {0.0}
    assert set(folds) == {EVERYTHING}
    assert patches.shares == pytest.approx([0.5, 0.25, 0.25])


@pytest.mark.parametrize("operator", ["gebco", "mean"])
def test_nets_for_land_and_means_are_trained_without_their_fold(made, tmp_path, monkeypatch, operator):
    asked = []
    monkeypatch.setattr(
        "accuracy.training_rasters",
        lambda regions, rasters, fold, domains: asked.append((fold, domains)) or [dem(rough(170, 170))],
    )
    (chosen,) = [one for one in trainings(made, ["folds"], share=1.0) if (one.operator, one.fold) == (operator, "B")]
    patches = patches_of(chosen, made, {}, tmp_path)
    shares = {"land": 1.0} if operator == "gebco" else {"land": 0.55, "finer": 0.2, "marine": 0.25}
    assert asked == [("B", (domain,)) for domain in shares]
    assert patches.shares == pytest.approx([0.7, 0.15, 0.15] if operator == "gebco" else list(shares.values()))


def test_the_border_of_a_true_pair_is_not_scored(tmp_path, monkeypatch):
    whole = Scene("made", rough(20, 30), rough(100, 150), 90.0, 90.0)
    monkeypatch.setattr("protocol.places.survey_scene", lambda *_, **__: whole)
    found = scene_of(Place("made", "sea", "sea", "marine", "pacific", "hr", "lr"), {}, {"lr": None, "hr": None})
    assert np.isfinite(found.hr).sum() == 60 * 110
    np.testing.assert_array_equal(found.hr[20:80, 20:130], whole.hr[20:80, 20:130])
    write_dem(tmp_path / "a.tif", dem(rough(50, 50)))
    means = Place("made", "block mean", "plain", "land", "A", "a")
    assert np.isfinite(scene_of(means, {"a": tmp_path / "a.tif"}, {}).hr).sum() == 2500
