"""A sweep from its first trial to its verdict: search, then finalists, each step resumable after a kill."""

import contextlib
import math
import shutil
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from filelock import FileLock, Timeout
from optuna.distributions import IntDistribution
from rich.console import Console

from demsr.errors import ParamsError, TrackingError, WorkerError
from demsr.reporting.sweeps import SweepProgress, SweepReport, write_report
from demsr.runtime.files import read_json, write_json
from demsr.runtime.ray_cluster import ray_connection
from demsr.search.nodes import TrialResources
from demsr.search.report import report_of
from demsr.search.space import Choice
from demsr.search.sweep_plan import Sizes, SweepPlan
from demsr.search.trial_log import TrialLog, TrialRecord, distributions_of
from demsr.search.tuning import run_trials
from demsr.tracking.child_runs import ChildRuns
from demsr.tracking.runs import Run, end_run, tracked_run
from demsr.tracking.store import EXPERIMENT

_SEEDS = IntDistribution(0, 2**31 - 1)
_STATUS = {"finished": "FINISHED", "stopped early": "FINISHED", "failed": "FAILED"}


def run_sweep(
    plan: SweepPlan,
    *,
    share: TrialResources,
    address: str = "local",
    resume: bool = False,
    anew: bool = False,
    accept_changes: bool = False,
    trials: int | None = None,
) -> SweepReport:
    """Search, train the finalists, judge, report.

    Parameters
    ----------
    address : of a Ray cluster, or "local"
    resume : go on with an earlier sweep, be it killed, be it finished and given more trials
    anew : throw an unfinished sweep away
    accept_changes : go on although pairs, space or code have changed since the first trials
    trials : how many are searched; None for those of the space, or of the sweep that goes on

    Raises
    ------
    ParamsError : there is an unfinished sweep, or none to go on with, or another one, or one that runs
    WorkerError : nothing could be trained
    """
    if address.startswith("ray://"):
        message = f"--address is {address}; run this on a node of the cluster and give its head as host:port"
        raise ParamsError(message)
    plan.folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{plan.folder}.lock", timeout=0):
            began = _begin(plan, resume=resume, anew=anew, accept_changes=accept_changes, trials=trials)
            return _run(plan.gone_on_with(**began), began["identity"], share, address)
    except Timeout as error:
        message = f"{plan.folder}: another process runs this sweep; wait for its end or stop it"
        raise ParamsError(message) from error


def _run(plan: SweepPlan, identity: str, share: TrialResources, address: str) -> SweepReport:
    trials, finalists = _books(plan)
    with tracked_run(
        f"{plan.name} {plan.profile}",
        stage=f"sweep {plan.name}",
        profile=plan.profile,
        seed=plan.space.seed,
        params={"space": plan.space.model_dump(mode="json", exclude={"trials"}), "training": plan.training.fit},
        inputs=plan.inputs,
        work_key=identity,
        experiment=_experiment(plan),
        resume_finished=True,
    ) as run:
        mirror = _Mirror(plan, run)
        with mirror.left_in_order(trials, finalists), ray_connection(address):
            trials.enqueue(plan.space.first_choices(plan.reference["learning_rate"]))
            _phase(plan, trials, mirror, share)
            chosen = choose_finalists(plan, trials.entries())
            finalists.enqueue([choice | {"seed": seed} for seed in plan.space.finalists.seeds for choice in chosen])
            _phase(plan, finalists, mirror, share)
            report = report_of(plan, trials.entries(), finalists.entries(), chosen)
            write_report(report, plan.results)
        _log(run, report, plan)
    path = plan.folder / "sweep.json"
    write_json(path, read_json(path) | {"finished": True})
    for folder in (plan.training.work, plan.training.cache):
        shutil.rmtree(folder, ignore_errors=True)
    return report


def choose_finalists(plan: SweepPlan, entries: list[TrialRecord]) -> list[Choice]:
    """Return the reference and the best, each depth with its best learning rate.

    Raises
    ------
    WorkerError : all trials failed
    """
    of_group: dict[float, Choice] = {}
    for entry in sorted(entries, key=lambda entry: entry.best(plan.metric)):
        if entry.state in ("finished", "stopped early"):
            of_group.setdefault(plan.group(entry.choice), entry.choice)
    if not of_group:
        reasons = "; ".join(sorted({entry.error for entry in entries if entry.error}))
        message = f"all {len(entries)} trials failed: {reasons}"
        raise WorkerError(message)
    best = list(of_group)[: plan.space.finalists.best]
    wanted = dict.fromkeys([plan.group(plan.reference), *plan.space.finalists.always, *best])
    return [of_group.get(group) or _untried(plan, group) for group in wanted]


def _untried(plan: SweepPlan, group: float) -> Choice:
    """Return a depth at the learning rate of the profile: its trials failed, or there were too few."""
    return plan.reference | ({"num_blocks": int(group)} if plan.space.num_blocks else {})


def _begin(plan: SweepPlan, *, resume: bool, anew: bool, accept_changes: bool, trials: int | None) -> dict[str, Any]:
    """Return identity, reference and number of trials of a new sweep, or of the one that goes on."""
    path = plan.folder / "sweep.json"
    there = read_json(path) if path.exists() else None
    if resume and anew:
        message = "--resume goes on with a sweep, --anew throws it away; give one of them"
        raise ParamsError(message)
    if resume:
        if there is None:
            message = f"{path}: there is no sweep to go on with; leave --resume away to begin one"
            raise ParamsError(message)
        changed = [name for name, value in plan.parts.items() if there["parts"][name] != value]
        if changed and not accept_changes:
            message = (
                f"{path}: since this sweep began its {' and '.join(changed)} changed, so that its trials cannot be "
                "compared with new ones; begin another one with --anew, or mix them with --accept-changes"
            )
            raise ParamsError(message)
        began = there["began"] | ({"trials": trials} if trials else {})
        write_json(path, {"began": began, "parts": plan.parts, "finished": False})
        return dict(began)
    if there is not None and not there["finished"] and not anew:
        message = f"{path}: an unfinished sweep is there; go on with --resume, or throw it away with --anew"
        raise ParamsError(message)
    if there is not None:
        end_run(there["began"]["identity"], experiment=_experiment(plan))
        path.unlink()
    if plan.folder.exists():
        shutil.rmtree(plan.folder)
    began = {"identity": uuid.uuid4().hex[:16], "reference": plan.reference, "trials": trials or plan.space.trials}
    write_json(path, {"began": began, "parts": plan.parts, "finished": False})
    return began


def _books(plan: SweepPlan) -> tuple[TrialLog, TrialLog]:
    path, searched = plan.folder / "optuna.db", distributions_of(plan.space)
    common: dict[str, Any] = {"seed": plan.space.seed, "metric": plan.metric}
    trials = TrialLog(path, "trial", distributions=searched, total=plan.space.trials, **common)
    return trials, TrialLog(path, "finalist", distributions=searched | {"seed": _SEEDS}, total=None, **common)


def _phase(plan: SweepPlan, book: TrialLog, mirror: "_Mirror", share: TrialResources) -> None:
    """Run the trials of a book that are left."""
    entries = book.entries()
    done = sum(entry.state != "running" for entry in entries)
    best = min((entry.best(plan.metric) for entry in entries if entry.state != "failed"), default=math.inf)
    with mirror.progress.phase(book.kind, total=done + book.left, done=done, best=best, epochs=plan.space.epochs):
        run_trials(
            book,
            plan.training,
            epochs=plan.space.epochs,
            share=share,
            on_change=mirror,
            halving=plan.space.halving if book.kind == "trial" else None,
        )


class _Mirror:
    """Show trials in the terminal and in MLflow as the book has them."""

    def __init__(self, plan: SweepPlan, run: Run) -> None:
        self.plan, self.sizes, self.progress = plan, Sizes(plan.training), SweepProgress(unit=plan.training.unit)
        self.children = ChildRuns(
            run,
            experiment=_experiment(plan),
            inputs=plan.inputs,
            tags={"stage": f"sweep {plan.name}", "profile": plan.profile, "pairs.md5": plan.inputs[0].md5},
        )
        self._behind = False

    def __call__(self, entry: TrialRecord) -> None:
        epoch = int(entry.rows[-1]["epoch"]) if entry.rows else 0
        label = self.plan.label(entry.choice)
        self.progress.show(entry.id, label, entry.state, epoch, entry.best(self.plan.metric), entry.error)
        if self._behind:
            return
        try:
            self._write(entry)
        except TrackingError as error:
            self._behind = True
            Console(stderr=True).print(f"{error}; runs are written at the end", markup=False)

    @contextlib.contextmanager
    def left_in_order(self, *books: TrialLog) -> Iterator[None]:
        """Let each run have its final state in the end, also those that a killed process has left behind."""
        self._write_all(books, running=None)
        try:
            yield
        except BaseException:
            with contextlib.suppress(TrackingError):
                self._write_all(books, running="KILLED")
            raise
        self._write_all(books, running=None)

    def _write_all(self, books: Sequence[TrialLog], *, running: str | None) -> None:
        """Bring all runs up to date.

        Parameters
        ----------
        running : state for the runs of unfinished trials, None leaves them alone
        """
        for entry in (entry for book in books for entry in book.entries()):
            if entry.state != "running" or running is not None:
                self._write(entry, ended=running if entry.state == "running" else None)

    def _write(self, entry: TrialRecord, *, ended: str | None = None) -> None:
        plan = self.plan
        ended = ended or _STATUS.get(entry.state)
        tags = {"role": entry.id.partition("-")[0], "seed": str(entry.seed)}
        tags |= {"tune.stopped_early": "true"} if entry.state == "stopped early" else {}
        tags |= {"error": entry.error[:500]} if entry.error else {}
        tags |= {"ray.node": entry.node} if entry.node else {}
        net = {name: value for name, value in plan.training.net.items() if name in ("num_blocks", "features")}
        params = net | {"max_epochs": plan.space.epochs, "batch_size": plan.training.batch_size} | entry.choice
        metrics = {}
        if entry.state != "running" and entry.rows:
            size = self.sizes.of(entry.choice)
            metrics = {
                f"best_{plan.metric}": entry.best(plan.metric),
                "parameters": size.parameters,
                "flop_per_lr_px": size.flop_per_lr_px,
                "seconds_per_epoch": entry.median("seconds"),
                "median_samples_per_second": entry.median("samples_per_second"),
            }
        self.children.update(
            entry.id,
            name=f"{entry.id}, {plan.label(entry.choice)}",
            params=params | {"seed": entry.seed},
            tags=tags,
            rows=entry.rows,
            ended=ended,
            metrics=metrics,
        )


def _experiment(plan: SweepPlan) -> str:
    return f"{EXPERIMENT}-{plan.name}"


def _log(run: Run, report: SweepReport, plan: SweepPlan) -> None:
    """Put the answer where people look first: on the page of the parent run."""
    for file in sorted(plan.results.iterdir()):
        run.log_file(file)
    run.log_tags({"mlflow.note.content": report.markdown()})
    run.log_numbers({"baseline": dict(report.baselines)})
    run.log_metrics({f"best_{plan.metric}": report.best["rmse"], "trials": len(report.trials)})
