"""Rank methods over many regions: ranks in randomised complete blocks, as DEMIX ranks elevation models."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of methods and their significance.

    Attributes
    ----------
    mean_rank : mean rank by method, best first; 1 is the best in every block
    p_value : p-value of Friedman's test of the hypothesis that all methods are equal
    critical_difference : mean ranks that differ by more are significantly different at the 5 % level (Nemenyi)
    blocks : number of blocks
    """

    mean_rank: dict[str, float]
    p_value: float
    critical_difference: float
    blocks: int


def ranking(errors: Mapping[str, Mapping[str, float]]) -> Ranking:
    """Rank three or more methods by their errors in every block.

    Parameters
    ----------
    errors : by method, then by block such as "Pyrenees, slope"; a block that one method lacks is left out for all

    Source: Bielski et al. (2024), doi 10.1109/TGRS.2024.3368015; Demsar (2006), jmlr.org/papers/v7/demsar06a.html.
    """
    methods = list(errors)
    common = [
        block for block in errors[methods[0]] if all(np.isfinite(errors[one].get(block, np.nan)) for one in methods)
    ]
    table = np.array([[errors[method][block] for method in methods] for block in common])
    ranks = stats.rankdata(table, axis=1)  # ties share the mean of their ranks
    mean_rank = dict(sorted(zip(methods, ranks.mean(axis=0).tolist(), strict=True), key=lambda item: item[1]))
    studentised = stats.studentized_range.ppf(0.95, len(methods), np.inf)
    critical = studentised / np.sqrt(2) * np.sqrt(len(methods) * (len(methods) + 1) / (6 * len(common)))
    return Ranking(mean_rank, float(stats.friedmanchisquare(*table.T).pvalue), float(critical), len(common))
