"""Measure the whole command `python sweeps/resblocks.py`: time, memory, workers, overhead, resuming after kills.

It needs the pairs and models of `dvc repro` and works on a copy of them. It exits with 1 if a killed and resumed sweep
differs from an unbroken one. It takes half an hour on two CPU cores.

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

from demsr.cli.sweep_config import read_plan
from demsr.errors import reported
from demsr.runtime.files import read_json, write_text
from demsr.search.trial import train_trial

ROOT = Path(__file__).resolve().parent.parent
ALONE = ("--max-concurrent", "1", "--no-halving")


@dataclass(frozen=True)
class Sweep:
    """Duration, memory and results of a sweep."""

    folder: Path
    seconds: float
    peak_bytes: int

    @property
    def report(self) -> dict[str, Any]:
        """Content of verdict.json."""
        return dict(read_json(self.folder / "results/sweeps/resblocks/verdict.json"))

    @property
    def trials(self) -> int:
        """Number of trials, finalists included."""
        return len(self.report["trials"])

    @property
    def trials_per_hour(self) -> float:
        """Trials per hour, with start and report of the sweep."""
        return 3600 * self.trials / self.seconds

    def ranking(self) -> list[int]:
        """Return the depths in ascending order of the lowest RMSE of their searched trials."""
        best: dict[int, float] = {}
        for row in self.report["trials"]:
            if row["role"] == "trial" and row["rmse"] is not None:
                depth = int(row["model.num_blocks"])
                best[depth] = min(row["rmse"], best.get(depth, float("inf")))
        return sorted(best, key=lambda depth: best[depth])


def project(folder: Path) -> Path:
    """Copy configuration, pairs and the pretrained model to a new folder."""
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
    """Run a sweep to its end and sample the memory of its processes twice a second."""
    begun, peak, process = time.monotonic(), 0, start(project(folder), *words)
    while process.poll() is None:
        peak = max(peak, memory_of(process.pid))
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(process.returncode)
    return Sweep(folder, time.monotonic() - begun, peak)


def memory_of(pid: int) -> int:
    """Return the memory of a process and its children in bytes, shared pages divided among their users."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            total += process.memory_full_info().pss
    except psutil.Error:
        return total
    return total


def killed(folder: Path, *, seconds: float, kills: int, seed: int) -> tuple[Sweep, list[str]]:
    """Run a sweep and kill it at random moments; return it and a description of each kill."""
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
            sys.exit(f"runs were lost or duplicated: {changed}")
        known = runs
        states.append(f"{len(runs)} runs after {wait:.0f} s")
        process = start(folder, *ALONE, "--resume")
    if process.wait():
        raise SystemExit(process.returncode)
    return Sweep(folder, time.monotonic() - begun, 0), states


def all_runs(folder: Path) -> list[Any]:
    """Return all runs of a sweep, the parent run included."""
    if not (folder / "mlflow.db").exists():
        return []
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("dem-srnet-resblocks")
    return list(client.search_runs([experiment.experiment_id], max_results=1000)) if experiment else []


def runs_of(folder: Path) -> dict[str, str]:
    """Return the ids of the runs by name; exit if a name is not unique."""
    runs = all_runs(folder)
    names = [str(run.info.run_name) for run in runs]
    if len(names) != len(set(names)):
        sys.exit(f"runs were duplicated: {sorted(names)}")
    return {str(run.info.run_name): str(run.info.run_id) for run in runs}


def differences(unbroken: Sweep, broken: Sweep) -> list[str]:
    """Describe the differences between two sweeps, times and speeds excluded."""

    def untimed(sweep: Sweep) -> list[dict[str, Any]]:
        timed = ("seconds_per_epoch", "samples_per_second")
        return [{key: value for key, value in row.items() if key not in timed} for row in sweep.report["trials"]]

    rows = zip(untimed(unbroken), untimed(broken), strict=False)
    different = [f"{first['trial_id']}: {first} and {second}" for first, second in rows if first != second]
    if unbroken.trials != broken.trials:
        different.append(f"{unbroken.trials} and {broken.trials} trials")
    if runs_of(unbroken.folder).keys() != runs_of(broken.folder).keys():
        different.append("runs in MLflow")
    states = [(run.info.run_name, run.info.status) for run in all_runs(broken.folder)]
    different += [f"{name} is {status}" for name, status in states if status != "FINISHED"]
    if unbroken.report["changes"] != broken.report["changes"]:
        different.append("the best candidate")
    return different


def bare_seconds(sweep: Sweep) -> float:
    """Train all candidates of a sweep without Ray, in sequence in one process, and return the seconds."""
    words = [sys.executable, __file__, "--bare", str(sweep.folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=sweep.folder)
    return float(done.stdout.strip().splitlines()[-1])


def train_bare(folder: Path) -> None:
    """Train the candidates of a sweep and print the seconds, imports excluded."""
    report = read_json(folder / "results/sweeps/resblocks/verdict.json")
    plan = read_plan(folder / "sweeps/resblocks.yaml")
    begun = time.monotonic()
    for row in report["trials"]:
        candidate = {path: row[path] for path in report["paths"]}
        train_trial(plan.setup, f"bare-{row['trial_id']}", candidate, seed=row["seed"], threads=1, on_epoch=len)
    print(time.monotonic() - begun)  # noqa: T201


def main() -> None:
    """Measure all sweeps and write docs/sweeps-measured.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5, help="number of kills")
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments of the kills")
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
        different = differences(alone, broken)
        write_text(ROOT / "docs/sweeps-measured.md", page(default, full, alone, bare, broken, moments, different))
    console.print("\n".join(different) or "killed and unbroken sweeps are the same")
    if different:
        raise SystemExit(1)


def page(
    default: Sweep, full: Sweep, alone: Sweep, bare: float, broken: Sweep, moments: list[str], different: list[str]
) -> str:
    """Return the document."""
    pretrained = read_json(ROOT / "results/pretrain/metrics.json")["valid_rmse_m"]
    best, overhead = default.report["best"], (alone.seconds - bare) / alone.trials
    rows = [
        (f"default: {os.cpu_count()} workers, halving", default),
        (f"{os.cpu_count()} workers, no halving", full),
        ("1 worker, no halving", alone),
    ]
    table = "\n".join(
        f"| {name} | {run.trials} | {run.seconds:.0f} | {run.trials_per_hour:.0f} | {run.peak_bytes / 1e9:.2f} |"
        for name, run in rows
    )
    return f"""# What a sweep costs

Written by `python benchmarks/sweep.py` on {os.cpu_count()} CPU cores ({platform.machine()}), with the sample.
Times are those of the whole command: they include the start of Python and Ray, the baselines and the report. Memory
is the sum over all processes.

| sweep | trials | seconds | trials per hour | peak GB |
| --- | --: | --: | --: | --: |
{table}

- Best finalist: {best["model.num_blocks"]} ResBlocks at {best["pretrain.learning_rate"]:.3g}, {best["rmse"]:.2f} m,
  the mean of its seeds; `dvc repro` with the default params.yaml: {pretrained:.2f} m.
- The same {alone.trials} trainings without Ray, in sequence in one process: {bare:.0f} s. The sweep with one
  worker takes {overhead:+.1f} s per training in comparison, {100 * (alone.seconds - bare) / bare:+.0f} %.
- Depths in ascending order of the lowest RMSE of their searched trials, with halving: {default.ranking()};
  without: {full.ranking()}.
- {len(moments)} kills with signal 9 at random moments, each followed by `--resume` ({"; ".join(moments)}):
  {broken.seconds:.0f} s. Differences from the unbroken sweep in trials, candidates, RMSE, runs and best candidate:
  {json.dumps(different) if different else "none"}.
"""


if __name__ == "__main__":
    with reported("sweep"):
        main()
