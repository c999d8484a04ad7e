"""Measure the accuracy of super-resolution on held-out places and write docs/results.md.

Whole files are held out, fold by fold; each place is scored by nets that were not trained on it. The model that ships
has a net for each operator. Those for the land of GEBCO and for block means are trained once without each fold, and
once on everything; that for unknown grids is trained on degradations drawn at random, then fine-tuned on true pairs at
sea, once without each place. The work folder keeps all results, so that a stopped run can be resumed and a second run
only writes the report. Beside `folds`, `--parts` names `comparison` (nets at equal FLOP, several seeds) and `variants`
(one change each, on the development fold); without a word it trains only the nets that ship.

    python benchmarks/accuracy.py --data FOLDER --jobs 2
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from protocol.calibration import held_out
from protocol.methods import COMPARED, OURS, VARIANTS
from protocol.patches import CLEAN, BlindSource, Patches, RasterSource, SceneSource, Source, whole_pairs
from protocol.pictures import draw_places
from protocol.places import Nets, Place, all_places, scene_of
from protocol.regions import EVERYTHING, NEVER_TRAINED, Regions, find_files, harmonised, read_regions, training_rasters
from protocol.report import SYNTHETIC, write_report
from protocol.results import Results, scores_of
from protocol.scenes import Scene, survey_scene
from protocol.scoring import BICUBIC, baselines, fit_linear, method, product, score, synthetic_errors
from protocol.shipping import ship
from protocol.training import Training, is_trained, patches_of_epoch, train
from rich.console import Console
from safetensors.torch import load_file, save_file

from demsr.dem.dem import Dem
from demsr.dem.read.identity import LAND_SIGMA_M
from demsr.errors import reported
from demsr.model.baselines import LinearFilter
from demsr.model.coast import SEA_LEVEL_M
from demsr.pairs.degradations.blind import Blind
from demsr.runtime.files import atomic_write, read_json, write_json
from demsr.runtime.processes import parallel_map

PRODUCT_TFLOP = {"gebco": 750.0, "mean": 300.0}
FOLD_TFLOP = {"gebco": 200.0, "mean": 200.0}  # of the nets that are scored in their place
BLIND_TFLOP, FINE_TUNING_TFLOP, COMPARISON_TFLOP = 90.0, 30.0, 16.0
SEEDS = (0, 1)
PARTS = ("folds", "comparison", "variants")
_GEBCO_SHARES = {
    LAND_SIGMA_M: 0.7,
    100.0: 0.15,
    50.0: 0.15,
}  # by Gaussian in metres; other sources than SRTM are sharper
_MEAN_SHARES = {"land": 0.55, "finer": 0.2, "marine": 0.25}  # of the patches with block means
_REAL_SHARE, _CLEAN_SHARE = 0.5, 0.25  # of the patches of fine-tuning


def trainings(regions: Regions, parts: Sequence[str], *, share: float) -> list[Training]:
    """Return the trainings of some parts of the protocol, those that others start from first.

    Parameters
    ----------
    regions : regions of the protocol
    parts : beside the nets that ship: "folds", "comparison" and "variants"
    share : of the floating-point operations of the protocol
    """
    folds, places = [EVERYTHING], [EVERYTHING]
    if "folds" in parts:
        folds, places = folds + regions.folds, places + regions.places_at_sea
    blind = Training("product", OURS, "blind", EVERYTHING, 0, share * BLIND_TFLOP)
    chosen = [
        Training(
            "product", OURS, operator, fold, 0, share * (PRODUCT_TFLOP if fold == EVERYTHING else FOLD_TFLOP)[operator]
        )
        for operator in PRODUCT_TFLOP
        for fold in folds
    ]
    tuned = [Training("product", OURS, "blind", place, 0, share * FINE_TUNING_TFLOP, blind) for place in places]
    comparison, fold = share * COMPARISON_TFLOP, regions.comparison_fold
    if "comparison" in parts:
        chosen += [
            Training("comparison", method, "gebco", fold, seed, comparison) for seed in SEEDS for method in COMPARED
        ]
    if "variants" in parts:
        chosen += [
            Training("variants", method, "gebco", regions.development_fold, 0, comparison)
            for method in (OURS, *VARIANTS)
        ]
    return [blind, *chosen, *tuned]


def patches_of(training: Training, regions: Regions, rasters: dict[str, Path], data: Path) -> Patches:
    """Return the training patches of a training.

    Parameters
    ----------
    training : what is trained
    regions : regions of the protocol
    rasters : harmonised rasters by name
    data : folder of the true pairs
    """

    def read(*domains: str, fold: str = training.fold) -> list[Dem]:
        return training_rasters(regions, rasters, fold, domains)

    sources: dict[Source, float]
    if training.operator == "gebco":
        land = read("land")
        sources = {RasterSource(land, "gebco", sigma_m=sigma_m): share for sigma_m, share in _GEBCO_SHARES.items()}
    elif training.operator == "mean":
        sources = {RasterSource(read(domain), "mean"): share for domain, share in _MEAN_SHARES.items()}
    elif training.start is None:
        sources = {BlindSource(read("land"), Blind()): 1.0}
    else:
        land = read("land", fold=EVERYTHING)
        pairs = [
            pair for pair in regions.real if pair.kind == "sea" and pair.fold not in (training.fold, NEVER_TRAINED)
        ]
        files = find_files(data, [name for pair in pairs for name in (pair.lr, pair.hr)])
        scenes = [_at_sea(survey_scene(one.name, files[one.lr], files[one.hr], at_sea=True)) for one in pairs]
        sources = {
            SceneSource(scenes): _REAL_SHARE,
            BlindSource(land, CLEAN): _CLEAN_SHARE,
            BlindSource(land, Blind()): 1 - _REAL_SHARE - _CLEAN_SHARE,
        }
    return Patches(sources, count=patches_of_epoch(), seed=training.seed)


def _at_sea(scene: Scene) -> Scene:
    """Return a scene as the net for the sea floor sees it, with land at 0 m."""
    return replace(scene, lr=np.minimum(scene.lr, np.float32(SEA_LEVEL_M)))


def run_training(
    training: Training, *, regions: Regions, rasters: dict[str, Path], data: Path, work: Path, threads: int
) -> str:
    """Train, unless that was done before, and return the name of the training."""
    if not is_trained(training, work):
        torch.set_num_threads(threads)
        train(training, patches_of(training, regions, rasters, data), work)
    return training.name


def score_place(
    place: Place,
    *,
    nets: Nets,
    rasters: dict[str, Path],
    files: dict[str, Path],
    threads: int,
) -> str:
    """Score all methods at a place, unless that was done before, and return its name."""
    path = scores_of(nets.work, place.name)
    found = read_json(path) if path.is_file() else {}
    compared = [one for one in nets.compared if one.fold == place.fold] if place.kind == "srtm" else []
    if not {OURS, *(one.name for one in compared)} <= set(found):
        torch.set_num_threads(threads)
        scene = scene_of(place, rasters, files)
        linear = None if place.kind in ("sea", "land") else fitted_linear(place, nets, rasters)
        methods = baselines(place.kind, linear) | {OURS: product(nets.model_for(place), scene)}
        methods |= {one.name: method(nets.coast(nets.read(one), place)) for one in compared}
        write_json(path, {name: score(run, scene) for name, run in methods.items() if name not in found} | found)
    return place.name


def fitted_linear(place: Place, nets: Nets, rasters: dict[str, Path]) -> LinearFilter:
    """Return the linear baseline, fitted to the rasters that the net of a place was trained on."""
    operator = "mean" if place.kind == "block mean" else "gebco"
    fold = nets.held_out(place)
    path = nets.work / "linear" / f"{operator}, fold {fold}.safetensors"
    if not path.is_file():
        domains = tuple(_MEAN_SHARES) if operator == "mean" else ("land",)
        fitted = fit_linear(whole_pairs(training_rasters(nets.regions, rasters, fold, domains), operator))
        with atomic_write(path) as temporary:
            save_file({"weight": fitted.weight}, temporary)
    return LinearFilter(load_file(path)["weight"])


def main() -> None:
    """Run the protocol."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the rasters of protocol/regions.yaml")
    parser.add_argument("--work", type=Path, default=Path("work/accuracy"), help="folder that is kept between runs")
    parser.add_argument("--report", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--ship", type=Path, help="folder to write the model to")
    parser.add_argument("--jobs", type=int, default=1, help="trainings that run at the same time and share the CPUs")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--share", type=float, default=1.0, help="share of the training steps, to try the protocol")
    options = parser.parse_args()
    threads = max(1, len(os.sched_getaffinity(0)) // options.jobs)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # inherited by worker processes
    regions = read_regions()
    rasters = harmonised(regions, options.data, options.work, processes=options.jobs)
    given = {"regions": regions, "rasters": rasters, "data": options.data, "work": options.work}
    run = partial(run_training, threads=threads, **given)
    chosen = trainings(regions, options.parts, share=options.share)
    for jobs in ([one for one in chosen if not one.start], [one for one in chosen if one.start]):
        for name in parallel_map(run, jobs, processes=options.jobs, description="train"):
            Console().print(f"trained: {name}")
    if "folds" not in options.parts:
        return  # places can be scored only by nets that were not trained on them
    files = find_files(options.data, [name for pair in regions.real for name in (pair.lr, pair.hr)])
    nets = Nets(regions, chosen, options.work)
    places = all_places(regions)
    scoring = partial(score_place, nets=nets, rasters=rasters, files=files, threads=threads)
    for name in parallel_map(scoring, places, processes=options.jobs, description="score"):
        Console().print(f"scored: {name}")
    models = {
        OURS: nets.coast(nets.read(nets.land[EVERYTHING]), places[0]),
        "ours, mean": nets.read(nets.mean[EVERYTHING]),
    }
    runs = {BICUBIC: baselines("block mean", None)[BICUBIC]} | {name: method(net) for name, net in models.items()}
    write_json(scores_of(options.work, SYNTHETIC), synthetic_errors(runs))
    results = Results(regions, chosen, options.work)
    draw_places(options.report.parent / "pictures" / "accuracy.png", nets, places, rasters, files)
    write_report(options.report, results)
    if options.ship:
        ship(results, nets, held_out(nets, places, rasters, files), options.ship)


if __name__ == "__main__":
    with reported("accuracy"):
        main()
