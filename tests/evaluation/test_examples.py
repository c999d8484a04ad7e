import numpy as np
import pytest
import torch
from pair_files import make_pairs

from demsr.evaluation.examples import comparisons
from demsr.model.baselines import Bicubic


@pytest.fixture
def pairs(tmp_path):
    return make_pairs(tmp_path / "a.h5", count=4, areas=3)


def test_each_area_shows_its_patch_of_strongest_relief(pairs):
    found = comparisons(pairs, Bicubic(), rows=9, method="bicubic")
    assert [one.title for one in found] == [f"area {place}\nbicubic" for place in range(3)]
    for place, one in enumerate(found):
        of_area = [index for index in range(12) if pairs.samples["area"][index] == place]
        strongest = max(of_area, key=lambda index: pairs.pair(index)[0].std())
        np.testing.assert_array_equal(one.lr, pairs.pair(strongest)[0][0])
        np.testing.assert_array_equal(one.truth, pairs.pair(strongest)[1][0])


def test_prediction_is_that_of_the_net_beside_the_interpolation(pairs):
    class Raised(Bicubic):
        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            return super().forward(lr) + 7

    (one,) = comparisons(pairs, Raised(), rows=1, method="raised")
    np.testing.assert_allclose(one.prediction, one.bicubic + 7, atol=1e-3)
    assert one.pixel_size_m == pairs.pixel_size_m(int(np.argmax([pairs.pair(index)[0].std() for index in range(4)])))
