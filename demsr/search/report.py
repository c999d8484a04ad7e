"""Report of a sweep."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """Outcome of a sweep. `demsr.search.summary` builds it, `demsr.reporting.sweeps` renders it.

    Attributes
    ----------
    name : name of the sweep
    profile : profile that was searched
    unit : unit of the RMSE, m or scaled
    axis : name of the hyperparameter on the horizontal axis: num_blocks or learning_rate
    reference : its value in the reference
    trials : one row for each trial, finalists included
    finalists : one row for each candidate in the final
    best : the best of these rows
    baselines : RMSE of each baseline on the same validation pairs
    equal_seconds : training time at which finalists are compared, that of the fastest
    budget : budget and data for which the verdict holds
    sentences : the verdict
    changes : values of params.yaml that train the best candidate
    """

    name: str
    profile: str
    unit: str
    axis: str
    reference: float
    trials: list[dict[str, Any]]
    finalists: list[dict[str, Any]]
    best: dict[str, Any]
    baselines: dict[str, float]
    equal_seconds: float
    budget: str
    sentences: list[str]
    changes: dict[str, Any]
