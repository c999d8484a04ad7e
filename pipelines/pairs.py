"""Stage `pairs`: cut LR/HR pairs from the harmonised rasters, or import published pairs."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from demsr.dem.read.gdal import raster_name
from demsr.errors import PairsError, reported
from demsr.options import DOMAINS, SPLITS, Domain
from demsr.pairs.build import PairPlan, build_pairs, plan_pairs, summary_metrics
from demsr.pairs.cut import CutRule
from demsr.pairs.degradations import FittedDegradation, RealLr, make_degradations
from demsr.pairs.degradations.real import describe_real_lr
from demsr.pairs.import_pairs import import_pairs
from demsr.pairs.split import check_held_out_files, split_raster
from demsr.params import Params
from demsr.runtime.files import write_json
from demsr.sources.manifest import InputFile, declared_for, read_manifest, verified_path
from demsr.tracking.runs import InputData, tracked_run

Manifest = dict[str, list[InputFile]]


def main() -> None:
    """Write data/pairs/<domain>/{train,valid,test}.h5."""
    params = Params.read()
    base, paths = params.base, params.paths
    work, results = paths.work / "pairs", paths.results / "pairs"
    listing = paths.raw / "inputs.json"
    with tracked_run(
        f"pairs {base.profile}",
        stage="pairs",
        profile=base.profile,
        seed=base.seed,
        params={"pairs": params.pairs.model_dump()},
        inputs=[InputData(listing, "listing")],
    ) as run:
        make_pairs = import_published if params.fetch.source == "pairs" else cut_rasters
        summary = make_pairs(params, read_manifest(listing), work)
        write_json(results / "summary.json", summary)
        run.log_file(results / "summary.json")
        run.log_file(paths.results / "fetch" / "provenance.json")
        run.log_numbers(summary_metrics({domain: summary[domain] for domain in DOMAINS}))
    shutil.rmtree(work, ignore_errors=True)


def cut_rasters(params: Params, manifest: Manifest, work: Path) -> dict[str, Any]:
    """Cut pairs from the harmonised rasters and return the summary."""
    overrides = params.declared_files()
    declared = {raster_name(entry.place): declared_for(entry.name, overrides, entry) for entry in manifest["lr"]}
    paths, tids = ([verified_path(entry) for entry in manifest[kind]] for kind in ("lr", "lr_tid"))
    real = describe_real_lr(paths, tids, vertical_datum=params.harmonise.lr.vertical_datum, declared=declared)
    plans = {domain: plan_domain(params, domain, real) for domain in DOMAINS}
    all_regions = [region for plan in plans.values() for region in plan.regions]
    summary: dict[str, Any] = {
        domain: build_pairs(
            plan,
            params.paths.pairs / domain,
            CutRule(**params.pairs.cut_options(domain)),
            all_regions=all_regions,
            work=work / domain,
            seed=params.base.seed,
            processes=params.base.processes,
            count=getattr(params.pairs, domain).count,
        )
        for domain, plan in plans.items()
    }
    return {**summary, "real LR": {lr.path.name: list(lr.assumptions) for lr in real}}


def plan_domain(params: Params, domain: Domain, real: Sequence[RealLr]) -> PairPlan:
    """Return the jobs of one domain."""
    section, folder = getattr(params.pairs, domain), params.paths.harmonised / domain
    rasters = sorted(folder.glob("[!.]*.tif"))
    if not rasters:
        message = f"{folder}: no raster; run `dvc repro harmonise`"
        raise PairsError(message)
    if section.split == "files":
        patterns = [*section.valid, *section.test]
        check_held_out_files([path.stem for path in rasters], patterns, where=f"params.yaml: pairs.{domain}")
    splitter = partial(split_raster, scale=CutRule.scale, **params.pairs.split_options(domain))
    fitted = FittedDegradation(**params.pairs.fitted.model_dump()) if params.pairs.fitted else None
    degradations = make_degradations(section.degradations, fitted=fitted, real=real)
    return plan_pairs(rasters, splitter, domain=domain, scale_free=section.scale_free, degradations=degradations)


def import_published(params: Params, manifest: Manifest, _: Path) -> dict[str, Any]:
    """Import published pairs and return the summary."""
    summary: dict[str, Any] = {domain: {} for domain in DOMAINS}
    for domain in DOMAINS:
        for split, entry in zip(SPLITS, manifest[domain], strict=True):
            options: dict[str, Any] = {"domain": domain, "split": split, "scaled_range_m": params.pairs.scaled_range_m}
            count = import_pairs(verified_path(entry), params.paths.pairs / domain / f"{split}.h5", **options)
            summary[domain][split] = {"pairs": count}
    return summary


if __name__ == "__main__":
    with reported("pairs"):
        main()
