"""Write docs/results.md from the scores: means over regions, one row for each region, comparisons."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from demsr.runtime.files import write_text
from protocol.ranking import Ranking, ranking
from protocol.regions import EVERYTHING, NEVER_TRAINED, Region
from protocol.results import Results, Scores, gain, land_mean
from protocol.scoring import RING_LR
from protocol.training import BATCH, RECIPE

BICUBIC, LINEAR = "bicubic", "linear_7x7"
RANKED = ("mae_m", "rmse_m", "le90_m", "nmad_m", "slope_rmse_deg", "roughness_rmse_m")
_METRICS = (
    *("rmse_m", "mae_m", "bias_m", "nmad_m", "le90_m", "p95_m", "slope_rmse_deg", "aspect_rmse_deg"),
    *("roughness_rmse_m", "consistency_m", "shift_east_px", "shift_south_px", "coherent_to_m"),
    "short_wave_power_ratio",
)
_GAINS = "Gains over bicubic in per cent, of the RMSE or of the metric that the column names."
_BASELINES = {
    "bicubic_a-0.5": "bicubic, a = -0.5",
    "back_projected_bicubic": "back-projected bicubic",
    LINEAR: "linear 7 x 7",
}

Lines = list[str]


def write_report(path: Path, results: Results) -> None:
    """Write the report; every training must have been scored.

    Parameters
    ----------
    path : Markdown file to write
    results : scores of all trainings
    """
    regions = results.regions
    land, marine = ([one.name for one in regions.files if one.domain == domain] for domain in ("land", "marine"))
    lines = [
        *_introduction(results),
        *_summary(results, land, marine),
        *_regions(results, "Land, 3 arc-seconds, block means", land),
        *_regions(results, "Sea floor, block means, at the spacing of each survey (scale-free)", marine),
        *_regions(
            results, "True pairs: LR and HR from different surveys, co-registered", [one.name for one in regions.real]
        ),
        *_detail(results, [*land, *marine, *(one.name for one in regions.real)]),
        *(_comparison(results) if results.comparison else []),
        *(_variants(results) if results.variants else []),
        *_turned(results, [*land, *marine]),
        *_rings(results, land),
    ]
    write_text(path, "\n".join(lines).rstrip() + "\n")


def _introduction(results: Results) -> Lines:
    product = results.product[EVERYTHING]
    facts = results.facts(product)
    regions = results.regions
    text = f"""# Results

Written by `python benchmarks/accuracy.py --data FOLDER`; do not edit. [Depth](depth-cpu.md) compares numbers of
ResBlocks. Protocol:

- Whole files are held out. Neighbouring files belong to the same fold, training patches keep a distance of two LR pixels
  from held-out ground, and each region is scored with a net that was not trained on it. Options were chosen on
  fold {regions.development_fold}, so its gains may be slightly optimistic. No net is trained on the regions of fold `{NEVER_TRAINED}`.
- LR is the mean of 5 x 5 HR pixels (block means) or the grid of another survey (true pairs). Each raster is
  super-resolved as a whole. Errors are computed on measured pixels. Bicubic is the method of PyTorch and OpenCV:
  a = -0.75, half-pixel centres.
- The compared nets share the pairs, the loss, the optimiser and the number of operations.

The bundled model has {facts["parameters"]:,} weights and needs {facts["mflop_per_lr_px"]:.2f} MFLOP per LR pixel. It was trained for {facts["steps"]:,} steps
({product.budget_tflop:g} TFLOP) with batches of {BATCH} pairs of 32 x 32 LR pixels, drawn from {facts["pairs"]:,} pairs, at {facts["samples_per_second"]:.0f} pairs per second on {facts["threads"]} CPU
thread(s): {", ".join(f"{name} {value}" for name, value in RECIPE.items())}.
"""
    picture = "![Input, truth, bicubic, prediction and error in the centres of held-out regions](pictures/accuracy.png)"
    return [*text.splitlines(), "", picture, ""]


def _summary(results: Results, land: Sequence[str], marine: Sequence[str]) -> Lines:
    shares = ", ".join(f"{form} {share:.0%}" for form, share in results.regions.land_mix.items())
    rows, five = [], results.regions.land_five
    heads = ["method", "land, weighted", "land, all regions", "land, five regions", "worst on land"]
    heads += ["slope on land, weighted", "slope, five regions", "sea floor", "worst at sea"]
    methods = {name: results.baseline_scores([*land, *marine], key) for key, name in _BASELINES.items()} | {
        "**ours**": results.product_scores([*land, *marine]),
        "ours, back-projected": results.product_scores([*land, *marine], "back-projected"),
    }
    bicubic = results.baseline_scores([*land, *marine], BICUBIC)
    for name, scores in methods.items():
        of = {region: gain(scores[region], bicubic[region]) for region in scores}
        slopes = {region: gain(scores[region], bicubic[region], "slope_rmse_deg") for region in land}
        on_land, at_sea = {region: of[region] for region in land}, [of[region] for region in marine]
        rows.append(
            [
                name,
                _percent(land_mean(results.regions, on_land)),
                _percent(float(np.mean(list(on_land.values())))),
                _percent(float(np.mean([on_land[region] for region in five]))),
                _percent(min(on_land.values())),
                _percent(land_mean(results.regions, slopes)),
                _percent(float(np.mean([slopes[region] for region in five]))),
                _percent(float(np.mean(at_sea))),
                _percent(min(at_sea)),
            ]
        )
    return [
        "## RMSE gain over bicubic on held-out regions, per cent",
        "",
        f"Weighted means have the weights {shares}. The five regions: {', '.join(five)}.",
        "",
        *_table(heads, rows),
        "",
    ]


def _regions(results: Results, title: str, names: Sequence[str]) -> Lines:
    if not names:
        return []
    about = {one.name: one for one in results.regions.files}
    bicubic, linear = (results.baseline_scores(names, method) for method in (BICUBIC, LINEAR))
    projected = results.baseline_scores(names, "back_projected_bicubic")
    ours = results.product_scores(names)
    rows = []

    def gained(scores: Scores, name: str, metric: str = "rmse_m") -> float:
        return gain(scores[name], bicubic[name], metric)

    for name in sorted(names, key=lambda one: _order(about.get(one))):
        above_linear = gained(ours, name) - gained(linear, name)
        rows.append(
            [
                name,
                *_about(about.get(name)),
                f"{bicubic[name]['rmse_m']:.2f}",
                _percent(gained(projected, name)),
                _percent(gained(linear, name)),
                f"**{_percent(gained(ours, name))}**",
                _percent(above_linear),
                *(_percent(gained(ours, name, metric)) for metric in ("slope_rmse_deg", "nmad_m", "le90_m")),
            ]
        )
    heads = ["region", "landform", "fold", "bicubic RMSE (m)", "back-projected bicubic", "linear 7 x 7", "ours"]
    heads += ["ours - linear", "ours: slope", "ours: NMAD", "ours: LE90"]
    return [f"## {title}", "", _GAINS, "", *_table(heads, rows), ""]


def _detail(results: Results, names: Sequence[str]) -> Lines:
    rows = []
    ours, bicubic = results.product_scores(names), results.baseline_scores(names, BICUBIC)
    for name in names:
        for label, scores in (("bicubic", bicubic), ("ours", ours)):
            cells = (_metric(scores[name].get(column, math.nan), column) for column in _METRICS)
            rows.append([name if label == "bicubic" else "", label, *cells])
    return [
        "## All metrics",
        "",
        "Consistency is the RMS difference between the block means of the result and the input. `coherent to` is the shortest",
        "wavelength at which the result is coherent with the truth (coherence above 0.5). The power ratio is the power of the",
        "result relative to the truth at wavelengths below two LR pixels.",
        "",
        *_table(["region", "method", *map(_with_unit, _METRICS)], rows),
        "",
    ]


def _metric(value: float, column: str) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if column == "coherent_to_m" else f"{value:.3g}"


def _with_unit(column: str) -> str:
    """Return the head of a column: "slope_rmse_deg" becomes "slope rmse (deg)"."""
    name, _, unit = column.rpartition("_")
    return f"{name} ({unit})".replace("_", " ") if unit in ("m", "deg", "px") else column.replace("_", " ")


def _comparison(results: Results) -> Lines:
    fold = results.regions.comparison_fold
    bicubic = results.baseline(fold, BICUBIC)
    names = list(bicubic)
    by_method: dict[str, list[Scores]] = {}
    for training in results.comparison:
        by_method.setdefault(training.method, []).append(results.of(training))
    seeds = max(len(runs) for runs in by_method.values())
    budget = results.comparison[0].budget_tflop
    rows = []
    for name in names:
        gains = {method: [gain(run[name], bicubic[name]) for run in runs] for method, runs in by_method.items()}
        best = max(float(np.mean(values)) for values in gains.values())
        cells = [_interval(values, best=best) for values in gains.values()]
        rows.append([name, _percent(gain(results.baseline(fold, LINEAR)[name], bicubic[name])), *cells])
    means = {
        method: [float(np.mean([gain(run[name], bicubic[name]) for name in names])) for run in runs]
        for method, runs in by_method.items()
    }
    best = max(float(np.mean(values)) for values in means.values())
    linear = [gain(results.baseline(fold, LINEAR)[name], bicubic[name]) for name in names]
    rows.append(
        ["**mean**", _percent(float(np.mean(linear))), *(_interval(values, best=best) for values in means.values())]
    )
    sizes = []
    for method in by_method:
        facts = results.facts(next(one for one in results.comparison if one.method == method))
        cells = [f"{facts['parameters']:,}", f"{facts['mflop_per_lr_px']:.2f}", f"{facts['steps']:,}"]
        sizes.append([method, *cells])
    ranked = ranking(_blocks(results, by_method, fold, names))
    return [
        f"## Nets at equal FLOP: {budget:g} TFLOP each, {seeds} seeds",
        "",
        f"Trained without fold {fold}. Gain over bicubic in per cent: mean of the seeds ± half their range; the best method of each",
        "region is bold. EDSR, VDSR and SRCNN are the published architectures on our base interpolation, with our units, loss",
        "and optimiser; the reference formulation has its own base and units. ESRGAN was not measured: its adversarial loss gives",
        "up accuracy in metres for texture.",
        "",
        *_table(["region", "linear 7 x 7", *by_method], rows),
        "",
        *_table(["net", "weights", "MFLOP per LR pixel", "training steps"], sizes),
        "",
        *_ranking(ranked),
    ]


def _blocks(
    results: Results, by_method: Mapping[str, list[Scores]], fold: str, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return errors by method and block; a block is a region and a metric, seeds averaged."""
    errors = {
        method: {
            f"{name}, {metric}": float(np.mean([run[name][metric] for run in runs]))
            for name in names
            for metric in RANKED
        }
        for method, runs in by_method.items()
    }
    for key, label in {BICUBIC: "bicubic", **_BASELINES}.items():
        scores = results.baseline(fold, key)
        errors[label] = {f"{name}, {metric}": scores[name][metric] for name in names for metric in RANKED}
    return errors


def _ranking(found: Ranking) -> Lines:
    rows = [[method, f"{rank:.2f}"] for method, rank in found.mean_rank.items()]
    return [
        f"### Ranking over {found.blocks} blocks",
        "",
        f"A block is a region with one of the metrics {', '.join(RANKED)}.",
        f"Friedman's test of equal methods: p = {found.p_value:.1g}. Mean ranks that differ by more than "
        f"{found.critical_difference:.2f} are",
        "significantly different at the 5 % level (Nemenyi).",
        "",
        *_table(["method", "mean rank"], rows),
        "",
    ]


def _variants(results: Results) -> Lines:
    fold = results.regions.development_fold
    bicubic = results.baseline(fold, BICUBIC)
    domains = {one.name: one.domain for one in results.regions.files}
    rows = []
    for training in results.variants:
        scores = results.of(training)
        of_domain = {
            domain: [gain(scores[name], bicubic[name]) for name in scores if domains.get(name) == domain]
            for domain in ("land", "marine")
        }
        facts = results.facts(training)
        cells = [
            f"{facts['parameters']:,}",
            f"{facts['steps']:,}",
            *(_percent(float(np.mean(values))) for values in of_domain.values()),
        ]
        rows.append([training.method, *cells])
    budget = results.variants[0].budget_tflop
    return [
        f"## Variants: one change each, {budget:g} TFLOP",
        "",
        f"Mean gain over bicubic in per cent on the regions of the folds {fold} and `{NEVER_TRAINED}`; one seed.",
        "",
        *_table(["variant", "weights", "training steps", "land", "sea floor"], rows),
        "",
    ]


def _turned(results: Results, names: Sequence[str]) -> Lines:
    rows = []
    for name in names:
        found = results.product_scores([name], "turned")[name]
        gains = [100 * (1 - net / base) for net, base in zip(found["net"], found["bicubic"], strict=True)]
        others = float(np.mean(gains[1:]))
        rows.append([name, _percent(gains[0]), _percent(others), f"{100 * (others / gains[0] - 1):+.1f}"])
    return [
        "## Rotated and mirrored input",
        "",
        "Gain over bicubic in per cent: in the original orientation, mean of the seven other orientations, and relative change.",
        "",
        *_table(["region", "original", "other orientations", "change (%)"], rows),
        "",
    ]


def _rings(results: Results, names: Sequence[str]) -> Lines:
    gains = []
    for name in names:
        held_out = results.product[results.held_out(name)]
        found = results.of(held_out, "rings").get(name)
        if found:
            gains.append([100 * (1 - net / base) for net, base in zip(found["net"], found["bicubic"], strict=True)])
    rows = [
        [f"{RING_LR * ring} to {RING_LR * (ring + 1)}", _percent(value)]
        for ring, value in enumerate(np.mean(gains, axis=0))
    ]
    return [
        "## Distance to the edge of a tile",
        "",
        "Mean gain over bicubic on land in per cent, both methods applied to each tile of 32 x 32 LR pixels alone.",
        "",
        *_table(["distance to the edge (LR pixels)", "ours"], rows),
        "",
    ]


def _order(region: Region | None) -> tuple[str, str]:
    return ("", "") if region is None else (region.landform, region.name)


def _about(region: Region | None) -> list[str]:
    return ["", ""] if region is None else [region.landform, region.fold]


def _interval(values: Sequence[float], *, best: float) -> str:
    text = f"{np.mean(values):.1f} ± {np.ptp(values) / 2:.1f}"
    return f"**{text}**" if float(np.mean(values)) == best else text


def _percent(value: float) -> str:
    return f"{value:.1f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Lines:
    aligned = ["---", *["--:"] * (len(heads) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in (heads, aligned, *rows)]
