"""Verdict on the finalists: the best, and which differences exceed the spread between seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from demsr.errors import WorkerError

_LEVEL = 0.95
_MOST_SEEDS = 1000


@dataclass(frozen=True)
class Finalist:
    """A candidate that was trained with several seeds.

    Attributes
    ----------
    label : name in the verdict, such as "num_blocks 42"
    rmse : validation RMSE by seed, without failed seeds
    flop_per_lr_px : operations of a forward pass
    """

    label: str
    rmse: dict[int, float]
    flop_per_lr_px: float

    @property
    def mean(self) -> float:
        """Mean RMSE over the seeds, infinity without any."""
        return float(np.mean(list(self.rmse.values()))) if self.rmse else math.inf

    @property
    def half_width(self) -> float:
        """Half the width of Student's 95 % interval of the mean; NaN with fewer than two seeds."""
        return _half_width(list(self.rmse.values()), _LEVEL) if len(self.rmse) > 1 else math.nan


@dataclass(frozen=True)
class Difference:
    """RMSE of a finalist minus RMSE of the best, paired by seed.

    Attributes
    ----------
    mean : mean over the common seeds
    low, high : interval that holds simultaneously for all comparisons with the best
    seeds_needed : number of seeds with which the interval would exclude zero, for the same mean and spread; None where
        it does, and where a thousand would not do
    """

    mean: float
    low: float
    high: float
    seeds_needed: int | None

    @property
    def resolved(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class SweepVerdict:
    """Comparison of the finalists with the best of them.

    Attributes
    ----------
    finalists : all finalists
    best : index of the lowest mean among those with the fewest failed seeds
    reference : index of the reference; None if there is none
    cheaper : index of the cheapest finalist whose difference from the best is not resolved; None if there is none
    differences : differences from the best; None for the best itself, and with fewer than two common seeds
    """

    finalists: tuple[Finalist, ...]
    best: int
    reference: int | None
    cheaper: int | None
    differences: tuple[Difference | None, ...]

    def sentences(self, unit: str) -> list[str]:
        """Return the verdict in words.

        Parameters
        ----------
        unit : unit of the RMSE
        """
        best = self.finalists[self.best]
        if len(best.rmse) < 2:
            interval = f"{best.mean:.4g} {unit} (one seed, so no interval)"
        else:
            interval = f"{best.mean:.4g} ± {best.half_width:.2g} {unit} (95 % interval of {len(best.rmse)} seeds)"
        lines = [f"Best: {best.label}, {interval}.", self._on_reference(unit)]
        if any(finalist.flop_per_lr_px != best.flop_per_lr_px for finalist in self.finalists):
            lines.append(self._on_cheaper(unit))
        seeds = max(len(finalist.rmse) for finalist in self.finalists)
        for finalist in self.finalists:
            if failed := seeds - len(finalist.rmse):
                lines.append(f"{finalist.label}: {failed} of {seeds} seeds failed.")
        return lines

    def _on_reference(self, unit: str) -> str:
        if self.reference is not None and self.reference != self.best:
            return f"The reference: {self._comparison(self.reference, unit)}"
        name, is_reference = self.finalists[self.best].label, self.reference is not None
        if len(self.finalists) == 1:
            return f"{name}{', the reference,' if is_reference else ''} is the only finalist."
        others = [n for n in range(len(self.finalists)) if n != self.best]
        second = min(others, key=lambda n: self.finalists[n].mean)
        return f"{'The reference is the best. ' if is_reference else ''}Second: {self._comparison(second, unit)}"

    def _comparison(self, index: int, unit: str) -> str:
        label, difference = self.finalists[index].label, self.differences[index]
        if difference is None:
            return f"{label} cannot be compared: it has fewer than two seeds in common with the best."
        percent = 100 * difference.mean / self.finalists[self.best].mean
        text = (
            f"{label} is worse by {difference.mean:.3g} {unit} ({percent:.1f} %), "
            f"95 % interval {difference.low:.2g} to {difference.high:.2g} {unit}: "
        )
        if difference.resolved:
            return text + "the difference exceeds the spread between seeds."
        text += "not resolved by this budget"
        if difference.seeds_needed:
            text += f"; {difference.seeds_needed} seeds would have about even odds of resolving such a difference"
        return text + "."

    def _on_cheaper(self, unit: str) -> str:
        best, index, prefix = self.finalists[self.best], self.cheaper, "Cheapest that is not resolved as worse"
        if index is None:
            price = best.flop_per_lr_px
            cheaper = [n for n, other in enumerate(self.finalists) if other.rmse and other.flop_per_lr_px < price]
            if not cheaper:
                return "No finalist is cheaper than the best."
            index, prefix = min(cheaper, key=lambda n: self.finalists[n].mean), "Best of the cheaper finalists"
        finalist, difference = self.finalists[index], self.differences[index]
        percent = 100 * finalist.flop_per_lr_px / best.flop_per_lr_px
        text = f"{prefix}: {finalist.label} needs {percent:.0f} % of the operations"
        if difference is None:
            return f"{text}; its loss in RMSE is not measured."
        return f"{text} and loses {difference.mean:.3g} {unit}, at most {difference.high:.2g} {unit}."


def compare_finalists(finalists: Sequence[Finalist], *, reference: int | None = None) -> SweepVerdict:
    """Compare finalists with the best of them.

    Intervals are Student's intervals of the paired differences, at a level that holds simultaneously for all
    comparisons with the best (Bonferroni). The same numbers select the best, which makes its own mean a little
    optimistic.

    Parameters
    ----------
    finalists : finalists with their RMSE
    reference : index of the reference; None if there is none

    Returns
    -------
    the verdict

    Raises
    ------
    WorkerError : no finalist has a result
    """
    index = min(range(len(finalists)), key=lambda n: (-len(finalists[n].rmse), finalists[n].mean))
    best = finalists[index]
    if not best.rmse:
        message = "all finalists failed; see the errors of their runs"
        raise WorkerError(message)
    comparisons = max(1, sum(bool(finalist.rmse) for finalist in finalists) - 1)
    level = 1 - (1 - _LEVEL) / comparisons
    differences = tuple(
        None if finalist is best else paired_difference(finalist.rmse, best.rmse, level=level) for finalist in finalists
    )
    level_with_best = [n for n, difference in enumerate(differences) if difference and not difference.resolved]
    cheaper = [n for n in level_with_best if finalists[n].flop_per_lr_px < best.flop_per_lr_px]
    cheapest = min(cheaper, key=lambda n: finalists[n].flop_per_lr_px, default=None)
    return SweepVerdict(tuple(finalists), index, reference, cheapest, differences)


def paired_difference(rmse: dict[int, float], best: dict[int, float], *, level: float) -> Difference | None:
    """Compute the interval of the mean difference over the common seeds.

    Parameters
    ----------
    rmse : RMSE by seed
    best : RMSE of the best finalist by seed
    level : confidence level, 0 to 1

    Returns
    -------
    the difference; None with fewer than two common seeds
    """
    seeds = sorted(rmse.keys() & best.keys())
    if len(seeds) < 2:
        return None
    differences = [rmse[seed] - best[seed] for seed in seeds]
    mean, half_width = float(np.mean(differences)), _half_width(differences, level)
    needed = None
    if abs(mean) <= half_width:
        numbers = range(3, _MOST_SEEDS)
        needed = next((n for n in numbers if abs(mean) > _half_width(differences, level, seeds=n)), None)
    return Difference(mean, mean - half_width, mean + half_width, needed)


def _half_width(values: Sequence[float], level: float, *, seeds: int | None = None) -> float:
    """Return half the width of Student's interval of a mean, for as many values or for another number of seeds."""
    n = seeds or len(values)
    return float(stats.t.ppf((1 + level) / 2, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
