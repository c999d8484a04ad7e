"""Promotion rule: whether a new model replaces the champion."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demsr.evaluation.scoring import AreaScore, gains
from demsr.runtime.seeding import generator

Scores = Mapping[str, AreaScore]
NUMBERS = (
    "gain_over_bicubic_percent",
    "worst_area_gain_percent",
    "gain_over_champion_percent",
    "gain_interval_low",
    "gain_interval_high",
)


@dataclass(frozen=True)
class PromotionRule:
    """Thresholds that a candidate must pass.

    Attributes
    ----------
    min_gain_percent : smallest mean RMSE gain over the champion
    max_loss_percent : largest RMSE loss against bicubic in any area
    resamples : number of resamples of the paired block bootstrap, whose 95 % interval of the gain must be above 0
    seed : base seed of the bootstrap
    """

    min_gain_percent: float
    max_loss_percent: float
    resamples: int
    seed: int


@dataclass(frozen=True)
class PromotionDecision:
    """Decision on a candidate.

    Attributes
    ----------
    promote : whether it becomes champion
    reason : the decision in words
    numbers : values of `NUMBERS`, in per cent
    """

    promote: bool
    reason: str
    numbers: dict[str, float]


def decide_promotion(
    candidate: Scores, champion: Scores | None, bicubic: Scores, rule: PromotionRule
) -> PromotionDecision:
    """Compare a candidate with the champion on the candidate's test set.

    The gain is the mean over the areas of the deciding group; the limit against bicubic holds for every area. Without
    a champion, the candidate is promoted if it is better than bicubic.

    Parameters
    ----------
    candidate, champion, bicubic : scores by area; there may be no champion
    rule : thresholds
    """
    over_bicubic = gains(candidate, bicubic)
    worst_area = min(over_bicubic, key=lambda area: over_bicubic[area])
    group = deciding_group(candidate)
    of_group = {area: score for area, score in candidate.items() if score.group == group}
    over_bicubic_mean = mean_gain(candidate, bicubic)
    numbers = {"gain_over_bicubic_percent": over_bicubic_mean, "worst_area_gain_percent": over_bicubic[worst_area]}
    kind = group.replace("_", " ")
    if champion is None:
        found = f"no champion to beat, {over_bicubic_mean:+.2f} % RMSE gain over bicubic ({kind})"
        if over_bicubic_mean <= 0:
            return PromotionDecision(False, f"{found}; refused: a gain above 0 is needed", numbers)
        return PromotionDecision(True, found, numbers)
    gain, low, high = bootstrap_gain(of_group, champion, resamples=rule.resamples, seed=rule.seed)
    numbers |= {"gain_over_champion_percent": gain, "gain_interval_low": low, "gain_interval_high": high}
    found = f"{gain:+.3f} % over the champion, 95 % interval {low:+.3f} to {high:+.3f} ({kind})"
    if over_bicubic[worst_area] < -rule.max_loss_percent:
        why = f"{worst_area} is {-over_bicubic[worst_area]:.2f} % worse than bicubic, {rule.max_loss_percent} allowed"
        return PromotionDecision(False, f"{found}; refused: {why}", numbers)
    if gain < rule.min_gain_percent or low <= 0:
        why = f"{rule.min_gain_percent} % and an interval above 0 are needed"
        return PromotionDecision(False, f"{found}; refused: {why}", numbers)
    return PromotionDecision(True, found, numbers)


def mean_gain(scores: Scores, reference: Scores) -> float:
    """Return the mean RMSE gain over a reference method in the areas of the deciding group, per cent.

    Parameters
    ----------
    scores : scores of the method by area
    reference : scores of the reference method, of at least these areas
    """
    group = deciding_group(scores)
    by_area = gains(scores, reference)
    return float(np.mean([by_area[area] for area, score in scores.items() if score.group == group]))


def deciding_group(scores: Scores) -> str:
    """Return the group of areas closest to the application: measured, at 3 arc-seconds, with real LR."""
    return min(
        {score.group for score in scores.values()},
        key=lambda group: ("synthetic" in group, "3arcsec" not in group, "fitted" in group, "real" not in group, group),
    )


def bootstrap_gain(candidate: Scores, champion: Scores, *, resamples: int, seed: int) -> tuple[float, float, float]:
    """Estimate the mean RMSE gain over the areas and its 95 % interval by a paired block bootstrap.

    Blocks are drawn with replacement within each area, the same blocks for both models.

    Parameters
    ----------
    candidate, champion : scores by area
    resamples : number of resamples
    seed : base seed

    Returns
    -------
    gain, low, high : per cent
    """
    random = generator(seed, "bootstrap")
    drawn = np.zeros(resamples)
    exact = 0.0
    for area in sorted(candidate):
        new, old = candidate[area], champion[area]
        blocks = len(new.block_pixels)
        picks = random.integers(blocks, size=(resamples, blocks))
        drawn += _gain(new, old, picks)
        exact += float(_gain(new, old, np.arange(blocks)[None])[0])
    drawn, exact = drawn / len(candidate), exact / len(candidate)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return exact, float(low), float(high)


def _gain(new: AreaScore, old: AreaScore, picks: NDArray[np.int64]) -> NDArray[np.float64]:
    pixels = np.maximum(new.block_pixels[picks].sum(axis=1), 1)
    new_rmse = np.sqrt(new.block_squares[picks].sum(axis=1) / pixels)
    old_rmse = np.sqrt(old.block_squares[picks].sum(axis=1) / pixels)
    gain: NDArray[np.float64] = 100 * (1 - new_rmse / np.maximum(old_rmse, np.finfo(float).tiny))
    return gain
