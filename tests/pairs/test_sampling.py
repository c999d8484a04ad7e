import json

import numpy as np
import pytest

from demsr.errors import PairsError
from demsr.pairs.sampling import Sampling, denser_stride, draw_pairs, quotas


def test_validation_has_a_fifth_at_most_and_training_the_rest():
    assert quotas(100, {"train": 500, "valid": 500}) == {"train": 80, "valid": 20}
    assert quotas(100, {"train": 500, "valid": 7}) == {"train": 93, "valid": 7}


@pytest.mark.parametrize(("candidates", "wanted"), [(100, 101), (100, 400), (999, 1000), (10, 600)])
def test_denser_patches_suffice_on_even_ground_and_are_denser(candidates, wanted):
    stride = denser_stride(160, candidates, wanted, patch_hr=160, step=5, domain="land")
    assert stride < 160
    assert stride % 5 == 0
    assert stride == 20 or candidates * (160 / stride) ** 2 >= wanted


def test_patches_overlap_eight_times_along_a_side_at_most():
    assert denser_stride(25, 10, 10**9, patch_hr=160, step=5, domain="land") == 20
    with pytest.raises(PairsError, match=r"land: 1,000 .* give 10; give more regions, or lower pairs\.land"):
        denser_stride(20, 10, 1000, patch_hr=160, step=5, domain="land")
    with pytest.raises(PairsError, match="give 0"):
        denser_stride(160, 0, 1000, patch_hr=160, step=5, domain="land")


def test_as_many_are_drawn_as_wanted_each_once_and_in_order():
    parts = draw_pairs([10, 0, 30], 12, np.random.default_rng(0))
    assert sum(map(len, parts)) == 12
    assert len(parts[1]) == 0
    for part, count in zip(parts, (10, 0, 30), strict=True):
        assert len(set(part.tolist())) == len(part)
        assert (np.diff(part) > 0).all()
        assert all(0 <= index < count for index in part)


def test_all_are_drawn_where_all_are_wanted():
    parts = draw_pairs([3, 2], 5, np.random.default_rng(0))
    assert [part.tolist() for part in parts] == [[0, 1, 2], [0, 1]]


def test_every_pair_is_as_likely_as_any_other():
    random = np.random.default_rng(0)
    often = np.zeros(8)
    for _ in range(2000):
        first, second = draw_pairs([2, 6], 4, random)
        often[first] += 1
        often[second + 2] += 1
    assert often == pytest.approx(1000, rel=0.1)


def test_the_sampler_says_how_it_reached_the_number():
    sampling = Sampling(100, (160, 80), {"train": 120, "valid": 30}, {"train": 80, "valid": 20})
    said = json.loads(json.dumps(sampling.as_json()))
    assert said["how"] == (
        "asked for 100 pairs of training and validation; patches every 160 and then 80 HR pixels gave 120 and 30, "
        "of which 80 and 20 were drawn at random"
    )
    assert said["strides_hr"] == [160, 80]
