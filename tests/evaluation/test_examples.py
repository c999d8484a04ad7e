import dataclasses

import numpy as np
import pytest
import torch
from pair_files import make_pairs

from demsr.evaluation.examples import comparisons
from demsr.model.baselines import Bicubic
from demsr.pairs.pair_file import PairFile


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> PairFile:
    return make_pairs(tmp_path_factory.mktemp("pairs") / "test.h5", count=3, areas=2)


def real(pairs: PairFile, area: int) -> PairFile:
    """The same pairs, with one area whose LR is a real grid."""
    changed = PairFile(pairs.path)
    changed.areas[area] = dataclasses.replace(changed.areas[area], degradation="real", lr_source="GEBCO")
    return changed


def test_each_area_has_its_patch_with_the_strongest_relief(pairs):
    relief = np.array([pairs.pair(index)[0].std() for index in range(6)]).reshape(2, 3)
    expected = [pairs.pair(3 * area + int(relief[area].argmax())) for area in range(2)]
    found = comparisons(pairs, Bicubic(), rows=5, method="net")
    assert [row.title for row in found] == ["area 0\nnet", "area 1\nnet"]
    for row, (lr, hr) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(row.lr, lr[0])
        np.testing.assert_array_equal(row.truth, hr[0])
        np.testing.assert_allclose(row.bicubic, Bicubic()(torch.from_numpy(lr[None])).numpy()[0, 0])
        np.testing.assert_allclose(row.prediction, row.bicubic, atol=1e-3)
        assert row.pixel_size_m[0] < row.pixel_size_m[1] == pytest.approx(92.6, abs=0.3)  # at 46 degrees north


def test_areas_with_real_input_come_first_and_say_so(pairs):
    (row,) = comparisons(real(pairs, 1), Bicubic(), rows=1, method="net")
    assert (row.title, row.lr_title) == ("area 1\nnet", "real input, GEBCO")


def test_the_input_is_named_by_its_spacing(pairs, tmp_path):
    nine = make_pairs(tmp_path / "nine.h5", count=1, arcsec=9)
    titles = [comparisons(some, Bicubic(), rows=1, method="net")[0].lr_title for some in (pairs, nine)]
    assert titles == ["15 arc-second input", "input, 5 times as coarse"]
