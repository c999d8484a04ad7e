"""Measure the coverage of the uncertainty band, write docs/uncertainty.md, and calibrate the shipped net.

Requires the nets that `accuracy.py` has trained. Every region is super-resolved by the net that was trained without its
fold. A calibration on two folds is tested on the third one; the shipped calibration, on all three, on fold `test`.

    python benchmarks/uncertainty.py --data FOLDER
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import trainings
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from protocol.calibration import HeldOut, calibrated_without, held_out, held_out_net, raster_of, sample_scene
from protocol.regions import NEVER_TRAINED, find_files, read_regions
from protocol.results import Results
from protocol.scoring import real_scene

from demsr.errors import reported
from demsr.evaluation.calibration import ErrorSample
from demsr.evaluation.coverage import (
    UNKNOWN_SLOPE,
    CoverageCounts,
    CoverageRows,
    coverage_counts,
    coverage_rows,
    predicted_sigma_m,
    zero_counts,
)
from demsr.model.checkpoint import CONFIG, read_config
from demsr.model.uncertainty import FEATURES, Uncertainty
from demsr.runtime.files import atomic_write, write_json, write_text

TARGETS = {"1": (63, 73), "1.645": (85, 95)}  # range of the share in per cent, by half-width in sigma
BANDS = {"": "this band", "constant_": "constant band"}
DOMAINS = {"land": "Land", "marine": "Sea floor"}


@dataclass(frozen=True)
class TestedRegion:
    """A held-out region and two calibrations without it: on both domains, and on its own domain."""

    one: HeldOut
    on_both: Uncertainty
    on_own: Uncertainty


def main() -> None:
    """Run the protocol."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the rasters of protocol/regions.yaml")
    parser.add_argument("--work", type=Path, default=Path("work/accuracy"), help="work folder of accuracy.py")
    parser.add_argument("--report", type=Path, default=Path("docs/uncertainty.md"))
    parser.add_argument("--model", type=Path, default=Path("demsr/weights"), help="model folder to calibrate")
    options = parser.parse_args()
    regions = read_regions()
    results = Results(regions, trainings(regions, ["product"], share=1.0), options.work)
    found = held_out(results)
    tested, shipped = pair_with_calibrations(found), calibrated_without(NEVER_TRAINED, found)
    draw(options.report.parent / "pictures" / f"{options.report.stem}.png", tested)
    write_text(options.report, report(tested, sample_real_pairs(results, options.data), shipped))
    config = read_config(options.model).model_copy(update={"uncertainty": shipped})
    write_json(options.model / CONFIG, config.model_dump())


def pair_with_calibrations(found: Sequence[HeldOut]) -> list[TestedRegion]:
    """Pair every region with the calibrations on the folds that it does not belong to."""
    folds = sorted({one.region.fold for one in found})
    of_domain = {domain: [one for one in found if one.region.domain == domain] for domain in DOMAINS}
    on_both = {fold: calibrated_without(fold, found) for fold in folds}
    on_own = {(domain, fold): calibrated_without(fold, own) for domain, own in of_domain.items() for fold in folds}
    return [TestedRegion(one, on_both[one.region.fold], on_own[one.region.domain, one.region.fold]) for one in found]


def sample_real_pairs(results: Results, data: Path) -> list[ErrorSample]:
    """Sample the errors on the true pairs."""
    lr_files = find_files(data, [pair.lr for pair in results.regions.real])
    hr_files = {region.stem: raster_of(results.work, region) for region in results.regions.files}
    scenes = [real_scene(pair.name, lr_files[pair.lr], hr_files[pair.hr]) for pair in results.regions.real]
    return [sample_scene(scene, scene.lr, held_out_net(results, scene.name)) for scene in scenes]


def report(tested: Sequence[TestedRegion], real: Sequence[ErrorSample], shipped: Uncertainty) -> str:
    """Return docs/uncertainty.md."""
    whole = [test for test in tested if test.one.whole_metres]
    exact = [test for test in tested if not test.one.whole_metres]
    all_together = {"All regions, each held out once": counted(whole)}
    by_group, of_exact = ({title: counted(part) for title, part in groups(one).items()} for one in (whole, exact))
    own = {f"{title}, calibration of its domain": counted(part, own=True) for title, part in groups(whole).items()}
    by_region = "\n".join(region_row(test) for test in whole)
    weights = "\n".join(f"- {name}: {weight:+.2f}" for name, weight in zip(FEATURES, shipped.log_weights, strict=True))
    knots = ", ".join(f"{raw:.2g} -> {sigma:.2g}" for raw, sigma in zip(shipped.raw_m, shipped.sigma_m, strict=True))
    return f"""# Uncertainty

Written by `python benchmarks/uncertainty.py --data FOLDER`; do not edit.

The uncertainty band contains one standard error (sigma) in metres for each HR pixel. The true elevation should lie
within one sigma at 68 % of the pixels and within 1.645 sigma at 90 %, on gentle and on steep slopes alike. The tables
show these shares on regions that neither the net nor the calibration has seen: the regions of each fold with the
calibration on the two other folds, and the regions outside all folds with the bundled calibration on all three folds.
No net is trained on the latter.

Slopes are those of the result. One in nine pixels is counted, in all regions of a group together. A slope class with
fewer than 1,000 pixels is merged with a neighbouring class. Border pixels, the outermost row or column of a raster,
have no slope. `!` marks a share outside 63 to 73 % or 85 to 95 %. The constant band has the same sigma at all pixels
and is calibrated on the same pixels in the same way.

The coefficients were not fitted to the regions that they are tested on. All regions were used, however, to select the
features and to decide that the share within one sigma weighs twice as much as the share within 1.645 sigma.

![coverage by slope class](pictures/uncertainty.png)

## By slope class

Input rounded to whole metres, as in GEBCO.

{tables(all_together | by_group)}
Exact input:

{tables(of_exact)}
## By region

Input rounded to whole metres. The shares of a single region can be further off than those of all regions together,
because the coarse input does not reveal how rough the terrain between its samples is.

| region | domain | fold | RMSE (m) | root mean square of sigma (m) | within 1 sigma (%) | within 1.645 sigma (%) |
| --- | --- | --- | --: | --: | --: | --: |
{by_region}

## One calibration for both domains, or one for each

The bundled calibration is used for both domains, because the band does not depend on sea level. With one calibration
for each domain, and input rounded to whole metres, the shares are:

{tables(own)}
## A real grid

The band covers the error of super-resolution, not the error of the input. Here LR and truth are different surveys:

{tables({one.area: coverage_counts(one, shipped) for one in real})}
## Bundled calibration

Fitted to {shipped.pixels:,} pixels of {len(shipped.areas)} regions of equal weight, half of them with input rounded to
whole metres. Exponents of the features (the spread of a symmetric net is zero):

{weights}

Raw sigma -> calibrated sigma, in metres:
{knots}.
Constant band: {shipped.constant_m:.2f} m.
"""


def groups(tested: Sequence[TestedRegion]) -> dict[str, list[TestedRegion]]:
    """Group by domain, and by whether any net is trained on the region."""
    found: dict[str, list[TestedRegion]] = {}
    for domain, title in DOMAINS.items():
        own = [test for test in tested if test.one.region.domain == domain]
        found[f"{title}, held-out folds"] = [one for one in own if one.one.region.fold != NEVER_TRAINED]
        found[f"{title}, regions outside all folds"] = [one for one in own if one.one.region.fold == NEVER_TRAINED]
    return found


def counted(tested: Sequence[TestedRegion], *, own: bool = False) -> CoverageCounts:
    """Count the pixels within the bands, in all regions together."""
    counts = [coverage_counts(test.one.sample, test.on_own if own else test.on_both) for test in tested]
    return sum(counts, start=zero_counts())


def tables(counts: dict[str, CoverageCounts]) -> str:
    """Return a heading and a table for each group."""
    return "\n".join(f"### {title}\n\n{class_table(coverage_rows(one))}\n" for title, one in counts.items())


def class_table(rows: CoverageRows) -> str:
    """Return the table of the shares by slope class as Markdown."""
    names = [f"{band}within_{factor}_sigma_percent" for band in BANDS for factor in TARGETS]
    head = " | ".join(f"{band}: within {factor} sigma (%)" for band in BANDS.values() for factor in TARGETS)
    lines = [f"| slope (deg) | pixels | {head} |", "| --- | --: | --: | --: | --: | --: |"]
    for row in rows:
        slope = "border pixels" if row["slope_deg"] == UNKNOWN_SLOPE else row["slope_deg"]
        cells = " | ".join(_marked(row[name], factor) for name, factor in zip(names, list(TARGETS) * 2, strict=True))
        lines.append(f"| {slope} | {row['pixels']:,} | {cells} |")
    return "\n".join(lines)


def region_row(test: TestedRegion) -> str:
    """Return one row of the table by region."""
    region, sample = test.one.region, test.one.sample
    count, *within = coverage_counts(sample, test.on_both).sum(axis=0)[: 1 + len(TARGETS)]
    shares = " | ".join(_marked(100 * part / count, factor) for part, factor in zip(within, TARGETS, strict=True))
    rms, of_band = (_rms(values) for values in (sample.error_m, predicted_sigma_m(sample, test.on_both)))
    return f"| {region.name} | {region.domain} | {region.fold} | {rms:.2f} | {of_band:.2f} | {shares} |"


def draw(path: Path, tested: Sequence[TestedRegion]) -> None:
    """Draw the shares by slope class for input in whole metres, one panel for each group of regions."""
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    parts = groups([test for test in tested if test.one.whole_metres])
    for axes, (title, part) in zip(figure.subplots(2, 2, sharey=True).flat, parts.items(), strict=True):
        _draw_classes(axes, title, coverage_rows(counted(part)))
    figure.axes[0].legend(loc="lower left", fontsize=8)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=80, metadata={"Software": None})


def _draw_classes(axes: Axes, title: str, rows: CoverageRows) -> None:
    rows = [row for row in rows if row["slope_deg"] != UNKNOWN_SLOPE]
    for low, high in TARGETS.values():
        axes.axhspan(low, high, color="0.88")
    for band, colour in (("", "tab:blue"), ("constant_", "tab:red")):
        for factor, style in (("1", "o-"), ("1.645", "s--")):
            shares = [row[f"{band}within_{factor}_sigma_percent"] for row in rows]
            axes.plot(shares, style, color=colour, label=f"{BANDS[band]}, within {factor} sigma")
    axes.set(title=title, xlabel="slope (degrees)", ylabel="truth within (%)", ylim=(0, 102))
    axes.set_xticks(range(len(rows)), [row["slope_deg"] for row in rows])


def _marked(share: float, factor: str) -> str:
    low, high = TARGETS[factor]
    return f"{share:.1f}{'' if low <= share <= high else ' !'}"


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


if __name__ == "__main__":
    with reported("uncertainty"):
        main()
