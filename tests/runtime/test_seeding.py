import hashlib

import numpy as np

from demsr.runtime.seeding import generator, sub_seed


def test_sub_seed_is_the_start_of_a_sha256():
    assert sub_seed(2022, "order", 3) == int.from_bytes(hashlib.sha256(b"2022/order/3").digest()[:4], "little")


def test_sub_seed_fits_into_32_bits():
    assert all(0 <= sub_seed(base, "x") < 2**32 for base in (0, 1, -5, 10**30))


def test_each_purpose_has_a_seed_of_its_own():
    seeds = {
        sub_seed(base, name, step) for base in range(5) for name in ("order", "orientation") for step in range(100)
    }
    assert len(seeds) == 1000


def test_generator_follows_from_seed_and_purpose():
    first = generator(1, "order", 0).integers(1 << 30, size=20)
    np.testing.assert_array_equal(generator(1, "order", 0).integers(1 << 30, size=20), first)
    for other in (generator(2, "order", 0), generator(1, "other", 0), generator(1, "order", 1)):
        assert not np.array_equal(other.integers(1 << 30, size=20), first)


def test_streams_of_two_purposes_are_not_correlated():
    one, other = (generator(1, name).standard_normal(20_000) for name in ("order", "orientation"))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
