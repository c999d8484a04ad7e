"""Summary of a finished sweep: tables of trials and finalists, baselines, verdict and its limits."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any

from demsr.evaluation.methods import baselines
from demsr.evaluation.scoring import pooled_rmse
from demsr.pairs.pair_file import PairFile
from demsr.search.report import SweepReport
from demsr.search.space import Candidate
from demsr.search.sweep_plan import SweepPlan
from demsr.search.trial_log import TrialRecord
from demsr.search.verdict import Finalist, SweepVerdict, compare_finalists

_EDGE = 1.1  # a learning rate within this factor of an end of its range lies at the edge


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
    tried = [_rates_tried(plan, trials, candidate) for candidate in candidates]
    rows = [
        candidate
        | _result(verdict, index)
        | _cost(plan, candidate, groups[index])
        | {"rmse_at_equal_time": _rmse_within(plan, groups[index], seconds), "rates_tried": tried[index]}
        for index, candidate in enumerate(candidates)
    ]
    best = candidates[verdict.best]
    limits = _space_limits(plan, best, tried) + _failures([*trials, *runs])
    return SweepReport(
        name=plan.name,
        profile=plan.profile,
        unit=plan.setup.unit,
        axis=plan.axis,
        reference=candidates[0][plan.axis],
        trials=[_trial(plan, record) for record in (*trials, *runs)],
        finalists=rows,
        best=rows[verdict.best],
        baselines=_baselines(plan),
        equal_seconds=seconds,
        budget=_budget(plan),
        sentences=verdict.sentences(plan.setup.unit) + limits,
        changes=plan.params_changes(best),
    )


def _finalist(plan: SweepPlan, candidate: Candidate, runs: Sequence[TrialRecord]) -> Finalist:
    rmse = {run.seed: run.best(plan.metric) for run in runs}
    return Finalist(plan.label(candidate), rmse, plan.net_cost(candidate).flop_per_lr_px)


def _rates_tried(plan: SweepPlan, trials: Sequence[TrialRecord], candidate: Candidate) -> int:
    """Count the learning rates at which the depth of a candidate was tried."""
    tried = [trial.candidate for trial in trials if trial.state != "failed"]
    return len({other["learning_rate"] for other in tried if other[plan.axis] == candidate[plan.axis]})


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
    return asdict(plan.net_cost(candidate)) | medians


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
        **_cost(plan, record.candidate, [record] if record.rows else []),
        "error": record.error,
    }


def _baselines(plan: SweepPlan) -> dict[str, float]:
    """Return the RMSE of the baselines on the validation pairs."""
    train, valid = PairFile(plan.setup.train), PairFile(plan.setup.valid)
    methods, batch_size = baselines(train, **plan.baselines), plan.baselines["batch_size"]
    return {name: pooled_rmse(method, valid, batch_size=batch_size) for name, method in methods.items()}


def _budget(plan: SweepPlan) -> str:
    """Return the budget and data for which the verdict holds."""
    setup, space = plan.setup, plan.space
    train, valid = PairFile(setup.train), PairFile(setup.valid)
    batches = -(-len(train) // setup.batch_size)
    steps = min(space.steps_per_epoch or batches, batches)
    return (
        f"{space.epochs} epochs of {steps} steps of {setup.batch_size} pairs, out of {len(train):,}; "
        f"validated on {_count(len(valid), 'pair')} of {_count(len(valid.areas), 'area')}; "
        f"{setup.net['features']} features; {len(space.finalists.seeds)} seeds; the same number of steps for all"
    )


def _space_limits(plan: SweepPlan, best: Candidate, tried: Sequence[int]) -> list[str]:
    """Return what limits the verdict: edges of the space, and rates tried at the depth of each finalist."""
    limits, depths, rates = [], plan.space.num_blocks, plan.space.learning_rate
    if depths and best["num_blocks"] in (depths.low, depths.high):
        side = "shallowest" if best["num_blocks"] == depths.low else "deepest"
        limits.append(f"The best is the {side} net of the space: a better one may lie beyond it.")
    if not rates.low * _EDGE < best["learning_rate"] < rates.high / _EDGE:
        limits.append("The best learning rate lies at the edge of the space: widen the space.")
    if depths and tried[0] < max(tried):
        reference = _count(tried[0], "learning rate")
        limits.append(
            f"The reference was tried at {reference}, other finalists at up to {max(tried)}: "
            "more trials would make the comparison fairer."
        )
    return limits


def _failures(records: Sequence[TrialRecord]) -> list[str]:
    failed = [record for record in records if record.state == "failed"]
    return [f"{len(failed)} of {len(records)} trials failed; first: {failed[0].error}."] if failed else []


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
