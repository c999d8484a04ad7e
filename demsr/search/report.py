"""From trials to the report of a sweep: tables, baselines, the verdict and what it holds for."""

import statistics
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from demsr.evaluation.methods import baselines
from demsr.evaluation.scoring import pooled_rmse
from demsr.pairs.pair_file import PairFile
from demsr.reporting.sweeps import SweepReport
from demsr.search.space import Choice
from demsr.search.sweep_plan import Sizes, SweepPlan
from demsr.search.trial_log import TrialRecord
from demsr.search.verdict import Finalist, SweepVerdict, judge

_EDGE = 1.1  # a learning rate within this factor of the end of its range lies at the edge


def report_of(
    plan: SweepPlan, trials: Sequence[TrialRecord], finalists: Sequence[TrialRecord], chosen: Sequence[Choice]
) -> SweepReport:
    """Judge the finalists and put everything together.

    Parameters
    ----------
    chosen : choices of the finalists, the reference first
    """
    sizes = Sizes(plan.training)
    runs = [[entry for entry in finalists if entry.choice == choice] for choice in chosen]
    verdict = judge([_finalist(plan, sizes, *pair) for pair in zip(chosen, runs, strict=True)], reference=0)
    finished = [entry for of_choice in runs for entry in of_choice if entry.state == "finished"]
    seconds = min(sum(row["seconds"] for row in entry.rows) for entry in finished)
    tried = [_rates_tried(plan, trials, choice) for choice in chosen]
    rows = [
        _row(plan, sizes, verdict, place, choice, of_choice, seconds) | {"rates_tried": tried[place]}
        for place, (choice, of_choice) in enumerate(zip(chosen, runs, strict=True))
    ]
    best = chosen[verdict.best]
    return SweepReport(
        name=plan.name,
        profile=plan.profile,
        unit=plan.training.unit,
        axis="num_blocks" if plan.space.num_blocks else "learning_rate",
        reference=plan.group(chosen[0]),
        finalists=rows,
        best=rows[verdict.best],
        equal_seconds=seconds,
        trials=[_trial(plan, sizes, entry) for entry in (*trials, *finalists)],
        baselines=_baselines(plan),
        budget=_budget(plan),
        sentences=verdict.sentences(plan.training.unit) + _cautions(plan, best, tried, trials, finalists),
        changes=plan.changes(best),
    )


def _finalist(plan: SweepPlan, sizes: Sizes, choice: Choice, runs: Sequence[TrialRecord]) -> Finalist:
    rmse = {entry.seed: entry.best(plan.metric) for entry in runs if entry.state == "finished"}
    return Finalist(plan.label(choice), rmse, sizes.of(choice).flop_per_lr_px)


def _row(
    plan: SweepPlan,
    sizes: Sizes,
    verdict: SweepVerdict,
    place: int,
    choice: Choice,
    runs: Sequence[TrialRecord],
    seconds: float,
) -> dict[str, Any]:
    """Return a line of the table of finalists."""
    one, difference, size = verdict.finalists[place], verdict.differences[place], sizes.of(choice)
    done = [entry for entry in runs if entry.state == "finished"]
    early = [value for entry in done if (value := _best_within(plan, entry, seconds)) is not None]
    return {
        **choice,
        "role": "best" if place == verdict.best else "reference" if place == verdict.reference else "",
        "rmse": one.mean if one.rmse else None,
        "half_width": one.half_width if len(one.rmse) > 1 else None,
        "rmse_by_seed": {str(seed): value for seed, value in one.rmse.items()},
        "rmse_at_equal_time": statistics.fmean(early) if done and len(early) == len(done) else None,
        "worse_by": difference and [difference.mean, difference.low, difference.high],
        "differs": difference and difference.resolved,
        "parameters": size.parameters,
        "flop_per_lr_px": size.flop_per_lr_px,
        "seconds_per_epoch": statistics.median(entry.median("seconds") for entry in done) if done else None,
        "samples_per_second": statistics.median(entry.median("samples_per_second") for entry in done) if done else None,
    }


def _best_within(plan: SweepPlan, entry: TrialRecord, seconds: float) -> float | None:
    """Return the best RMSE of the epochs that ended within some seconds of training."""
    ends = accumulate(row["seconds"] for row in entry.rows)
    within = [row[plan.metric] for row, end in zip(entry.rows, ends, strict=True) if end <= seconds]
    return min(within, default=None)


def _trial(plan: SweepPlan, sizes: Sizes, entry: TrialRecord) -> dict[str, Any]:
    size, best = sizes.of(entry.choice), entry.best(plan.metric)
    return {
        "trial_id": entry.id,
        "role": entry.id.partition("-")[0],
        **entry.choice,
        "seed": entry.seed,
        "state": entry.state,
        "epochs": len(entry.rows),
        "rmse": best if entry.rows else None,
        "parameters": size.parameters,
        "flop_per_lr_px": size.flop_per_lr_px,
        "seconds_per_epoch": entry.median("seconds") if entry.rows else None,
        "samples_per_second": entry.median("samples_per_second") if entry.rows else None,
        "error": entry.error,
    }


def _baselines(plan: SweepPlan) -> dict[str, float]:
    """Return the RMSE of the baselines on the validation pairs."""
    train, valid = PairFile(plan.training.train), PairFile(plan.training.valid)
    section = plan.params.evaluate
    methods = baselines(train, linear_filter_size=section.linear_filter_size, batch_size=section.batch_size)
    return {name: pooled_rmse(method, valid, batch_size=section.batch_size) for name, method in methods.items()}


def _budget(plan: SweepPlan) -> str:
    """Say what the verdict holds for."""
    train, valid, space = PairFile(plan.training.train), PairFile(plan.training.valid), plan.space
    all_pairs = -(-len(train) // plan.training.batch_size)
    steps = min(space.steps_per_epoch or all_pairs, all_pairs)
    return (
        f"{space.epochs} epochs of {steps} steps of {plan.training.batch_size} pairs, out of {len(train):,}; "
        f"validated on {_counted(len(valid), 'pair')} of {_counted(len(valid.areas), 'area')}; "
        f"{plan.training.net['features']} features; {len(space.finalists.seeds)} seeds; equal steps for all"
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _rates_tried(plan: SweepPlan, trials: Sequence[TrialRecord], choice: Choice) -> int:
    """Return how many learning rates the depth of a choice was tried at."""
    of_depth = [one for one in trials if plan.group(one.choice) == plan.group(choice) and one.state != "failed"]
    return len({one.choice["learning_rate"] for one in of_depth})


def _cautions(
    plan: SweepPlan, best: Choice, tried: Sequence[int], trials: Sequence[TrialRecord], finalists: Sequence[TrialRecord]
) -> list[str]:
    """Name what limits the verdict.

    Parameters
    ----------
    tried : learning rates at the depth of each finalist, the reference first
    """
    found, depths, rates = [], plan.space.num_blocks, plan.space.learning_rate
    if depths and best["num_blocks"] in (depths.low, depths.high):
        side = "shallowest" if best["num_blocks"] == depths.low else "deepest"
        found.append(f"The best is the {side} net of the space: beyond it may lie a better one.")
    if not rates.low * _EDGE < best["learning_rate"] < rates.high / _EDGE:
        found.append("The best learning rate lies at the edge of the space: widen it.")
    if depths and tried[0] < max(tried):
        found.append(
            f"The reference was tried at {_counted(tried[0], 'learning rate')}, other finalists at up to {max(tried)}: "
            "more trials would make that even."
        )
    failed = [entry for entry in (*trials, *finalists) if entry.state == "failed"]
    if failed:
        found.append(f"{len(failed)} of {len(trials) + len(finalists)} trials failed; first: {failed[0].error}.")
    return found
