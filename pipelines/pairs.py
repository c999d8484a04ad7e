"""Stage `pairs`: cut LR/HR pairs and split them by region."""

from functools import partial

from demsr.errors import PairsError, reported
from demsr.files import write_json
from demsr.pairs.build import build_pairs, plan_pairs
from demsr.pairs.cut import CutRule
from demsr.pairs.split import check_named_files, regions_of
from demsr.params import DOMAINS, Params


def main() -> None:
    """Write data/pairs/<domain>/{train,valid,test}.h5."""
    params = Params.read()
    pairs, plans, rules = params.pairs, {}, {}
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
            patch_lr=pairs.patch_lr, stride_hr=section.stride_hr, gap_lr=pairs.gap_lr,
            max_void_share=pairs.max_void_share, min_relief_m=pairs.min_relief_m,
        )  # fmt: skip
        splitter = partial(
            regions_of, method=section.split, quadrant_splits=section.quadrants, valid=section.valid,
            test=section.test, gap_lr=pairs.gap_lr, scale=rules[domain].scale,
        )  # fmt: skip
        plans[domain] = plan_pairs(rasters, splitter, domain=domain, scale_free=section.scale_free)
    everywhere = [region for plan in plans.values() for region in plan.all_regions()]
    summary = {
        domain: build_pairs(plans[domain], params.paths.pairs / domain, rules[domain], everywhere=everywhere)
        for domain in DOMAINS
    }
    write_json(params.paths.results / "pairs" / "summary.json", summary)


if __name__ == "__main__":
    with reported("pairs"):
        main()
