"""What the finalists say: which choice is best, and whether the reference differs from it beyond the seeds' spread."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from demsr.errors import WorkerError

_LEVEL = 0.95


@dataclass(frozen=True)
class Finalist:
    """A choice that was trained with several seeds.

    Attributes
    ----------
    label : how the verdict calls it, such as "42 ResBlocks"
    rmse : validation RMSE by seed; a seed that failed is absent
    flop_per_lr_px : forward
    """

    label: str
    rmse: dict[int, float]
    flop_per_lr_px: float

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(list(self.rmse.values()))) if self.rmse else math.inf

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval of the mean, by Student's t; NaN with less than two seeds."""
        values = list(self.rmse.values())
        if len(values) < 2:
            return math.nan
        spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
        return float(stats.t.ppf((1 + _LEVEL) / 2, len(values) - 1)) * spread


@dataclass(frozen=True)
class Difference:
    """How much worse one finalist is than another, by pairs of the same seed.

    Attributes
    ----------
    mean, low, high : with the interval that holds for all comparisons with the best at once
    seeds_needed : at how many seeds the interval of a difference of this size would leave out zero, if the spread
        stays as it is; None where it is resolved
    """

    mean: float
    low: float
    high: float
    seeds_needed: int | None

    @property
    def resolved(self) -> bool:
        """Whether zero is outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class SweepVerdict:
    """The outcome of a sweep.

    Attributes
    ----------
    best : index of the finalist with the least mean, of those that lost the fewest seeds
    reference : index of the one under examination
    cheaper : index of the cheapest finalist of which it is not resolved that it is worse; None if there is none
    differences : of each finalist to the best; None for the best, and where fewer than two seeds are common
    """

    finalists: tuple[Finalist, ...]
    best: int
    reference: int
    cheaper: int | None
    differences: tuple[Difference | None, ...]

    def sentences(self, unit: str) -> list[str]:
        """Say it in words."""
        best = self.finalists[self.best]
        lines = [f"Best: {best.label}, {_with_interval(best, unit)}.", self._of_reference(unit)]
        if any(one.flop_per_lr_px != best.flop_per_lr_px for one in self.finalists):
            lines.append(self._of_cheaper(unit))
        most = max(len(one.rmse) for one in self.finalists)
        lines += [f"{one.label}: {_lost(len(one.rmse), most)}." for one in self.finalists if len(one.rmse) < most]
        return lines

    def _of_reference(self, unit: str) -> str:
        reference = self.finalists[self.reference]
        if self.reference == self.best:
            others = [one for one in range(len(self.finalists)) if one != self.best]
            if not others:
                return f"{reference.label}, the reference, had no rival."
            rival = min(others, key=lambda one: self.finalists[one].mean)
            return f"The reference is the best. Next: {self._compared(rival, unit)}"
        return f"The reference: {self._compared(self.reference, unit)}"

    def _compared(self, index: int, unit: str) -> str:
        one, difference = self.finalists[index], self.differences[index]
        if difference is None:
            return f"{one.label} cannot be compared: it has fewer than two seeds in common with the best."
        share = 100 * difference.mean / self.finalists[self.best].mean
        text = (
            f"{one.label} is worse by {difference.mean:.3g} {unit} ({share:.1f} %), "
            f"95 % interval {difference.low:.2g} to {difference.high:.2g} {unit}: "
        )
        if difference.resolved:
            return text + "it differs beyond the spread between seeds."
        needed = difference.seeds_needed
        return text + (
            "not resolved by this budget"
            + (f"; {needed} seeds would be about even odds for a difference of this size." if needed else ".")
        )

    def _of_cheaper(self, unit: str) -> str:
        best = self.finalists[self.best]
        if self.cheaper is None:
            cheaper = [one for one in self.finalists if one.flop_per_lr_px < best.flop_per_lr_px and one.rmse]
            if not cheaper:
                return "No finalist is cheaper than the best."
            next_one = min(cheaper, key=lambda one: one.mean)
            return f"Next among the cheaper: {self._price(self.finalists.index(next_one), unit)}"
        return f"Cheapest whose loss is not resolved: {self._price(self.cheaper, unit)}"

    def _price(self, index: int, unit: str) -> str:
        one, difference, best = self.finalists[index], self.differences[index], self.finalists[self.best]
        share = 100 * one.flop_per_lr_px / best.flop_per_lr_px
        text = f"{one.label} needs {share:.0f} % of the operations"
        if difference is None:
            return f"{text}; what it gives up is not measured."
        return f"{text} and gives up {difference.mean:.3g} {unit}, at most {difference.high:.2g} {unit}."


def judge(finalists: Sequence[Finalist], *, reference: int) -> SweepVerdict:
    """Compare finalists with the best of them.

    Intervals are Student's of the paired differences, at a level that holds for all comparisons with the best at once
    (Bonferroni). That the best was chosen by the same numbers makes its own mean a little optimistic.

    Parameters
    ----------
    reference : index of the finalist under examination

    Raises
    ------
    WorkerError : no finalist has a result
    """
    best = min(range(len(finalists)), key=lambda one: (-len(finalists[one].rmse), finalists[one].mean))
    if not finalists[best].rmse:
        message = "all finalists failed; look at the error of their runs"
        raise WorkerError(message)
    comparisons = max(1, sum(bool(one.rmse) for one in finalists) - 1)
    level = 1 - (1 - _LEVEL) / comparisons
    differences = tuple(
        None if place == best else difference_of(one.rmse, finalists[best].rmse, level=level)
        for place, one in enumerate(finalists)
    )
    level_ones = [
        place
        for place, (one, difference) in enumerate(zip(finalists, differences, strict=True))
        if difference is not None and not difference.resolved and one.flop_per_lr_px < finalists[best].flop_per_lr_px
    ]
    cheaper = min(level_ones, key=lambda place: finalists[place].flop_per_lr_px, default=None)
    return SweepVerdict(tuple(finalists), best, reference, cheaper, differences)


def difference_of(one: dict[int, float], best: dict[int, float], *, level: float) -> Difference | None:
    """Return how much worse `one` is, None with fewer than two seeds in common."""
    seeds = sorted(one.keys() & best.keys())
    if len(seeds) < 2:
        return None
    differences = np.array([one[seed] - best[seed] for seed in seeds])
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, len(seeds) - 1)) * spread / math.sqrt(len(seeds))
    resolved = abs(mean) > half
    return Difference(mean, mean - half, mean + half, None if resolved else _seeds_needed(mean, spread, level))


def _seeds_needed(mean: float, spread: float, level: float) -> int | None:
    """Return the least number of seeds whose interval would leave out zero, None beyond a thousand."""
    for seeds in range(3, 1000):
        if abs(mean) > float(stats.t.ppf((1 + level) / 2, seeds - 1)) * spread / math.sqrt(seeds):
            return seeds
    return None


def _lost(seeds: int, of: int) -> str:
    return f"{of - seeds} of {of} seeds failed"


def _with_interval(one: Finalist, unit: str) -> str:
    if len(one.rmse) < 2:
        return f"{one.mean:.4g} {unit} (one seed, so no interval)"
    return f"{one.mean:.4g} ± {one.half_width:.2g} {unit} (95 % interval of {len(one.rmse)} seeds)"
