import dataclasses
import random
from itertools import combinations

import numpy as np
import pytest

from demsr.evaluation.promotion import PromotionRule, bootstrap_gain, decide_promotion, deciding_group
from demsr.evaluation.scoring import AreaScore

RULE = PromotionRule(min_gain_percent=1.0, max_loss_percent=0.5, resamples=500, seed=1)


def scored(**rmse_m: float) -> dict[str, AreaScore]:
    """Areas in which every one of 30 blocks has the same RMSE."""
    pixels = np.full(30, 100)
    return {
        area: AreaScore(area, "land_3arcsec", "m", {"rmse_m": rmse}, pixels * rmse**2, pixels)
        for area, rmse in rmse_m.items()
    }


def noisy(mean: float, spread: float, seed: int) -> dict[str, AreaScore]:
    rmse = np.random.default_rng(seed).normal(mean, spread, 30).clip(0.1)
    pixels = np.full(30, 100)
    total = float(np.sqrt(np.mean(rmse**2)))
    return {"plain": AreaScore("plain", "land_3arcsec", "m", {"rmse_m": total}, pixels * rmse**2, pixels)}


def test_without_a_champion_a_candidate_has_only_bicubic_to_beat():
    promoted = decide_promotion(scored(plain=9.9), None, scored(plain=10.0), RULE)
    assert promoted.promote
    assert promoted.reason == "no champion to beat, +1.00 % RMSE gain over bicubic (land 3arcsec)"
    refused = decide_promotion(scored(plain=10.1), None, scored(plain=10.0), RULE)
    assert not refused.promote
    assert refused.reason.endswith("-1.00 % RMSE gain over bicubic (land 3arcsec); refused: a gain above 0 is needed")
    assert refused.numbers["gain_over_bicubic_percent"] == pytest.approx(-1)


def test_a_clear_gain_is_promoted_with_its_number():
    decision = decide_promotion(
        scored(plain=9.0, alps=18.0), scored(plain=10.0, alps=20.0), scored(plain=12, alps=24), RULE
    )
    assert decision.promote
    assert decision.numbers["gain_over_champion_percent"] == pytest.approx(10)
    assert decision.reason == "+10.000 % over the champion, 95 % interval +10.000 to +10.000 (land 3arcsec)"


def test_less_than_one_per_cent_is_refused():
    decision = decide_promotion(scored(plain=9.95), scored(plain=10.0), scored(plain=12.0), RULE)
    assert not decision.promote
    assert "refused: 1.0 % and an interval above 0 are needed" in decision.reason


def test_a_gain_within_the_noise_is_refused():
    candidate, champion = noisy(9.8, 3, seed=1), noisy(10.0, 3, seed=3)
    gain, low, high = bootstrap_gain(candidate, champion, resamples=500, seed=1)
    assert gain > 1
    assert low < 0 < high
    assert not decide_promotion(candidate, champion, scored(plain=12.0), RULE).promote


def test_an_area_worse_than_bicubic_is_refused_by_name():
    decision = decide_promotion(
        scored(plain=9, reef=10.2), scored(plain=10, reef=12), scored(plain=12, reef=10.0), RULE
    )
    assert not decision.promote
    assert "reef is 2.00 % worse than bicubic" in decision.reason


def test_pairing_removes_noise_that_both_models_share():
    champion = noisy(10.0, 3, seed=1)
    area = champion["plain"]
    better = {
        "plain": AreaScore("plain", area.group, "m", {"rmse_m": 0.0}, area.block_squares * 0.9**2, area.block_pixels)
    }
    _, low, high = bootstrap_gain(better, champion, resamples=500, seed=1)
    assert (low, high) == pytest.approx((10, 10))


def test_the_same_seed_draws_the_same_blocks():
    pair = noisy(9.8, 3, seed=1), noisy(10.0, 3, seed=2)
    assert bootstrap_gain(*pair, resamples=200, seed=5) == bootstrap_gain(*pair, resamples=200, seed=5)
    assert bootstrap_gain(*pair, resamples=200, seed=5) != bootstrap_gain(*pair, resamples=200, seed=6)


RANKED = (
    "marine_3arcsec_real",
    "marine_3arcsec",
    "marine_3arcsec_fitted",
    "marine_scale_free_real",
    "marine_scale_free",
    "marine_scale_free_fitted",
    "marine_3arcsec_real_synthetic",
    "marine_3arcsec_synthetic",
    "marine_3arcsec_fitted_synthetic",
)


def of_groups(**rmse_m: float) -> dict[str, AreaScore]:
    """One area in each group."""
    return {
        f"area of {group}": dataclasses.replace(area, area=f"area of {group}", group=group)
        for group, area in scored(**rmse_m).items()
    }


@pytest.mark.parametrize(("better", "worse"), list(combinations(RANKED, 2)))
def test_kind_nearest_to_the_use_of_a_model_decides(better, worse):
    for pair in ((better, worse), (worse, better)):
        assert deciding_group(of_groups(**dict.fromkeys(pair, 1.0))) == better


def test_order_of_the_areas_does_not_decide():
    shuffled = random.Random(1).sample(RANKED, len(RANKED))
    assert deciding_group(of_groups(**dict.fromkeys(shuffled, 1.0))) == "marine_3arcsec_real"


def test_only_areas_of_the_deciding_kind_count_for_the_gain():
    candidate = of_groups(marine_3arcsec_real=9.0, marine_3arcsec=30.0)
    champion = of_groups(marine_3arcsec_real=10.0, marine_3arcsec=10.0)
    decision = decide_promotion(candidate, champion, of_groups(marine_3arcsec_real=12.0, marine_3arcsec=40.0), RULE)
    assert decision.promote
    assert decision.numbers["gain_over_champion_percent"] == pytest.approx(10)
    assert decision.numbers["gain_over_bicubic_percent"] == pytest.approx(25)
    assert decision.reason.endswith("(marine 3arcsec real)")


def test_areas_of_other_kinds_must_hold_the_limit_too():
    candidate = of_groups(marine_3arcsec_real=9.0, marine_3arcsec_synthetic=10.2)
    bicubic = of_groups(marine_3arcsec_real=12.0, marine_3arcsec_synthetic=10.0)
    decision = decide_promotion(
        candidate, of_groups(marine_3arcsec_real=10.0, marine_3arcsec_synthetic=12.0), bicubic, RULE
    )
    assert not decision.promote
    assert "area of marine_3arcsec_synthetic is 2.00 % worse than bicubic" in decision.reason


def test_scaled_areas_are_judged_by_their_own_rmse():
    def scaled(rmse: float) -> dict[str, AreaScore]:
        pixels = np.full(30, 100)
        area = AreaScore("a", "land_ready_made_scaled", "scaled", {"rmse_scaled": rmse}, pixels * rmse**2, pixels)
        return {"a": area}

    decision = decide_promotion(scaled(0.0009), scaled(0.0010), scaled(0.0012), RULE)
    assert decision.promote
    assert decision.numbers["gain_over_champion_percent"] == pytest.approx(10)
    assert decision.numbers["gain_over_bicubic_percent"] == pytest.approx(25)
