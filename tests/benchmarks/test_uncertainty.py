import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from protocol import calibration
from protocol.calibration import OPERATORS, HeldOut, as_seen, calibrated, held_out, sample_place
from protocol.methods import OUR_NET
from protocol.places import Place, all_places
from protocol.regions import NEVER_TRAINED, read_regions
from protocol.scenes import Scene
from protocol.scoring import product
from synthetic import rough
from uncertainty import calibrations, class_table, groups, pair_with_calibrations, place_row, report, store

from demsr.evaluation.calibration import ErrorSample
from demsr.model.checkpoint import read_config, save_model
from demsr.model.coast import CoastNet
from demsr.model.srnet import DemSrNet

TINY = {"upsampling": "subpixel", "symmetric": True}


def made(name: str, kind: str, fold: str, *, domain: str = "land", error_m: float = 1.0) -> HeldOut:
    """Errors of one size at 100 pixels, on slopes of 1 degree."""
    features = np.random.default_rng(len(name)).normal(0, 1, (5, 100)).astype(np.float32)
    error, slope = (np.full(100, value, np.float32) for value in (error_m, 1))
    lr = None if kind == "block mean" else "lr"
    return HeldOut(Place(name, kind, kind, domain, fold, "hr", lr), ErrorSample(name, features, error, slope))


FOUND = [
    *(made(f"srtm {fold}", "srtm", fold) for fold in "ABC"),
    *(made(f"sea {fold}", "sea", fold, domain="marine", error_m=20.0) for fold in ("x", "y", NEVER_TRAINED)),
    *(made(f"land {fold}", "block mean", fold, error_m=3.0) for fold in ("A", "B", NEVER_TRAINED)),
    *(made(f"floor {fold}", "block mean", fold, domain="marine", error_m=3.0) for fold in ("A", "C")),
]


@pytest.mark.parametrize(
    ("operator", "fold", "seen"),
    [
        ("gebco", "A", ("srtm B", "srtm C")),
        ("gebco", NEVER_TRAINED, ("srtm A", "srtm B", "srtm C")),
        ("blind", "x", ("sea y",)),
        ("blind", "A", ("sea x", "sea y")),
        ("mean", "A", ("land B", "floor C")),
        ("mean", NEVER_TRAINED, ("land A", "land B", "floor A", "floor C")),
    ],
)
def test_neither_the_tested_fold_nor_fold_test_is_calibrated_on(operator, fold, seen):
    assert calibrated(operator, FOUND, without=fold).areas == seen


def test_each_operator_has_a_calibration_of_its_own():
    """Errors of one size lie within one standard error that is smaller, and within 1.645 of it likewise."""
    shipped = calibrations(FOUND)
    assert list(shipped) == ["blind", "gebco", "mean"]
    expected = {"blind": 20.0, "gebco": 1.0, "mean": 3.0}
    for operator, uncertainty in shipped.items():
        error = expected[operator]
        assert uncertainty.constant_m == pytest.approx(error * 1.645 ** (-1 / 3), rel=1e-3)  # weights of two and one


def test_each_place_is_tested_with_the_calibration_that_does_not_know_it():
    other = made("other survey", "land", "B")
    tested = pair_with_calibrations(FOUND, [other])
    areas = {test.one.place.name: set(test.calibration.areas) for test in tested}
    assert areas["srtm A"] == {"srtm B", "srtm C"}
    assert areas["other survey"] == {"srtm A", "srtm C"}
    assert areas["sea y"] == {"sea x"}
    assert areas["sea test"] == {"sea x", "sea y"}
    assert areas["land A"] == {"land B", "floor C"}
    assert areas["land test"] == {"land A", "land B", "floor A", "floor C"}
    assert not [name for name, seen in areas.items() if name in seen]


def test_tables_are_by_operator_domain_and_fold():
    found = groups(pair_with_calibrations(FOUND, [made("other survey", "land", NEVER_TRAINED)]))
    assert {title: len(part) for title, part in found.items()} == {
        "`gebco`: Real GEBCO, land, held-out folds": 3,
        "`gebco`: Real GEBCO, land, another survey, outside all folds": 1,
        "`blind`: Real GEBCO, sea, held-out folds": 2,
        "`blind`: Real GEBCO, sea, outside all folds": 1,
        "`mean`: Block means on land, held-out folds": 2,
        "`mean`: Block means on land, outside all folds": 1,
        "`mean`: Block means of the sea floor, held-out folds": 2,
    }


def test_the_report_counts_the_pixels_within_the_band():
    """With a constant band twice as wide as the errors, all pixels lie in it; with one half as wide, none."""
    tested = pair_with_calibrations(FOUND)
    wide, narrow = (
        replace(test, calibration=flat(test.calibration, sigma_m=factor * float(test.one.sample.error_m[0])))
        for test, factor in ((tested[0], 2.0), (tested[3], 0.5))
    )
    assert place_row(wide) == "| srtm A | `gebco` | land | A | 1.00 | 2.00 | 100.0 ! | 100.0 ! |"
    assert place_row(narrow) == "| sea x | `blind` | marine | x | 20.00 | 10.00 | 0.0 ! | 0.0 ! |"
    written = report([wide, narrow], calibrations(FOUND))
    table = written.split("### `gebco`: Real GEBCO, land, held-out folds\n\n")[1].splitlines()
    assert table[2].startswith("| 0-2 | 100 | 100.0 ! | 100.0 ! |")
    assert "- 200 pixels of 2 places" in written.split("### `blind`\n")[1].split("###")[0]
    assert written.endswith(" m\n")


def flat(uncertainty, *, sigma_m: float):
    """Return a calibration with the same standard error everywhere."""
    changes = {"log_weights": (0.0,) * 5, "log_offset": float(np.log(sigma_m)), "raw_m": (1.0,), "sigma_m": (1.0,)}
    return uncertainty.model_copy(update=changes | {"constant_m": sigma_m})


def test_shares_outside_their_limits_are_marked():
    names = ("within_1_sigma_percent", "within_1.645_sigma_percent")
    row = {"slope_deg": "0-2", "pixels": 1234, names[0]: 68.2, names[1]: 84.4}
    row |= {f"constant_{names[0]}": 98.0, f"constant_{names[1]}": 90.0}
    assert class_table([row]).splitlines()[-1] == "| 0-2 | 1,234 | 68.2 | 84.4 ! | 98.0 ! | 90.0 |"


def test_calibrations_are_written_beside_the_weights_of_their_operator(tmp_path):
    for operator in OPERATORS.values():
        save_model(DemSrNet(1, 8, **TINY), tmp_path / operator, training={"name": operator})
    before = {operator: read_config(tmp_path / operator) for operator in OPERATORS.values()}
    shipped = calibrations(FOUND)
    store(shipped, tmp_path)
    for operator, config in before.items():
        assert config.uncertainty is None
        found = read_config(tmp_path / operator)  # refuses a config.json whose checksum was not renewed
        assert found.model_sha256 != config.model_sha256
        renewed = {"uncertainty": shipped[operator], "model_sha256": found.model_sha256}
        assert found == config.model_copy(update=renewed)


class Nets:
    """Stands for the nets of the protocol: a net without detail for each operator."""

    def __init__(self):
        torch.manual_seed(0)
        self.land, self.sea, self.mean = (DemSrNet(1, 8, **TINY).eval() for _ in range(3))

    def model_for(self, place: Place):
        return CoastNet(self.land, self.sea) if place.is_real else self.mean


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("srtm", lambda lr: np.maximum(lr, 0)),
        ("land", lambda lr: np.maximum(lr, 0)),
        ("sea", lambda lr: np.minimum(lr, 0)),
        ("block mean", np.round),
    ],
)
def test_errors_are_those_of_the_product_for_the_place(kind, expected):
    place = made("here", kind, "A").place
    lr, nets = rough(12, 14, level=0, rms=9), Nets()
    seen = as_seen(place, Scene("here", lr, lr, 90, 90))
    np.testing.assert_array_equal(seen, expected(lr))
    scene = Scene("here", lr, lr, 90, 90)
    sr = product(nets.model_for(place), scene)(lr if place.is_real else seen)
    hr = sr - np.float32(5)  # an error of 5 m everywhere
    hr[:20] = np.nan
    found = sample_place(nets, place, Scene("here", lr, hr, 90, 90)).error_m
    assert found.size == len(range(21, 60, 3)) * len(range(0, 70, 3))
    np.testing.assert_allclose(found, 5 if kind == "block mean" else 0, atol=1e-4)


def test_only_places_that_calibrate_a_net_are_sampled(monkeypatch):
    monkeypatch.setattr(
        calibration,
        "scene_of",
        lambda place, *_: Scene(place.name, np.zeros((8, 8), np.float32), np.zeros((40, 40), np.float32), 90, 90),
    )
    places = [made(kind, kind, "A").place for kind in ("srtm", "land", "sea", "block mean")]
    assert [one.place.kind for one in held_out(Nets(), places, {}, {})] == ["srtm", "sea", "block mean"]


@pytest.mark.parametrize("operator", sorted(OPERATORS.values()))
def test_the_shipped_nets_are_those_of_the_protocol(root, operator):
    config = json.loads((root / "demsr" / "weights" / operator / "config.json").read_text(encoding="utf-8"))
    assert {name: config["net"][name] for name in OUR_NET} == OUR_NET
    places = [one for one in all_places(read_regions()) if OPERATORS.get(one.kind) == operator]
    assert config["uncertainty"]["areas"] == [one.name for one in places if one.fold != NEVER_TRAINED]
