"""Write the net that was trained on all folds into the package, with its model card."""

from pathlib import Path

import numpy as np

from demsr.model.checkpoint import CONFIG, WEIGHTS, save_model
from demsr.model.srnet import DemSrNet
from demsr.runtime.files import write_text
from protocol.calibration import calibrated_without, held_out
from protocol.methods import OUR_NET
from protocol.regions import EVERYTHING, NEVER_TRAINED
from protocol.report import BICUBIC
from protocol.results import Results, gain, land_mean
from protocol.training import BATCH, RECIPE, trained_net

NAME, VERSION = "dem-srnet-builtin", 1


def ship(results: Results, folder: Path) -> None:
    """Write 16-bit weights, config.json and the model card README.md.

    Parameters
    ----------
    results : scores of all trainings
    folder : model folder to write
    """
    product = results.product[EVERYTHING]
    net = trained_net(product, results.work)
    assert isinstance(net, DemSrNet)
    facts = results.facts(product)
    training = {
        "name": NAME,
        "version": VERSION,
        "unit": "m",
        "seed": product.seed,
        "recipe": {**RECIPE, "batch_size": BATCH},
        "steps": facts["steps"],
        "pairs": facts["pairs"],
        "pairs_sha256": facts["pairs_sha256"],
        "regions": [one.name for one in results.regions.files if one.fold != NEVER_TRAINED],
    }
    uncertainty = calibrated_without(NEVER_TRAINED, held_out(results))
    config = save_model(net, folder, training=training, half=True, uncertainty=uncertainty)
    write_text(folder / "README.md", _card(results, config.weights_sha256, (folder / WEIGHTS).stat().st_size))


def _card(results: Results, sha256: str, size: int) -> str:
    product = results.product[EVERYTHING]
    facts, regions = results.facts(product), results.regions
    land, marine = ([one.name for one in regions.files if one.domain == domain] for domain in ("land", "marine"))
    real = [pair.name for pair in regions.real]
    names = [*land, *marine, *real]
    ours, bicubic = results.product_scores(names), results.baseline_scores(names, BICUBIC)
    gains = {name: gain(ours[name], bicubic[name]) for name in names}
    slopes = {name: gain(ours[name], bicubic[name], "slope_rmse_deg") for name in land}
    seen = [f"| {one.name} | {one.domain} | {one.licence} |" for one in regions.files if one.fold != NEVER_TRAINED]
    at_sea = [gains[name] for name in marine]
    return f"""# Model card: {NAME}, version {VERSION}

Written by `python benchmarks/accuracy.py --data FOLDER --ship demsr/weights`; do not edit.

**What it does.** It replaces each cell of a 15 arc-second elevation grid, on land or on the sea floor, by 5 x 5 cells of
3 arc-seconds: metres in, metres out. `demsr super-resolve IN OUT` and `demsr.load_model("builtin")` use it.

**Not for navigation.** It adds likely detail, not measured detail. Its output cannot reveal a shoal, rock or wreck that the
input does not show.

## The net

DEM-SRNet in its residual formulation, {OUR_NET["num_blocks"]} ResBlocks of {OUR_NET["features"]} features with sub-pixel upsampling: {facts["parameters"]:,} weights,
stored as 16-bit and computed as 32-bit numbers ({size:,} bytes, SHA-256 `{sha256}`). Files: `{CONFIG}`, `{WEIGHTS}`.
Weights are shared among the eight orientations of the square, so the output turns with the input. Adding a plane to the
input adds the same plane to the output.

## Data

{facts["pairs"]:,} training pairs of 32 x 32 LR cells. LR is the mean of 5 x 5 HR cells; in half of the pairs it is rounded to whole
metres, as GEBCO is. Land has 3 arc-second pixels, the sea floor the spacing of its survey. No real GEBCO grid was used for
training.

| region | domain | licence |
|---|---|---|
{chr(10).join(seen)}

## Accuracy

RMSE gain over bicubic interpolation, each region scored by a training that did not include it
([full results](../../docs/results.md)):

| | mean | worst region |
|---|--:|--:|
| land, landforms weighted | {land_mean(regions, gains):.1f} % | {min(gains[name] for name in land):.1f} % |
| slope on land, landforms weighted | {land_mean(regions, slopes):.1f} % | {min(slopes.values()):.1f} % |
| sea floor | {np.mean(at_sea):.1f} % | {min(at_sea):.1f} % |
| true pair: {", ".join(real)} | {np.mean([gains[name] for name in real]):.1f} % | |

## Limits

- Nearly all scores are for block means. Real LR grids are also shifted, smoothed and interpolated between soundings: the
  gain is smaller there, and where GEBCO is a prediction the output is a prediction too.
- The gain on plains is small, because most of the error of bicubic interpolation there is noise of the survey.
- The training regions lie between 29 S and 53 N. Pixels near the poles are narrower than any in the training.
- The land data are surface models: they include trees and buildings.
- The standard errors ([calibration and test](../../docs/uncertainty.md)) cover super-resolution only; errors of the input add
  to them. In a single region they may be too small or too large, and in the outermost row and column of a raster they are
  too small.

## Licence

Apache-2.0, like the package. Cite the data: NASA/USGS SRTM, NOAA NCEI, Geoscience Australia (CC BY 4.0).
"""
