import math

import numpy as np
import pytest
from scipy import stats

from demsr.errors import WorkerError
from demsr.evaluation.finalists import Finalist, compare_finalists, paired_difference


def finalist(label: str, rmse: list[float], flop: float = 1.0) -> Finalist:
    return Finalist(label, dict(enumerate(rmse)), flop)


def test_mean_and_interval_are_those_of_student():
    one = finalist("8", [10.0, 10.2, 10.4])
    assert one.mean == pytest.approx(10.2)
    assert one.half_width == pytest.approx(4.302653 * 0.2 / math.sqrt(3), rel=1e-6)
    assert math.isnan(finalist("8", [10.0]).half_width)


def test_difference_is_the_paired_t_interval():
    random = np.random.default_rng(1)
    first, second = random.normal(10, 1, 6), random.normal(10.5, 1, 6)
    expected = stats.ttest_rel(second, first).confidence_interval(0.99)
    found = paired_difference(dict(enumerate(second)), dict(enumerate(first)), level=0.99)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_steady_difference_is_resolved_although_seeds_spread_more():
    deep, shallow = finalist("42 ResBlocks", [11.1, 12.0, 12.9], 4), finalist("8", [11.0, 11.9, 12.8])
    verdict = compare_finalists([deep, shallow], reference=0)
    assert verdict.best == 1
    assert verdict.differences[0].mean == pytest.approx(0.1)
    best, reference, cheaper = verdict.sentences("m")
    assert best == "Best: 8, 11.9 ± 2.2 m (95 % interval of 3 seeds)."
    assert "42 ResBlocks is worse by 0.1 m (0.8 %)" in reference
    assert reference.endswith("the difference exceeds the spread between seeds.")
    assert cheaper == "No finalist is cheaper than the best."


def test_a_difference_within_the_spread_is_not_resolved_and_the_seeds_needed_are_named():
    verdict = compare_finalists([finalist("42", [11.0, 12.3, 12.9], 4), finalist("8", [11.2, 11.9, 12.7])], reference=0)
    difference = verdict.differences[0]
    assert difference.low < 0 < difference.high
    assert verdict.sentences("m")[1].endswith("seeds would have about even odds of resolving such a difference.")
    spread = np.std([-0.2, 0.4, 0.2], ddof=1)
    enough = difference.seeds_needed
    assert difference.mean > stats.t.ppf(0.975, enough - 1) * spread / math.sqrt(enough)
    assert difference.mean < stats.t.ppf(0.975, enough - 2) * spread / math.sqrt(enough - 1)


def test_more_comparisons_widen_the_interval():
    rivals = [finalist(f"{depth}", [10.2, 10.5, 10.8]) for depth in range(3)]
    best = finalist("8", [10.0, 10.4, 10.6])
    alone = compare_finalists([rivals[0], best], reference=0).differences[0]
    among = compare_finalists([*rivals, best], reference=0).differences[0]
    assert alone.high - alone.low < among.high - among.low
    expected = stats.ttest_rel([10.2, 10.5, 10.8], [10.0, 10.4, 10.6]).confidence_interval(1 - 0.05 / 3)
    assert (among.low, among.high) == pytest.approx((expected.low, expected.high))


def test_a_reference_that_is_best_is_compared_with_the_second():
    rivals = [finalist("8", [11.0, 11.1]), finalist("4", [12, 12.2])]
    verdict = compare_finalists([finalist("42", [10.0, 10.1]), *rivals], reference=0)
    assert verdict.best == 0
    assert verdict.sentences("m")[1].startswith("The reference is the best. Second: 8 is worse by 1 m (10.0 %)")


def test_the_cheapest_unresolved_finalist_is_named_with_its_loss():
    best = finalist("42", [10.0, 10.4, 10.5], 100)
    level, worse = finalist("16", [10.1, 10.2, 10.7], 40), finalist("8", [11.0, 11.4, 11.5], 20)
    verdict = compare_finalists([best, level, worse], reference=0)
    assert verdict.cheaper == 1
    assert verdict.sentences("m")[2] == (
        "Cheapest that is not resolved as worse: 16 needs 40 % of the operations and loses 0.0333 m, "
        f"at most {verdict.differences[1].high:.2g} m."
    )
    sentence = compare_finalists([best, worse], reference=0).sentences("m")[2]
    assert sentence == "Best of the cheaper finalists: 8 needs 20 % of the operations and loses 1 m, at most 1 m."


def test_failed_seeds_are_left_out_of_pairs_and_a_finalist_without_any_never_wins():
    one, best = Finalist("42", {1: 12.0, 3: 11.0}, 1), Finalist("8", {1: 10.0, 2: 99.0, 3: 10.0}, 1)
    assert paired_difference(one.rmse, best.rmse, level=0.95).mean == pytest.approx(1.5)
    lucky = compare_finalists([Finalist("42", {1: 1.0}, 1), best], reference=0)
    assert lucky.best == 1
    assert lucky.sentences("m")[-1] == "42: 2 of 3 seeds failed."
    verdict = compare_finalists([Finalist("42", {}, 1), finalist("8", [10.0, 11.0])], reference=0)
    assert verdict.best == 1
    assert "fewer than two seeds in common" in verdict.sentences("m")[1]
    alone = compare_finalists([Finalist("42", {1: 12.0}, 1)], reference=0)
    assert alone.sentences("m")[0] == "Best: 42, 12 m (one seed, so no interval)."
    with pytest.raises(WorkerError, match="all finalists failed"):
        compare_finalists([Finalist("42", {}, 1)], reference=0)
