"""Stage `pairs`: cut LR/HR pairs and split them by region, or take over pairs that others have made."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from demsr.dem.read.gdal import raster_name
from demsr.errors import PairsError, reported
from demsr.options import DOMAINS, SPLITS
from demsr.pairs.adopt import adopt_pairs
from demsr.pairs.build import Degradations, build_pairs, headlines, plan_pairs
from demsr.pairs.cut import CutRule
from demsr.pairs.fitted import DegradationModel
from demsr.pairs.region_pairs import lr_files
from demsr.pairs.split import check_named_files, regions_of
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
        make = taken_over if params.fetch.source == "pairs" else cut
        summary = make(params, read_manifest(listing), work)
        write_json(results / "summary.json", summary)
        run.log_file(results / "summary.json")
        run.log_file(paths.results / "fetch" / "provenance.json")
        run.log_numbers(headlines({domain: summary[domain] for domain in DOMAINS}))
    shutil.rmtree(work, ignore_errors=True)


def cut(params: Params, manifest: Manifest, work: Path) -> dict[str, Any]:
    """Cut pairs out of the harmonised rasters."""
    pairs, plans, rules = params.pairs, {}, {}
    overrides = params.declared_files()
    declared = {raster_name(entry.place): declared_for(entry.name, overrides, entry) for entry in manifest["lr"]}
    lr = lr_files(
        *(list(map(verified_path, manifest[kind])) for kind in ("lr", "lr_tid")),
        vertical_datum=params.harmonise.lr.vertical_datum,
        declared=declared,
    )
    for domain in DOMAINS:
        section = getattr(pairs, domain)
        rasters = sorted((params.paths.harmonised / domain).glob("[!.]*.tif"))
        if not rasters:
            message = f"{params.paths.harmonised / domain}: no raster; run `dvc repro harmonise`"
            raise PairsError(message)
        if section.split == "files":
            named = [*section.valid, *section.test]
            check_named_files([path.stem for path in rasters], named, where=f"params.yaml: pairs.{domain}")
        rules[domain] = CutRule(
            patch_lr=pairs.patch_lr,
            stride_hr=section.stride_hr,
            gap_lr=pairs.gap_lr,
            max_void_share=pairs.max_void_share,
            min_relief_m=pairs.min_relief_m,
        )
        splitter = partial(
            regions_of,
            method=section.split,
            quadrant_splits=section.quadrants,
            valid=section.valid,
            test=section.test,
            gap_lr=pairs.gap_lr,
            scale=rules[domain].scale,
        )
        model = DegradationModel(**pairs.fitted.model_dump()) if pairs.fitted else None
        degradations = Degradations(kinds=section.degradations, model=model, lr_files=lr)
        plans[domain] = plan_pairs(
            rasters, splitter, domain=domain, scale_free=section.scale_free, degradations=degradations
        )
    everywhere = [region for plan in plans.values() for region in plan.regions]
    summary = {
        domain: build_pairs(
            plans[domain],
            params.paths.pairs / domain,
            rules[domain],
            everywhere=everywhere,
            work=work / domain,
            seed=params.base.seed,
            processes=params.base.processes,
            count=getattr(pairs, domain).count,
        )
        for domain in DOMAINS
    }
    return {**summary, "real LR": {file.path.name: list(file.assumptions) for file in lr}}


def taken_over(params: Params, manifest: Manifest, _: Path) -> dict[str, Any]:
    """Bring pairs that others have made into the layout of demsr."""
    return {
        domain: {
            split: {
                "pairs": adopt_pairs(
                    verified_path(entry),
                    params.paths.pairs / domain / f"{split}.h5",
                    domain=domain,
                    split=split,
                    scaled_range_m=params.pairs.scaled_range_m,
                )
            }
            for split, entry in zip(SPLITS, manifest[domain], strict=True)
        }
        for domain in DOMAINS
    }


if __name__ == "__main__":
    with reported("pairs"):
        main()
