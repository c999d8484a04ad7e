"""Summary of a finished sweep: tables of trials and finalists, baselines, verdict and its limits."""

import statistics
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from demsr.evaluation.finalists import Finalist, SweepVerdict, compare_finalists
from demsr.evaluation.methods import baselines
from demsr.evaluation.scoring import pooled_rmse
from demsr.pairs.pair_file import PairFile
from demsr.reporting.sweep_report import SweepReport
from demsr.reporting.sweeps import text_of
from demsr.search.space import Candidate, nested
from demsr.search.sweep_plan import SweepPlan
from demsr.search.trial_log import TrialRecord

_COST = ("parameters", "flop_per_lr_px", "seconds_per_epoch", "samples_per_second")


def summarise(
    plan: SweepPlan, trials: Sequence[TrialRecord], runs: Sequence[TrialRecord], candidates: Sequence[Candidate]
) -> SweepReport:
    """Compare the finalists and build the report.

    Parameters
    ----------
    plan : plan of the sweep
    trials : searched trials
    runs : runs of the finalists, one for each candidate and seed
    candidates : candidates in the final, the reference first

    Returns
    -------
    the report

    Raises
    ------
    WorkerError : all finalists failed
    """
    complete = [run for run in runs if run.state == "finished"]
    groups = [[run for run in complete if run.candidate == candidate] for candidate in candidates]
    verdict = compare_finalists([_finalist(plan, *pair) for pair in zip(candidates, groups, strict=True)], reference=0)
    seconds = min(sum(row["seconds"] for row in run.rows) for run in complete)
    tried = [_settings_tried(plan, trials, candidate) for candidate in candidates]
    rows = [
        candidate
        | _result(verdict, index)
        | _cost(plan, candidate, groups[index])
        | {"rmse_at_equal_time": _rmse_within(plan, groups[index], seconds), "settings_tried": tried[index]}
        for index, candidate in enumerate(candidates)
    ]
    best, space, records = candidates[verdict.best], plan.space, [*trials, *runs]
    sentences = verdict.sentences(plan.setup.unit) + _split_verdicts(plan, verdict, candidates)
    return SweepReport(
        profile=plan.profile,
        unit=plan.setup.unit,
        paths=list(space.paths),
        by=space.by,
        scale=space.search[space.subject].scale,
        values={
            path: space.search[path].in_order(record.candidate[path] for record in records) for path in space.group
        },
        reference=candidates[0],
        trials=[_trial(plan, record) for record in records],
        finalists=rows,
        best=rows[verdict.best],
        baselines=_baselines(plan),
        equal_seconds=seconds,
        budget=_budget(plan, candidates),
        sentences=sentences + _space_limits(plan, best, tried) + _failures(records),
        changes=nested(space.fixed | best),
    )


def _finalist(plan: SweepPlan, candidate: Candidate, runs: Sequence[TrialRecord]) -> Finalist:
    rmse = {run.seed: run.best(plan.metric) for run in runs}
    return Finalist(plan.label(candidate), rmse, plan.net_cost(candidate)["flop_per_lr_px"])


def _settings_tried(plan: SweepPlan, trials: Sequence[TrialRecord], candidate: Candidate) -> int:
    """Count the settings of the other parameters with which subject and by of a candidate were tried."""
    tried = [trial.candidate for trial in trials if trial.state != "failed"]
    same = [other for other in tried if plan.key(other) == plan.key(candidate)]
    return len({tuple(other[path] for path in plan.space.paths) for other in same})


def _split_verdicts(plan: SweepPlan, verdict: SweepVerdict, candidates: Sequence[Candidate]) -> list[str]:
    """Return the best for each value of `by`, in words."""
    if (by := plan.space.by) is None:
        return []
    parts: dict[Any, list[Finalist]] = {}
    for candidate, finalist in zip(candidates, verdict.finalists, strict=True):
        parts.setdefault(candidate[by], []).extend([finalist] if finalist.rmse else [])
    values = plan.space.search[by].in_order(value for value, part in parts.items() if part)
    verdicts = {value: compare_finalists(parts[value]).sentences(plan.setup.unit) for value in values}
    return [f"With {by} {text_of(value)}: {' '.join(lines[:2])}" for value, lines in verdicts.items()]


def _result(verdict: SweepVerdict, index: int) -> dict[str, Any]:
    finalist, difference = verdict.finalists[index], verdict.differences[index]
    return {
        "role": "best" if index == verdict.best else "reference" if index == verdict.reference else "",
        "rmse": finalist.mean if finalist.rmse else None,
        "half_width": finalist.half_width if len(finalist.rmse) > 1 else None,
        "rmse_by_seed": {str(seed): value for seed, value in finalist.rmse.items()},
        "worse_by": difference and [difference.mean, difference.low, difference.high],
        "differs": difference and difference.resolved,
    }


def _cost(plan: SweepPlan, candidate: Candidate, runs: Sequence[TrialRecord]) -> dict[str, Any]:
    """Return size and operations of a net, and the medians of time and speed over its runs."""
    names = {"seconds_per_epoch": "seconds", "samples_per_second": "samples_per_second"}
    medians = {
        key: statistics.median(run.median(name) for run in runs) if runs else None for key, name in names.items()
    }
    return plan.net_cost(candidate) | medians


def _rmse_within(plan: SweepPlan, runs: Sequence[TrialRecord], seconds: float) -> float | None:
    """Return the mean of the best RMSE within a training time; None if a run has no epoch within it."""
    best = []
    for run in runs:
        ends = accumulate(row["seconds"] for row in run.rows)
        within = [row[plan.metric] for row, end in zip(run.rows, ends, strict=True) if end <= seconds]
        if not within:
            return None
        best.append(min(within))
    return statistics.fmean(best) if best else None


def _trial(plan: SweepPlan, record: TrialRecord) -> dict[str, Any]:
    return {
        "trial_id": record.id,
        "role": record.role,
        **record.candidate,
        "seed": record.seed,
        "state": record.state,
        "epochs": len(record.rows),
        "rmse": record.best(plan.metric) if record.rows else None,
        **(_cost(plan, record.candidate, [record]) if record.rows else dict.fromkeys(_COST)),
        "error": record.error,
    }


def _baselines(plan: SweepPlan) -> dict[str, float]:
    """Return the RMSE of the baselines on the validation pairs."""
    train, valid = PairFile(plan.setup.train), PairFile(plan.setup.valid)
    methods, batch_size = baselines(train, **plan.baselines), plan.baselines["batch_size"]
    return {name: pooled_rmse(method, valid, batch_size=batch_size) for name, method in methods.items()}


def _budget(plan: SweepPlan, candidates: Sequence[Candidate]) -> str:
    """Return the budget of the finalists and the data for which the verdict holds."""
    space = plan.space
    train, valid = PairFile(plan.setup.train), PairFile(plan.setup.valid)
    setups = [plan.setup.of(candidate) for candidate in candidates]
    sizes = sorted({int(setup.training["batch_size"]) for setup in setups})
    batches = [-(-len(train) // size) for size in sizes]
    steps = list(dict.fromkeys(min(space.steps_per_epoch or number, number) for number in batches))
    features = sorted({int(setup.net["features"]) for setup in setups})
    return (
        f"{space.epochs} epochs of {_alternatives(steps)} steps of {_alternatives(sizes)} pairs, "
        f"out of {len(train):,}; "
        f"validated on {_count(len(valid), 'pair')} of {_count(len(valid.areas), 'area')}; "
        f"{_alternatives(features)} features; {len(space.finalists.seeds)} seeds; "
        + ("the same number of steps for all" if len(steps) == 1 else "larger batches have fewer steps")
    )


def _space_limits(plan: SweepPlan, best: Candidate, tried: Sequence[int]) -> list[str]:
    """Return what limits the verdict: edges of the space, and settings tried for each finalist."""
    search = {path: plan.space.search[path] for path in plan.space.paths}
    limits = [
        f"The best {path} lies at the edge of the space, {distribution}: a better one may lie beyond it."
        for path, distribution in search.items()
        if distribution.is_at_edge(best[path])
    ]
    if tried[0] < max(tried):
        limits.append(
            f"The reference was tried with {_count(tried[0], 'setting')} of the other parameters, other finalists "
            f"with up to {max(tried)}: more trials would make the comparison fairer."
        )
    return limits


def _failures(records: Sequence[TrialRecord]) -> list[str]:
    """Return how many trials failed, except those that succeeded when they were tried again."""
    good = [(record.role, record.seed, record.candidate) for record in records if record.state != "failed"]
    failed = [record for record in records if record.state == "failed"]
    failed = [record for record in failed if (record.role, record.seed, record.candidate) not in good]
    return [f"{len(failed)} of {len(records)} trials failed; first: {failed[0].error}."] if failed else []


def _alternatives(values: Sequence[int]) -> str:
    return " or ".join(map(str, values))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
