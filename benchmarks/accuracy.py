"""Measure the accuracy of super-resolution on held-out regions and write docs/results.md.

Whole files are held out, fold by fold; all methods are trained on the same pairs. The work folder keeps all results, so
that a stopped run can be resumed and a second run only writes the report. The net that ships is trained once without
each fold, and once on all of them. `--parts` adds `comparison` (nets at equal FLOP, several seeds) and `variants` (one
change each, on the development fold).

    python benchmarks/accuracy.py --data FOLDER --jobs 2
"""

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from protocol.methods import COMPARED, OURS, VARIANTS
from protocol.pictures import draw_regions
from protocol.regions import (
    EVERYTHING,
    NEVER_TRAINED,
    Regions,
    cut_training_pairs,
    find_files,
    harmonised,
    pairs_of,
    read_regions,
)
from protocol.report import write_report
from protocol.results import Results, baselines_name, scores_of
from protocol.scoring import Scene, block_mean_scene, product_scores, real_scene, score
from protocol.shipping import ship
from protocol.training import Training, train
from rich.console import Console

from demsr.errors import reported
from demsr.evaluation.methods import baselines
from demsr.pairs.pair_file import PairFile
from demsr.runtime.files import write_json
from demsr.runtime.processes import parallel_map

PRODUCT_TFLOP, COMPARISON_TFLOP = 60.0, 16.0
SEEDS = (0, 1, 2)
LINEAR_SIZE = 7
PARTS = ("comparison", "variants")  # beside the product


def trainings(regions: Regions, parts: Sequence[str], *, share: float) -> list[Training]:
    """Return the trainings of some parts of the protocol, with a share of its floating-point operations."""
    product, comparison = share * PRODUCT_TFLOP, share * COMPARISON_TFLOP
    of_part = {
        "product": [Training("product", OURS, fold, 0, product) for fold in (*regions.folds, EVERYTHING)],
        "comparison": [
            Training("comparison", method, regions.comparison_fold, seed, comparison)
            for seed in SEEDS
            for method in COMPARED
        ],
        "variants": [
            Training("variants", method, regions.development_fold, 0, comparison) for method in (OURS, *VARIANTS)
        ],
    }
    return [training for part in parts for training in of_part[part]]


def scenes_of(regions: Regions, rasters: dict[str, Path], data: Path, fold: str) -> list[Scene]:
    """Return the scenes that a training is scored on: the held-out fold, the fold `test`, and the true pairs."""
    files = [region for region in regions.files if region.fold in (fold, NEVER_TRAINED)]
    scenes = [block_mean_scene(region.name, rasters[region.stem]) for region in files]
    lr_files = find_files(data, [pair.lr for pair in regions.real])
    return scenes + [real_scene(pair.name, lr_files[pair.lr], rasters[pair.hr]) for pair in regions.real]


def run_job(
    job: Training | str, *, regions: Regions, rasters: dict[str, Path], data: Path, work: Path, threads: int
) -> str:
    """Score a training, or the baselines of a fold, unless that was done before, and return the name of the scores."""
    name, fold = (baselines_name(job), job) if isinstance(job, str) else (job.name, job.fold)
    path = scores_of(work, name)
    if not path.is_file():
        torch.set_num_threads(threads)
        scenes = scenes_of(regions, rasters, data, fold)
        pairs = PairFile(pairs_of(work, fold))
        write_json(
            path, score_baselines(pairs, scenes) if isinstance(job, str) else score_training(job, pairs, scenes, work)
        )
    return name


def score_training(training: Training, pairs: PairFile, scenes: list[Scene], work: Path) -> dict[str, Any]:
    """Train a net and return its scores by kind and region."""
    net = train(training, pairs, work)
    found = {"net": {scene.name: score(net, scene) for scene in scenes}}
    return found | (product_scores(net, scenes) if training.role == "product" else {})


def score_baselines(pairs: PairFile, scenes: list[Scene]) -> dict[str, Any]:
    """Return the scores of the baselines by method and region."""
    methods = baselines(pairs, linear_filter_size=LINEAR_SIZE, batch_size=64)
    return {name: {scene.name: score(method, scene) for scene in scenes} for name, method in methods.items()}


def main() -> None:
    """Run the protocol."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the rasters of protocol/regions.yaml")
    parser.add_argument("--work", type=Path, default=Path("work/accuracy"), help="folder that is kept between runs")
    parser.add_argument("--report", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--jobs", type=int, default=1, help="trainings that run at the same time and share the CPUs")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--ship", type=Path, help="model folder to write the net to that was trained on all folds")
    parser.add_argument("--share", type=float, default=1.0, help="share of the training steps, to try the protocol")
    options = parser.parse_args()
    threads = max(1, len(os.sched_getaffinity(0)) // options.jobs)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # inherited by worker processes
    regions = read_regions()
    rasters = harmonised(regions, options.data, options.work, processes=options.jobs)
    chosen = trainings(regions, ["product", *options.parts], share=options.share)
    given = {"regions": regions, "rasters": rasters, "data": options.data, "work": options.work}
    for fold in sorted({training.fold for training in chosen}):
        cut_training_pairs(regions, rasters, fold, options.work, processes=options.jobs)
    run = partial(run_job, threads=threads, **given)
    jobs: list[Training | str] = [*chosen, *dict.fromkeys(training.fold for training in chosen)]
    for name in parallel_map(run, jobs, processes=options.jobs, description="train and score"):
        Console().print(f"scored: {name}")
    results = Results(regions, chosen, options.work)
    draw_regions(options.report.parent / "pictures" / "accuracy.png", results, rasters, options.data)
    write_report(options.report, results)
    if options.ship:
        ship(results, options.ship)


if __name__ == "__main__":
    with reported("accuracy"):
        main()
