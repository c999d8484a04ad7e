"""Turn scores into docs/results.md: every region a row, then means and the worst."""

import math
from collections.abc import Callable, Mapping, Sequence
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
_BASELINES = {
    "bicubic_a-0.5": "bicubic, a = -0.5",
    "back_projected_bicubic": "back-projected bicubic",
    LINEAR: "linear 7 x 7",
}

Lines = list[str]


def write_report(path: Path, results: Results) -> None:
    """Write the results; every training must be scored."""
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

Written by `python benchmarks/accuracy.py --data FOLDER`; do not edit. How deep a net should be: [a table of
depths](depth-cpu.md). How it is measured:

- Whole files are held back. Neighbouring files share a fold, training patches keep two LR pixels away from what is held
  back, and a region is judged only by a training that has not seen it. Fold {regions.development_fold} is the one that options were chosen
  on, so its gains may be slightly optimistic. Regions of the fold `{NEVER_TRAINED}` are in no training.
- LR is the mean of 5 x 5 HR pixels (block means), or another survey's grid (true pairs), of the whole raster at once.
  Errors count measured pixels only. Bicubic is that of torch and OpenCV: a = -0.75, half-pixel centres.
- Nets that are compared see the same pairs, loss and optimiser, for the same number of operations.

The net that ships has {facts["parameters"]:,} weights and costs {facts["mflop_per_lr_px"]:.2f} MFLOP for an LR pixel. It was trained for {facts["steps"]:,} steps
({product.budget_tflop:g} TFLOP) of {BATCH} pairs of 32 x 32 LR pixels, out of {facts["pairs"]:,}, at {facts["samples_per_second"]:.0f} pairs a second on {facts["threads"]} CPU
thread(s): {", ".join(f"{name} {value}" for name, value in RECIPE.items())}.
"""
    picture = "![Input, truth, bicubic, prediction and error in the middles of held-out regions](pictures/accuracy.png)"
    return [*text.splitlines(), "", picture, ""]


def _summary(results: Results, land: Sequence[str], marine: Sequence[str]) -> Lines:
    shares = ", ".join(f"{form} {share:.0%}" for form, share in results.regions.land_mix.items())
    rows, five = [], results.regions.land_five
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
        "## RMSE gain over bicubic, regions that were not trained on",
        "",
        f"Land, mixed: landforms count {shares}. Five: {', '.join(five)}.",
        "",
        *_table(
            [
                "",
                "land, mixed",
                "land, all files",
                "land, five",
                "worst on land",
                "slope, mixed",
                "slope, five",
                "sea floor",
                "worst at sea",
            ],
            rows,
        ),
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
    heads = [
        "region",
        "landform",
        "fold",
        "bicubic RMSE (m)",
        "back-projected",
        "linear 7 x 7",
        "ours",
        "above linear",
        "slope",
        "NMAD",
        "LE90",
    ]
    return [f"## {title}", "", "Gains over bicubic, in per cent of its error.", "", *_table(heads, rows), ""]


def _detail(results: Results, names: Sequence[str]) -> Lines:
    columns: dict[str, Callable[[float], str]] = {
        "rmse_m": _metres,
        "mae_m": _metres,
        "bias_m": _metres,
        "nmad_m": _metres,
        "le90_m": _metres,
        "p95_m": _metres,
        "slope_rmse_deg": _metres,
        "aspect_rmse_deg": _metres,
        "roughness_rmse_m": _metres,
        "consistency_m": _metres,
        "shift_east_px": _metres,
        "shift_south_px": _metres,
        "coherent_to_m": lambda value: f"{value:.0f}",
        "short_wave_power_ratio": _metres,
    }
    rows = []
    ours, bicubic = results.product_scores(names), results.baseline_scores(names, BICUBIC)
    for name in names:
        for label, scores in (("bicubic", bicubic), ("ours", ours)):
            values = (scores[name].get(column, math.nan) for column in columns)
            texts = (
                form(value) if math.isfinite(value) else "-"
                for value, form in zip(values, columns.values(), strict=True)
            )
            rows.append([name if label == "bicubic" else "", label, *texts])
    return [
        "## All metrics",
        "",
        "Metres, degrees and HR pixels. Consistency is the RMS of block means less input. `coherent to` is the",
        "wavelength in metres down to which the result follows the truth (coherence 0.5); the power ratio is that of",
        "wavelengths shorter than two LR pixels, 1 being the truth's.",
        "",
        *_table(["region", "method", *(column.removesuffix("_m").replace("_", " ") for column in columns)], rows),
        "",
    ]


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
        f"Trained without fold {fold}. Gain over bicubic in per cent, mean of the seeds and half their range; the best",
        "of each region is bold. Architectures are taken over; base and units are ours for all but the reference",
        "formulation, loss and optimiser for all. ESRGAN was not measured: its adversarial loss trades the metres that",
        "are counted here for texture.",
        "",
        *_table(["region", "linear 7 x 7", *by_method], rows),
        "",
        *_table(["net", "weights", "MFLOP per LR pixel", "steps"], sizes),
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
        f"A block is a region and one of {', '.join(RANKED)}.",
        f"Friedman's test that all are alike: p = {found.p_value:.1g}; mean ranks that lie more than "
        f"{found.critical_difference:.2f} apart",
        "differ at the 5 % level (Nemenyi).",
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
        f"## What was tried, one change at a time, {budget:g} TFLOP each",
        "",
        f"Mean gain over bicubic in per cent, on what fold {fold} holds back and what is never trained on; one seed.",
        "",
        *_table(["change", "weights", "steps", "land", "sea floor"], rows),
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
        "## Turned and mirrored",
        "",
        "Gain over bicubic in per cent: as it is, the mean of the seven other orientations, and the relative change.",
        "",
        *_table(["region", "as it is", "turned", "change (%)"], rows),
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
        "Tiles of 32 x 32 LR pixels, each for itself: mean gain over bicubic (also by tiles) on land, in per cent.",
        "",
        *_table(["LR pixels from the edge", "ours"], rows),
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


def _metres(value: float) -> str:
    return f"{value:.3g}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Lines:
    aligned = ["---", *["--:"] * (len(heads) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in (heads, aligned, *rows)]
