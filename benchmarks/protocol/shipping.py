"""Write the nets that were trained on everything into the package, with the model card."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from demsr.model.checkpoint import CONFIG, WEIGHTS, save_model
from demsr.model.srnet import DemSrNet
from demsr.runtime.files import write_text
from protocol.calibration import OPERATORS, HeldOut, calibrated
from protocol.methods import OUR_NET, OURS
from protocol.places import Nets, Place
from protocol.regions import EVERYTHING, NEVER_TRAINED, Regions
from protocol.results import Results
from protocol.scoring import NOMINAL
from protocol.training import Training

NAME, VERSION = "dem-srnet-builtin", 2
_DEGRADATIONS = {"gebco": ["gebco"], "mean": ["block mean"], "blind": ["blind", "real"]}


def ship(results: Results, nets: Nets, found: Sequence[HeldOut], folder: Path) -> None:
    """Write a model folder with 16-bit weights for each operator, and the model card README.md.

    Parameters
    ----------
    results : scores of all places
    nets : nets of the protocol
    found : errors that the uncertainty is calibrated on
    folder : folder of the model folders
    """
    digests = {}
    for operator in sorted(OPERATORS.values()):
        training = {"gebco": nets.land, "mean": nets.mean, "blind": nets.sea}[operator][EVERYTHING]
        net = nets.read(training)
        assert isinstance(net, DemSrNet)
        config = save_model(
            net,
            folder / operator,
            training=_description(training, results),
            half=True,
            uncertainty=calibrated(operator, found),
        )
        size = (folder / operator / WEIGHTS).stat().st_size
        digests[operator] = f"{size:,} bytes, SHA-256 `{config.weights_sha256}`"
    write_text(folder / "README.md", _card(results, nets, digests))


def _description(training: Training, results: Results) -> dict[str, object]:
    regions = results.regions
    land = [one.name for one in regions.files if one.domain == "land" and one.fold != NEVER_TRAINED]
    other = [one.name for one in regions.files if one.domain != "land" and one.fold != NEVER_TRAINED]
    sea = [pair.name for pair in regions.real if pair.kind == "sea" and pair.fold != NEVER_TRAINED]
    facts = results.facts(training)
    return {
        "name": f"{NAME}, {training.operator}",
        "version": VERSION,
        "unit": "m",
        "seed": training.seed,
        "degradations": _DEGRADATIONS[training.operator],
        "recipe": facts["recipe"],
        "steps": facts["steps"],
        "regions": [*land, *{"mean": other, "blind": sea}.get(training.operator, [])],
    }


def _card(results: Results, nets: Nets, digests: dict[str, str]) -> str:
    regions = results.regions
    facts = results.facts(nets.land[EVERYTHING])
    files = "\n".join(f"- `{operator}/{WEIGHTS}`: {digest}" for operator, digest in digests.items())
    return f"""# Model card: {NAME}, version {VERSION}

Written by `python benchmarks/accuracy.py --data FOLDER --ship demsr/weights`; do not edit.

**What it does.** It replaces each cell of a 15 arc-second elevation grid, on land or on the sea floor, by 5 x 5 cells of
3 arc-seconds: metres in, metres out. `demsr super-resolve IN OUT` and `demsr.load_model("builtin")` use it.

**Not for navigation.** It adds likely detail, not measured detail. Its output cannot reveal a shoal, rock or wreck that the
input does not show.

## The nets

There is a net for each operator, the way in which the cells of the input came from the terrain:

| operator | for | its net |
|---|---|---|
| `gebco` | GEBCO and SRTM15+ | on land cells `gebco`, trained on SRTM under the law of GEBCO on land; elsewhere `blind` |
| `mean` | means over the cell | `mean`, trained on block means, half of them rounded to whole metres, of gentle relief too |
| `blind` | any other grid | `blind`, trained on grids degraded at random and fine-tuned on true pairs at sea |

Land cells are those above sea level, or those that a grid of type identifiers calls land. Each net is DEM-SRNet in its residual
formulation, {OUR_NET["num_blocks"]} ResBlocks of {OUR_NET["features"]} features with sub-pixel upsampling: {facts["parameters"]:,} weights, stored as 16-bit and computed as 32-bit
numbers. Weights are shared among the eight orientations of the square, so the output turns with the input. Adding a plane to
the input of a net adds the same plane to its output; at a coast, where two nets meet, it does not.

{files}

## Data

| region | domain | licence |
|---|---|---|
{_seen(regions)}

The net `blind` is also fine-tuned on GEBCO with other surveys at {", ".join(pair.name for pair in regions.real if pair.kind == "sea" and pair.fold != NEVER_TRAINED)}.

## Accuracy

Gain over bicubic interpolation, each place scored by nets that were not trained on it ([full results](../../docs/results.md)):

| | mean RMSE | worst | mean slope |
|---|--:|--:|--:|
{_accuracy(results)}

## Limits

- At sea most short detail of GEBCO is not that of the sea floor: the nets smooth it more often than they sharpen it.
- Land below sea level is taken for sea unless type identifiers are given (`--tid`).
{_worst_survey(results)}
- The gain on plains is small, because most of the error of bicubic interpolation there is noise of the survey.
- The training regions lie between 54 S and 58 N. Pixels near the poles are narrower than any in the training.
- The land data are surface models: they include trees and buildings.
- The standard errors ([calibration and test](../../docs/uncertainty.md)) cover super-resolution, and at sea also the errors of
  the input at the places of the calibration. In a single region they may be too small or too large, and in the outermost row
  and column of a raster they are too small.

Files of each folder: `{CONFIG}`, `{WEIGHTS}`.

## Licence

Apache-2.0, like the package. Cite the data: NASA/USGS SRTM, NOAA NCEI, Geoscience Australia (CC BY 4.0), GMRT (CC BY 4.0),
the GEBCO Grid.
"""


def _worst_survey(results: Results) -> str:
    worst = min(results.of_kind("land"), key=lambda place: results.gain(place, OURS))
    return (
        "- The net `gebco` sharpens too much where the land of GEBCO does not follow the law: against other surveys the gain "
        f"is least at {worst.name}, {results.gain(worst, OURS):.1f} %."
    )


def _seen(regions: Regions) -> str:
    trained = [one for one in regions.files if one.fold != NEVER_TRAINED]
    domains = {"marine": "sea floor"}
    rows = [f"| {one.name} | {domains.get(one.domain, 'land')} | {one.licence} |" for one in trained]
    return "\n".join(rows)


def _accuracy(results: Results) -> str:
    kinds: dict[str, tuple[list[Place], dict[str, str]]] = {
        "real GEBCO on land": (results.of_kind("srtm"), {}),
        "the same, at true instead of nominal positions": (results.of_kind("srtm"), {"reference": NOMINAL}),
        "real GEBCO on land, another survey": (results.of_kind("land"), {}),
        "real GEBCO at sea": (results.of_kind("sea"), {}),
        "block means on land": (results.of_kind("block mean", "land"), {}),
        "block means of the sea floor": (results.of_kind("block mean", "marine"), {}),
    }
    rows = []
    for title, (places, how) in kinds.items():
        gains = [results.gain(place, OURS, **how) for place in places]
        slope = results.mean_gain(places, OURS, metric="slope_rmse_deg")
        rows.append(f"| {title} | {np.mean(gains):.1f} % | {min(gains):.1f} % | {slope:.1f} % |")
    return "\n".join(rows)
