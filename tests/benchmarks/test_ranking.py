import math

import pytest
from protocol.ranking import ranking

BLOCKS = ["plain", "upland", "ridge", "canyon"]


def errors(*rows: tuple[float, ...]) -> dict[str, dict[str, float]]:
    return {name: dict(zip(BLOCKS, row, strict=True)) for name, row in zip("abc", rows, strict=True)}


def test_method_that_wins_everywhere_has_rank_one():
    found = ranking(errors((2, 2, 2, 2), (1, 1, 1, 1), (3, 3, 3, 3)))
    assert found.mean_rank == {"b": 1, "a": 2, "c": 3}
    assert list(found.mean_rank) == ["b", "a", "c"]
    # Friedman's statistic is 12 / (n k (k+1)) * sum of squared rank sums - 3 n (k+1) = 8, chi-squared with 2 degrees
    assert found.p_value == pytest.approx(math.exp(-8 / 2))


def test_ties_share_their_rank_and_units_do_not_matter():
    found = ranking(errors((1, 100, 1, 5), (1, 200, 3, 4), (7, 300, 2, 6)))
    assert found.mean_rank == pytest.approx({"a": (1.5 + 1 + 1 + 2) / 4, "b": (1.5 + 2 + 3 + 1) / 4, "c": 11 / 4})


def test_critical_difference_is_that_of_the_published_table():
    found = ranking(errors((1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3)))
    assert found.critical_difference == pytest.approx(2.343 * math.sqrt(3 * 4 / (6 * 4)), rel=1e-3)  # Demsar, table 5


def test_block_that_a_method_lacks_is_left_out_for_all():
    found = ranking(errors((1, 1, 1, 9), (2, 2, 2, math.nan), (3, 3, 3, 1)))
    assert found.blocks == 3
    assert found.mean_rank == {"a": 1, "b": 2, "c": 3}
