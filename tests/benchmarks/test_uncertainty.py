import json

import numpy as np
import pytest
from protocol import calibration
from protocol.calibration import HeldOut, calibrated_without
from protocol.regions import Region
from uncertainty import class_table

from demsr.evaluation.calibration import ErrorSample


def held_out(name: str, fold: str) -> HeldOut:
    random = np.random.default_rng(len(name))
    features = random.normal(0, 1, (5, 200)).astype(np.float32)
    error = random.normal(0, 1, 200).astype(np.float32)
    return HeldOut(
        Region(name, name, "land", "plain", fold, ""), True, ErrorSample(name, features, error, np.ones(200))
    )


@pytest.mark.parametrize(("fold", "seen"), [("A", ("b", "c")), ("C", ("a", "b")), ("test", ("a", "b", "c"))])
def test_neither_the_tested_fold_nor_fold_test_is_calibrated_on(fold, seen):
    regions = [held_out(name, fold) for name, fold in (("a", "A"), ("b", "B"), ("c", "C"), ("t", "test"))]
    assert calibrated_without(fold, regions).areas == seen


def test_rasters_lie_where_the_protocol_puts_them(tmp_path):
    region = Region("alps", "Alps", "land", "mountain", "A", "")
    assert calibration.raster_of(tmp_path, region) == tmp_path / "rasters" / "land" / "alps.tif"


def test_shares_outside_their_limits_are_marked():
    names = ("within_1_sigma_percent", "within_1.645_sigma_percent")
    row = {"slope_deg": "0-2", "pixels": 1234, names[0]: 68.2, names[1]: 84.4}
    row |= {f"constant_{names[0]}": 98.0, f"constant_{names[1]}": 90.0}
    assert class_table([row]).splitlines()[-1] == "| 0-2 | 1,234 | 68.2 | 84.4 ! | 98.0 ! | 90.0 |"


def test_the_shipped_net_is_calibrated_on_what_it_was_trained_on_alone(root):
    config = json.loads((root / "demsr" / "weights" / "config.json").read_text())
    assert sorted(config["uncertainty"]["areas"]) == sorted(config["training"]["regions"])
