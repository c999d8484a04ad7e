"""Measure how accurate super-resolution is on regions that no training has seen, and write docs/results.md.

Whole files are held back, fold by fold; all methods see the same pairs. Everything is kept in the work folder, so a
run that was stopped goes on where it was, and a second run only writes the report. The shipped net is trained on every
fold, then on everything; `--parts` chooses what else: `comparison` (nets at equal FLOP, several seeds) and `variants`
(what was tried on the development fold).

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
from protocol.scoring import Scene, block_mean_scene, closer_look, real_scene, score
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
    """Return what has to be trained, for a share of the operations that the protocol asks for."""
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
    """Return what a training is scored on: the files of the fold it holds back, and those that none trains on."""
    files = [region for region in regions.files if region.fold in (fold, NEVER_TRAINED)]
    scenes = [block_mean_scene(region.name, rasters[region.stem]) for region in files]
    lr_files = find_files(data, [pair.lr for pair in regions.real])
    return scenes + [real_scene(pair.name, lr_files[pair.lr], rasters[pair.hr]) for pair in regions.real]


def scored(
    job: Training | str, *, regions: Regions, rasters: dict[str, Path], data: Path, work: Path, threads: int
) -> str:
    """Write the scores of a training, or of a fold's baselines, unless that was done before, and return their name."""
    name, fold = (baselines_name(job), job) if isinstance(job, str) else (job.name, job.fold)
    path = scores_of(work, name)
    if not path.is_file():
        torch.set_num_threads(threads)
        scenes = scenes_of(regions, rasters, data, fold)
        pairs = PairFile(pairs_of(work, fold))
        write_json(path, of_baselines(pairs, scenes) if isinstance(job, str) else of_training(job, pairs, scenes, work))
    return name


def of_training(training: Training, pairs: PairFile, scenes: list[Scene], work: Path) -> dict[str, Any]:
    """Train, and return the scores by kind and region."""
    net = train(training, pairs, work)
    found = {"net": {scene.name: score(net, scene) for scene in scenes}}
    return found | (closer_look(net, scenes) if training.role == "product" else {})


def of_baselines(pairs: PairFile, scenes: list[Scene]) -> dict[str, Any]:
    """Return the scores, by method and region, of what needs no training or only a least-squares fit."""
    methods = baselines(pairs, linear_filter_size=LINEAR_SIZE, batch_size=64)
    return {name: {scene.name: score(method, scene) for scene in scenes} for name, method in methods.items()}


def main() -> None:
    """Run the protocol."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the rasters of protocol/regions.yaml")
    parser.add_argument("--work", type=Path, default=Path("work/accuracy"), help="what is kept between runs")
    parser.add_argument("--report", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time, which share the CPUs")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--ship", type=Path, help="folder to write the net that was trained on everything to")
    parser.add_argument("--share", type=float, default=1.0, help="of the training, to try the protocol itself")
    options = parser.parse_args()
    threads = max(1, len(os.sched_getaffinity(0)) // options.jobs)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # of the processes that are started
    regions = read_regions()
    rasters = harmonised(regions, options.data, options.work, processes=options.jobs)
    chosen = trainings(regions, ["product", *options.parts], share=options.share)
    given = {"regions": regions, "rasters": rasters, "data": options.data, "work": options.work}
    for fold in sorted({training.fold for training in chosen}):
        cut_training_pairs(regions, rasters, fold, options.work, processes=options.jobs)
    run = partial(scored, threads=threads, **given)
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
