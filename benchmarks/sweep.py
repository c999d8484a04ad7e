"""Measure `python sweeps/resblocks.py` as a whole command: time, memory, workers, overhead, going on after kills.

Needs the pairs and models of `dvc repro`; works on a copy of them. Exits with 1 if a sweep that was killed differs from
an unbroken one. Takes half an hour on two CPU cores.

    python benchmarks/sweep.py
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from mlflow import MlflowClient
from rich.console import Console

from demsr.errors import reported
from demsr.runtime.files import read_json, write_text
from demsr.search.sweep_plan import read_plan
from demsr.search.trial import train_trial

ROOT = Path(__file__).resolve().parent.parent
ALONE = ("--max-concurrent", "1", "--no-halving")


@dataclass(frozen=True)
class Sweep:
    """What a sweep took and found."""

    folder: Path
    seconds: float
    peak_bytes: int

    @property
    def report(self) -> dict[str, Any]:
        """The verdict as it was written."""
        return dict(read_json(self.folder / "results/sweeps/resblocks/verdict.json"))

    @property
    def trials(self) -> int:
        """How many trials were run, finalists included."""
        return len(self.report["trials"])

    @property
    def trials_per_hour(self) -> float:
        """Of whole sweeps: starting and reporting included."""
        return 3600 * self.trials / self.seconds

    def ranking(self) -> list[int]:
        """Return the depths by the best error among their searched trials."""
        best: dict[int, float] = {}
        for row in self.report["trials"]:
            if row["role"] == "trial" and row["rmse"] is not None:
                depth = int(row["num_blocks"])
                best[depth] = min(row["rmse"], best.get(depth, float("inf")))
        return sorted(best, key=lambda depth: best[depth])


def project(folder: Path) -> Path:
    """Copy what a sweep needs."""
    folder.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("sweeps", "data/pairs", "models/pretrained"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a sweep."""
    environment = os.environ | {"DVC_ROOT": str(folder), "RAY_AUTH_MODE": "disabled"}
    return subprocess.Popen(
        [sys.executable, "sweeps/resblocks.py", *words], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )


def measured(folder: Path, *words: str) -> Sweep:
    """Run a sweep to its end and look at the memory of its processes twice a second."""
    begun, peak, process = time.monotonic(), 0, start(project(folder), *words)
    while process.poll() is None:
        peak = max(peak, memory_of(process.pid))
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(process.returncode)
    return Sweep(folder, time.monotonic() - begun, peak)


def memory_of(pid: int) -> int:
    """Return the memory of a process and its children, shared pages counted once among those who share them."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            total += process.memory_full_info().pss
    except psutil.Error:
        return total
    return total


def killed(folder: Path, *, seconds: float, kills: int, seed: int) -> tuple[Sweep, list[str]]:
    """Run a sweep that is killed at random moments; return it and what was under way each time."""
    begun, draw, states = time.monotonic(), random.Random(seed), []
    process = start(project(folder), *ALONE)
    known: dict[str, str] = {}
    for _ in range(kills):
        wait = draw.uniform(0.08, 1.6 / kills) * seconds
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
            process.wait()
            psutil.wait_procs(family, timeout=60)
        else:
            break
        runs = runs_of(folder)
        changed = [name for name, run_id in known.items() if runs.get(name) != run_id]
        if changed:
            sys.exit(f"runs were lost or doubled: {changed}")
        known = runs
        states.append(f"{len(runs)} runs after {wait:.0f} s")
        process = start(folder, *ALONE, "--resume")
    if process.wait():
        raise SystemExit(process.returncode)
    return Sweep(folder, time.monotonic() - begun, 0), states


def found_runs(folder: Path) -> list[Any]:
    """Return all runs of a sweep, its parent included."""
    if not (folder / "mlflow.db").exists():
        return []
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("dem-srnet-resblocks")
    return list(client.search_runs([experiment.experiment_id], max_results=1000)) if experiment else []


def runs_of(folder: Path) -> dict[str, str]:
    """Return the ids of the runs by their names; exit if a name comes twice."""
    runs = found_runs(folder)
    names = [str(run.info.run_name) for run in runs]
    if len(names) != len(set(names)):
        sys.exit(f"runs were doubled: {sorted(names)}")
    return {str(run.info.run_name): str(run.info.run_id) for run in runs}


def unfinished(run: Any) -> bool:
    """Tell whether a run was left in another state than it should be."""
    return bool(run.info.status != "FINISHED")


def differences(one: Sweep, other: Sweep) -> list[str]:
    """Return in what two sweeps differ, apart from the time that they took."""

    def plain(sweep: Sweep) -> list[dict[str, Any]]:
        timed = ("seconds_per_epoch", "samples_per_second")
        return [{key: value for key, value in row.items() if key not in timed} for row in sweep.report["trials"]]

    found = [f"{a['trial_id']}: {a} and {b}" for a, b in zip(plain(one), plain(other), strict=False) if a != b]
    if one.trials != other.trials:
        found.append(f"{one.trials} and {other.trials} trials")
    if runs_of(one.folder).keys() != runs_of(other.folder).keys():
        found.append("runs in MLflow")
    found += [f"{run.info.run_name} is {run.info.status}" for run in found_runs(other.folder) if unfinished(run)]
    if one.report["changes"] != other.report["changes"]:
        found.append("the best choice")
    return found


def bare_seconds(sweep: Sweep) -> float:
    """Train all choices of a sweep without Ray, one after the other in one process, and return the time."""
    words = [sys.executable, __file__, "--bare", str(sweep.folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=sweep.folder)
    return float(done.stdout.strip().splitlines()[-1])


def train_bare(folder: Path) -> None:
    """Train the choices of a sweep and print the seconds, imports not counted."""
    report = read_json(folder / "results/sweeps/resblocks/verdict.json")
    plan = read_plan("resblocks", "pretrain", folder / "sweeps/resblocks.yaml")
    begun = time.monotonic()
    for row in report["trials"]:
        choice = {"num_blocks": row["num_blocks"], "learning_rate": row["learning_rate"]}
        train_trial(plan.training, f"bare-{row['trial_id']}", choice, seed=row["seed"], threads=1, on_epoch=len)
    print(time.monotonic() - begun)  # noqa: T201


def main() -> None:
    """Measure all, write docs/sweeps-measured.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare is not None:
        train_bare(arguments.bare)
        return
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        default = measured(work / "default")
        console.print(f"default: {default.seconds:.0f} s")
        full = measured(work / "full", "--no-halving")
        console.print(f"without halving: {full.seconds:.0f} s")
        alone = measured(work / "alone", *ALONE)
        console.print(f"one worker: {alone.seconds:.0f} s")
        bare = bare_seconds(alone)
        console.print(f"bare: {bare:.0f} s")
        broken, moments = killed(work / "killed", seconds=alone.seconds, kills=arguments.kills, seed=arguments.seed)
        found = differences(alone, broken)
        write_text(ROOT / "docs/sweeps-measured.md", page(default, full, alone, bare, broken, moments, found))
    console.print("\n".join(found) or "killed and unbroken sweeps are the same")
    if found:
        raise SystemExit(1)


def page(
    default: Sweep, full: Sweep, alone: Sweep, bare: float, broken: Sweep, moments: list[str], found: list[str]
) -> str:
    """Return the document."""
    pretrained = read_json(ROOT / "results/pretrain/metrics.json")["valid_rmse_m"]
    best, overhead = default.report["best"], (alone.seconds - bare) / alone.trials
    rows = [
        (f"as it comes, {os.cpu_count()} workers, halving", default),
        (f"{os.cpu_count()} workers, all to the end", full),
        ("1 worker, all to the end", alone),
    ]
    table = "\n".join(
        f"| {name} | {one.trials} | {one.seconds:.0f} | {one.trials_per_hour:.0f} | {one.peak_bytes / 1e9:.2f} |"
        for name, one in rows
    )
    sweep = json.dumps(found) if found else "none"
    return f"""# What a sweep costs

Written by `python benchmarks/sweep.py` on {os.cpu_count()} CPU cores ({platform.machine()}). The sample, whole
commands: start of Python and Ray, baselines and report included. Memory is that of all processes together.

| sweep | trials | seconds | trials per hour | peak GB |
| --- | --: | --: | --: | --: |
{table}

- Best finalist: {best["num_blocks"]:.0f} ResBlocks at {best["learning_rate"]:.3g}, {best["rmse"]:.2f} m,
  the mean of its seeds; `dvc repro` with params.yaml as it comes: {pretrained:.2f} m.
- The same {alone.trials} trainings without Ray, one after the other in one process: {bare:.0f} s. The sweep with one
  worker took {overhead:+.1f} s for each of them in comparison, {100 * (alone.seconds - bare) / bare:+.0f} %.
- Depths by the best error of their searched trials, with halving: {default.ranking()}; without: {full.ranking()}.
- {len(moments)} kills with signal 9 at random moments, resumed each time ({"; ".join(moments)}):
  {broken.seconds:.0f} s. Differences from the unbroken sweep in trials, choices, errors, runs and best choice: {sweep}.
"""


if __name__ == "__main__":
    with reported("sweep"):
        main()
