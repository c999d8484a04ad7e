"""Measure the coverage of the uncertainty band, write docs/uncertainty.md, and calibrate the nets that ship.

Requires the nets that `accuracy.py` has trained, and the model that it has shipped. Each place is super-resolved by
nets that were not trained on it, and its band comes from a calibration without its fold. The calibration that ships is
that on all folds; it is tested on the places of fold `test`.

    python benchmarks/uncertainty.py --data FOLDER
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from accuracy import trainings
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from protocol.calibration import OPERATORS, HeldOut, calibrated, held_out, sample_place
from protocol.places import Nets, all_places, scene_of
from protocol.regions import NEVER_TRAINED, find_files, harmonised, read_regions

from demsr.errors import reported
from demsr.evaluation.coverage import (
    UNKNOWN_SLOPE,
    CoverageCounts,
    CoverageRows,
    coverage_counts,
    coverage_rows,
    predicted_sigma_m,
    zero_counts,
)
from demsr.model.checkpoint import read_config, write_config
from demsr.model.uncertainty import FEATURES, Uncertainty
from demsr.options import Operator
from demsr.runtime.files import atomic_write, write_text

TARGETS = {"1": (63, 73), "1.645": (85, 95)}  # range of the share in per cent, by half-width in sigma
BANDS = {"": "this band", "constant_": "constant band"}
GROUPS = {
    ("srtm", "land"): "Real GEBCO, land",
    ("land", "land"): "Real GEBCO, land, another survey",
    ("sea", "marine"): "Real GEBCO, sea",
    ("block mean", "land"): "Block means on land",
    ("block mean", "marine"): "Block means of the sea floor",
}
"""Kind and domain of a place -> title of its tables."""
_OPERATORS: dict[str, Operator] = {**OPERATORS, "land": "gebco"}
_HEADS = ("place", "operator", "domain", "fold", "RMSE (m)", "root mean square of sigma (m)")


@dataclass(frozen=True)
class Tested:
    """Errors of a held-out place, and the calibration that does not know the place."""

    one: HeldOut
    calibration: Uncertainty

    @property
    def operator(self) -> Operator:
        """Operator of the net."""
        return _OPERATORS[self.one.place.kind]

    @property
    def counts(self) -> CoverageCounts:
        """Pixels within the bands by slope class."""
        return coverage_counts(self.one.sample, self.calibration)


def main() -> None:
    """Run the protocol."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the rasters of protocol/regions.yaml")
    parser.add_argument("--work", type=Path, default=Path("work/accuracy"), help="work folder of accuracy.py")
    parser.add_argument("--report", type=Path, default=Path("docs/uncertainty.md"))
    parser.add_argument("--model", type=Path, default=Path("demsr/weights"), help="folder of the models to calibrate")
    parser.add_argument("--share", type=float, default=1.0, help="share of the training steps that accuracy.py had")
    options = parser.parse_args()
    regions = read_regions()
    nets = Nets(regions, trainings(regions, ["folds"], share=options.share), options.work)
    rasters = harmonised(regions, options.data, options.work, processes=1)
    files = find_files(options.data, [name for pair in regions.real for name in (pair.lr, pair.hr)])
    places = all_places(regions)
    found = held_out(nets, places, rasters, files)
    others = [
        HeldOut(place, sample_place(nets, place, scene_of(place, rasters, files)))
        for place in places
        if place.kind not in OPERATORS
    ]
    tested, shipped = pair_with_calibrations(found, others), calibrations(found)
    draw(options.report.parent / "pictures" / f"{options.report.stem}.png", tested)
    write_text(options.report, report(tested, shipped))
    store(shipped, options.model)


def calibrations(found: Sequence[HeldOut]) -> dict[Operator, Uncertainty]:
    """Return the calibrations that ship, on the places of all folds."""
    return {operator: calibrated(operator, found) for operator in sorted(OPERATORS.values())}


def pair_with_calibrations(found: Sequence[HeldOut], others: Sequence[HeldOut] = ()) -> list[Tested]:
    """Pair every place with the calibration of its operator on the folds that it does not belong to.

    Parameters
    ----------
    found : errors of the places that calibrate a net
    others : errors of places that are only tested
    """
    without = cache(lambda operator, fold: calibrated(operator, found, without=fold))
    return [Tested(one, without(_OPERATORS[one.place.kind], one.place.fold)) for one in (*found, *others)]


def store(shipped: dict[Operator, Uncertainty], models: Path) -> None:
    """Write each calibration into the model folder of its operator."""
    for operator, uncertainty in shipped.items():
        config = read_config(models / operator).model_copy(update={"uncertainty": uncertainty})
        write_config(models / operator, config)


def report(tested: Sequence[Tested], shipped: dict[Operator, Uncertainty]) -> str:
    """Return docs/uncertainty.md."""
    tables = "\n".join(
        f"### {title}\n\n{class_table(coverage_rows(counted(part)))}\n" for title, part in groups(tested).items()
    )
    heads = [*_HEADS, *(f"within {factor} sigma (%)" for factor in TARGETS)]
    by_place = "\n".join(place_row(test) for test in tested)
    bundled = "\n".join(calibration_text(operator, uncertainty) for operator, uncertainty in shipped.items())
    return f"""# Uncertainty

Written by `python benchmarks/uncertainty.py --data FOLDER`; do not edit.

The uncertainty band contains one standard error (sigma) in metres for each HR pixel. The true elevation should lie
within one sigma at 68 % of the pixels and within 1.645 sigma at 90 %, on gentle and on steep slopes alike. Each net of
the bundled model has a calibration of its own: `gebco` on the SRTM that GEBCO was made from, `mean` on block means in
whole metres, `blind` on surveys of the sea floor that GEBCO does not contain. The tables show the shares at places that
neither the net nor the calibration has seen: the places of each fold with the calibration on the other folds, and the
places outside all folds with the bundled calibration. At sea, each group of surveys is a fold.

Slopes are those of the result. One in nine pixels is counted, at all places of a group together. A slope class with
fewer than 1,000 pixels is merged with a neighbouring class. Border pixels, the outermost row or column of a raster,
have no slope. `!` marks a share outside 63 to 73 % or 85 to 95 %. The constant band has the same sigma at all pixels
and is calibrated on the same pixels in the same way.

Where the input is a real grid, its own errors count as well, but the median error of a place does not: it may belong to
the truth. The coefficients were not fitted to the places that they are tested on. All rasters were used, however, to
select the features and to decide that the share within one sigma weighs twice as much as the share within 1.645 sigma.

![coverage by slope class](pictures/uncertainty.png)

## By operator and slope class

{tables}
## By place

The shares of a single place can be further off than those of all places together, because the coarse input does not
reveal how rough the terrain between its samples is.

{_row(heads)}
{_row(["---"] * 4 + ["--:"] * (len(heads) - 4))}
{by_place}

## Bundled calibrations

Each place has the same weight. Below are the exponents of the features (the spread of a symmetric net is zero) and the
correction from raw to calibrated sigma.

{bundled}"""


def groups(tested: Sequence[Tested]) -> dict[str, list[Tested]]:
    """Group by kind and domain of the place, and by whether it belongs to a fold; leave out empty groups."""
    found: dict[str, list[Tested]] = {}
    for key, title in GROUPS.items():
        for in_fold, words in ((True, "held-out folds"), (False, "outside all folds")):
            part = [
                test
                for test in tested
                if (test.one.place.kind, test.one.place.domain) == key
                and (test.one.place.fold != NEVER_TRAINED) == in_fold
            ]
            if part:
                found[f"`{part[0].operator}`: {title}, {words}"] = part
    return found


def counted(tested: Sequence[Tested]) -> CoverageCounts:
    """Count the pixels within the bands, at all places together."""
    return sum((test.counts for test in tested), start=zero_counts())


def class_table(rows: CoverageRows) -> str:
    """Return the table of the shares by slope class as Markdown."""
    names = [f"{band}within_{factor}_sigma_percent" for band in BANDS for factor in TARGETS]
    heads = [f"{band}: within {factor} sigma (%)" for band in BANDS.values() for factor in TARGETS]
    lines = [_row(["slope (deg)", "pixels", *heads]), _row(["---", *["--:"] * (1 + len(heads))])]
    for row in rows:
        slope = "border pixels" if row["slope_deg"] == UNKNOWN_SLOPE else row["slope_deg"]
        shares = [_marked(row[name], factor) for name, factor in zip(names, list(TARGETS) * 2, strict=True)]
        lines.append(_row([slope, f"{row['pixels']:,}", *shares]))
    return "\n".join(lines)


def place_row(test: Tested) -> str:
    """Return one row of the table by place."""
    place, sample = test.one.place, test.one.sample
    count, *within = test.counts.sum(axis=0)[: 1 + len(TARGETS)]
    shares = [_marked(100 * part / count, factor) for part, factor in zip(within, TARGETS, strict=True)]
    sizes = [f"{_rms(values):.2f}" for values in (sample.error_m, predicted_sigma_m(sample, test.calibration))]
    return _row([place.name, f"`{test.operator}`", place.domain, place.fold, *sizes, *shares])


def calibration_text(operator: Operator, uncertainty: Uncertainty) -> str:
    """Return a section on the calibration of an operator."""
    weights = ", ".join(f"{name} {one:+.2f}" for name, one in zip(FEATURES, uncertainty.log_weights, strict=True))
    knots = zip(uncertainty.raw_m, uncertainty.sigma_m, strict=True)
    return f"""### `{operator}`

- {uncertainty.pixels:,} pixels of {len(uncertainty.areas)} places
- exponents: {weights}
- raw sigma -> calibrated sigma, in metres: {", ".join(f"{raw:.2g} -> {sigma:.2g}" for raw, sigma in knots)}
- constant band: {uncertainty.constant_m:.2f} m
"""


def draw(path: Path, tested: Sequence[Tested]) -> None:
    """Draw the shares by slope class, one panel for each group of places."""
    parts = groups(tested)
    figure = Figure(figsize=(15, 4 * -(-len(parts) // 3)), layout="constrained")
    panels = figure.subplots(-(-len(parts) // 3), 3, sharey=True, squeeze=False).flat
    for axes, (title, part) in zip(panels, parts.items(), strict=False):
        _draw_classes(axes, title.replace("`", ""), coverage_rows(counted(part)))
    for axes in figure.axes[len(parts) :]:
        axes.set_axis_off()
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
    axes.set_title(title, fontsize=9)
    axes.set(xlabel="slope (degrees)", ylabel="truth within (%)", ylim=(0, 102))
    axes.set_xticks(range(len(rows)), [row["slope_deg"] for row in rows])


def _marked(share: float, factor: str) -> str:
    low, high = TARGETS[factor]
    return f"{share:.1f}{'' if low <= share <= high else ' !'}"


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    with reported("uncertainty"):
        main()
