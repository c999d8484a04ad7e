import numpy as np
import pytest
import torch
from pair_files import make_pairs
from torch import nn

from demsr.errors import CheckpointError
from demsr.lifecycle.compare import compare_models, example_patches
from demsr.model.checkpoint import save_model
from demsr.model.srnet import DemSrNet

OPTIONS = {"resamples": 200, "seed": 1}


def model(folder, noise: float) -> str:
    """Save an untrained net, which interpolates, with noise in its last layer."""
    torch.manual_seed(1)
    net = DemSrNet(1, 4)
    nn.init.normal_(net.last.weight, std=noise)
    save_model(net, folder, training={})
    return str(folder)


@pytest.fixture
def tests(tmp_path):
    """Test pairs of two areas on land and one at sea."""
    return {
        domain: make_pairs(tmp_path / f"{domain}.h5", count=2, areas=areas, domain=domain).path
        for domain, areas in (("land", 2), ("marine", 1))
    }


def test_both_models_are_scored_on_the_same_pairs_by_area(tests, tmp_path):
    first, second = model(tmp_path / "a", noise=0.1), model(tmp_path / "b", noise=0)
    land, marine = compare_models(first, second, tests, **OPTIONS)
    assert (land.domain, [row.area for row in land.areas]) == ("land", ["area 0", "area 1"])
    assert (marine.domain, marine.group, len(marine.areas)) == ("marine", "marine_3arcsec", 1)
    for row in land.areas:
        assert row.second < row.first
        assert row.gain_percent == pytest.approx(100 * (1 - row.second / row.first))
    assert land.gain_percent == pytest.approx(np.mean([row.gain_percent for row in land.areas]))
    assert 0 < land.low <= land.gain_percent <= land.high


def test_a_model_gains_nothing_over_itself(tests, tmp_path):
    same = model(tmp_path / "a", noise=0)
    for found in compare_models(same, same, tests, **OPTIONS):
        assert (found.gain_percent, found.low, found.high) == (0, 0, 0)


def test_pictures_show_both_models_on_one_patch_after_the_other(tests, tmp_path):
    first, second = model(tmp_path / "a", noise=0.1), model(tmp_path / "b", noise=0)
    rows = example_patches(first, second, tests, rows=1)
    assert [row.title.splitlines() for row in rows] == 2 * [["area 0", first], ["area 0", second]]
    assert np.array_equal(rows[0].truth, rows[1].truth)
    assert not np.array_equal(rows[0].prediction, rows[1].prediction)


def test_a_model_that_does_not_exist_is_named(tests, tmp_path):
    with pytest.raises(CheckpointError, match="nowhere: no such model"):
        compare_models(model(tmp_path / "a", noise=0), "nowhere", tests, **OPTIONS)
