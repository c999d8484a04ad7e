"""Run a sweep: search, finalists, verdict. Every step resumes after a kill."""

import math
import shutil
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock, Timeout

from demsr.errors import ParamsError, WorkerError
from demsr.reporting.sweep_report import SweepReport, write_report
from demsr.reporting.sweeps import to_markdown
from demsr.runtime.ray_cluster import ray_connection
from demsr.search.monitor import TrialMonitor
from demsr.search.nodes import TrialResources
from demsr.search.space import Candidate
from demsr.search.storage import SweepStorage, open_storage
from demsr.search.summary import summarise
from demsr.search.sweep_plan import SweepPlan
from demsr.search.trial_log import TrialLog, TrialRecord
from demsr.search.tuning import run_trials
from demsr.tracking.runs import Run, end_run, tracked_run


def run_sweep(
    plan: SweepPlan,
    resources: TrialResources,
    *,
    address: str = "local",
    resume: bool = False,
    anew: bool = False,
    accept_changes: bool = False,
    retry_failed: bool = False,
    trials: int | None = None,
) -> SweepReport:
    """Search, train the finalists, compare them and write the report.

    Parameters
    ----------
    plan : plan of the sweep
    resources : resources of each trial
    address : address of a Ray cluster, or "local"
    resume : resume an unfinished sweep, or extend a finished one
    anew : discard an unfinished sweep
    accept_changes : resume although pairs, space or code have changed
    retry_failed : resume, and try failed trials again
    trials : number of searched trials; None for the number of the space, or of the resumed sweep

    Returns
    -------
    the report

    Raises
    ------
    ParamsError : an unfinished sweep exists, there is none to resume, it differs, or another process runs it
    WorkerError : Ray or the storage fails, or all trials fail
    """
    if address.startswith("ray://"):
        message = f"--address is {address}; run the sweep on a node of the cluster and give its head as host:port"
        raise ParamsError(message)
    plan.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{plan.folder}.lock", timeout=0), open_storage(plan.storage, plan.name) as storage:
            resume = resume or retry_failed
            start = _start(plan, storage, resume=resume, anew=anew, accept_changes=accept_changes, trials=trials)
            return _run(plan.resumed(**start), storage, resources, address, retry_failed=retry_failed)
    except Timeout as error:
        message = f"{plan.folder}: another process runs this sweep; wait for its end or stop it"
        raise ParamsError(message) from error


def _start(
    plan: SweepPlan, storage: SweepStorage, *, resume: bool, anew: bool, accept_changes: bool, trials: int | None
) -> dict[str, Any]:
    """Store and return identity, reference and number of trials of a new or a resumed sweep."""
    where, stored = f"sweep {plan.name}", storage.state
    if resume and anew:
        message = "--resume continues a sweep, --anew discards it; give one of them"
        raise ParamsError(message)
    if resume:
        if stored is None:
            message = f"{where}: nothing to resume; start it without --resume"
            raise ParamsError(message)
        changed = [name for name, value in plan.invariants.items() if stored["parts"].get(name) != value]
        if "parameters" in changed:
            message = (
                f"{where}: it started with other parameters or choices in `search`, so its trials and new ones "
                "have different values; start another sweep with --anew"
            )
            raise ParamsError(message)
        if changed and not accept_changes:
            message = (
                f"{where}: the {' and '.join(changed)} changed since it started, so its trials and new ones are "
                "not comparable; start another sweep with --anew, or mix them with --accept-changes"
            )
            raise ParamsError(message)
        start = stored["began"] | ({"trials": trials} if trials else {})
    else:
        if stored is not None and not stored["finished"] and not anew:
            message = f"{where}: an unfinished sweep exists; continue it with --resume, or discard it with --anew"
            raise ParamsError(message)
        if stored is not None:
            end_run(stored["began"]["identity"], experiment=plan.experiment)
        storage.clear()
        for folder in (path for path in plan.folder.iterdir() if path.is_dir()):
            shutil.rmtree(folder)
        start = {"identity": uuid.uuid4().hex[:16], "reference": plan.reference, "trials": trials or plan.space.trials}
    storage.store({"began": start, "parts": plan.invariants, "finished": False})
    return dict(start)


def _run(
    plan: SweepPlan, storage: SweepStorage, resources: TrialResources, address: str, *, retry_failed: bool
) -> SweepReport:
    space = plan.space
    trials, finalists = (
        TrialLog(storage, "trial", space, plan.metric),
        TrialLog(storage, "finalist", space, plan.metric),
    )
    with tracked_run(
        f"{plan.name} {plan.profile}, pairs {plan.inputs[0].md5[:8]}, {datetime.now(UTC):%Y-%m-%d}",
        stage=f"sweep {plan.name}",
        profile=plan.profile,
        seed=space.seed,
        params={
            "space": space.model_dump(mode="json", exclude={"trials", "storage"}, exclude_none=True),
            "training": plan.setup.training,
        },
        inputs=plan.inputs,
        work_key=plan.setup.work.name,
        experiment=plan.experiment,
        resume_finished=True,
    ) as run:
        monitor = TrialMonitor(plan, run)
        with monitor.synchronised(trials, finalists), ray_connection(address):
            for log in (trials, finalists) if retry_failed else ():
                log.retry_failed()
            trials.enqueue(plan.first_candidates)
            _run_phase(plan, trials, monitor, resources)
            candidates = _choose_finalists(plan, trials.records())
            finalists.enqueue(
                [{**candidate, "seed": seed} for seed in space.finalists.seeds for candidate in candidates]
            )
            _run_phase(plan, finalists, monitor, resources)
            report = summarise(plan, trials.records(), finalists.records(), candidates)
            write_report(report, plan.results)
        _log_report(run, report, plan)
    storage.store(dict(storage.state or {}) | {"finished": True})
    for folder in (plan.setup.work, plan.setup.cache):
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _run_phase(plan: SweepPlan, log: TrialLog, monitor: TrialMonitor, resources: TrialResources) -> None:
    """Run the remaining trials of a log and show their progress."""
    ended = [record for record in log.records() if record.state != "running"]
    best = min((record.best(plan.metric) for record in ended if record.state != "failed"), default=math.inf)
    done, epochs = len(ended), plan.space.epochs
    with monitor.progress.phase(log.kind, total=done + log.remaining, done=done, best=best, epochs=epochs):
        run_trials(log, plan, resources, on_change=monitor)


def _choose_finalists(plan: SweepPlan, records: list[TrialRecord]) -> list[Candidate]:
    """Choose the reference, the candidates that are always finalists, and the best for each value of `by`.

    Finalists differ in subject and `by`; their other parameters have the values of their best trial, or those of the
    reference if no trial succeeded. The reference is the first.
    """
    rules = plan.space.finalists
    best: dict[tuple[Any, ...], Candidate] = {}
    for record in sorted(records, key=lambda record: record.best(plan.metric)):
        if record.state in ("finished", "stopped early"):
            best.setdefault(plan.key(record.candidate), record.candidate)
    if not best:
        reasons = "; ".join(sorted({record.error for record in records if record.error}))
        message = f"all {len(records)} trials failed: {reasons}"
        raise WorkerError(message)
    chosen = {
        plan.key(candidate): candidate for candidate in ({**plan.reference, **row} for row in ({}, *rules.always))
    }
    ranks: Counter[tuple[Any, ...]] = Counter()
    for key, candidate in best.items():
        ranks[key[1:]] += 1
        if ranks[key[1:]] <= rules.best:
            chosen.setdefault(key, candidate)
    return [best.get(key, candidate) for key, candidate in chosen.items()]


def _log_report(run: Run, report: SweepReport, plan: SweepPlan) -> None:
    """Add files, verdict and the main numbers to the MLflow run of the sweep."""
    for file in sorted(plan.results.iterdir()):
        run.log_file(file)
    run.log_tags({"mlflow.note.content": to_markdown(report)})
    run.log_numbers({"baseline": dict(report.baselines)})
    run.log_metrics({f"best_{plan.metric}": report.best["rmse"], "trials": len(report.trials)})
