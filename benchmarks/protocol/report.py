"""Write docs/results.md from the scores: real GEBCO on land and at sea, block means, comparisons."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from demsr.runtime.files import read_json, write_text
from protocol.methods import OURS
from protocol.places import Place
from protocol.ranking import ranking
from protocol.regions import EVERYTHING, NEVER_TRAINED
from protocol.results import Results, scores_of
from protocol.scoring import BICUBIC, LINEAR, NOMINAL, PROJECTED, WIDTHS_PX, gaussian_name
from protocol.training import BATCH, RECIPE, Training

SYNTHETIC = "synthetic"
RANKED = ("mae_m", "unbiased_rmse_m", "le90_m", "nmad_m", "slope_rmse_deg", "roughness_rmse_m")
_METRICS = (
    *("rmse_m", "mae_m", "bias_m", "nmad_m", "le90_m", "p95_m", "slope_rmse_deg", "aspect_rmse_deg"),
    *("roughness_rmse_m", "consistency_m", "shift_east_px", "shift_south_px", "coherent_to_m"),
    "short_wave_power_ratio",
)
_PAPER = {"land": 34.2, "sea": 16.8, "mean": 23.75}  # per cent, Zhang et al. 2022

Lines = list[str]


def write_report(path: Path, results: Results) -> None:
    """Write the report; every place must have been scored.

    Parameters
    ----------
    path : Markdown file to write
    results : scores of all places
    """
    lines = [
        *_introduction(results),
        *_real_land(results),
        *_independent_land(results),
        *_real_sea(results),
        *_paper(results),
        *_block_means(results, "land", "Block means on land, 3 arc-seconds"),
        *_block_means(results, "marine", "Block means of the sea floor, at the spacing of each survey (scale-free)"),
        *_synthetic(results),
        *_comparison(results),
        *_variants(results),
        *_detail(results),
    ]
    write_text(path, "\n".join(lines).rstrip() + "\n")


def _introduction(results: Results) -> Lines:
    product = [one for one in results.trainings if one.role == "product" and one.fold == EVERYTHING]
    steps = {
        one.operator: f"{results.facts(one)['steps']:,}"
        for one in results.trainings
        if one.role == "product" and one.fold in results.regions.folds
    }
    of_folds = " and ".join(f"{count} (`{operator}`)" for operator, count in steps.items())
    rows = []
    for training in product:
        facts = results.facts(training)
        name = f"{training.operator}, fine-tuned on true pairs at sea" if training.start else training.operator
        speed = f"{facts['samples_per_second']:.0f} on {facts['threads']} CPU thread(s)"
        cells = [f"{facts['parameters']:,}", f"{facts['mflop_per_lr_px']:.2f}", f"{facts['steps']:,}", speed]
        rows.append([name, *cells])
    recipe = ", ".join(f"{name} {value}" for name, value in RECIPE.items())
    text = f"""# Results

Written by `python benchmarks/accuracy.py --data FOLDER`; do not edit. [Depth](depth-cpu.md) compares numbers of
ResBlocks. Protocol:

- The bundled model has a net for each operator, the way in which the cells of the input came from the terrain: `gebco` for the
  land of GEBCO, `mean` for block means, `blind` for unknown grids and for the sea floor of GEBCO.
- Whole files are held out. All files under one GEBCO grid belong to the same fold; training patches keep a distance of two
  LR pixels from held-out ground, and each place is scored by nets that were not trained on it. Those nets were trained for
  {of_folds} steps, fewer than the nets that ship. No net is trained on the places of fold `{NEVER_TRAINED}`. Options were
  chosen on fold {results.regions.development_fold}, the Gaussians of `gebco` on fold C and the land of other surveys, so those gains may be slightly optimistic.
- Each raster is super-resolved as a whole. Gains are those of the RMSE over bicubic interpolation (PyTorch and OpenCV: a = -0.75,
  half-pixel centres), in per cent, unless a column names another metric. For real grids the outermost 20 pixels are not
  scored, and the mean error is removed from both methods unless a column says otherwise.
- Trainings draw patches of 32 x 32 LR pixels from all rasters, {BATCH} to a step: {recipe}.

| net | weights | MFLOP per LR pixel | steps | patches per second |
| --- | --: | --: | --: | --: |
"""
    picture = "![Input, truth, bicubic, prediction and error in the centres of held-out places](pictures/accuracy.png)"
    return [*text.splitlines(), *(_row(row) for row in rows), "", picture, ""]


def _real_land(results: Results) -> Lines:
    places = results.of_kind("srtm")

    def nominal_rmse(place: Place) -> float:
        return results.scores[place.name][NOMINAL]["unbiased_rmse_m"]

    columns: dict[str, Callable[[Place], float]] = {
        LINEAR: lambda place: results.gain(place, LINEAR),
        "**ours**": lambda place: results.gain(place, OURS),
        "with mean error": lambda place: results.gain(place, OURS, metric="rmse_m"),
        "slope": lambda place: results.gain(place, OURS, metric="slope_rmse_deg"),
        "bicubic, by registration alone": lambda place: results.gain(place, BICUBIC, reference=NOMINAL),
        "ours, `--placement srtm`": lambda place: results.gain(place, OURS, reference=NOMINAL),
    }
    rows = [
        [
            place.name,
            place.group,
            place.fold,
            f"{results.scores[place.name][BICUBIC]['unbiased_rmse_m']:.2f}",
            *(_percent(column(place)) for column in columns.values()),
            f"{nominal_rmse(place):.2f}",
        ]
        for place in _ordered(places)
    ]
    rolling = [place for place in places if place.group != "plain"]
    for title, some in (("**mean**", places), ("**mean without plains**", rolling)):
        rows.append([title, "", "", "", *(_percent(_mean(column, some)) for column in columns.values()), ""])
    rows.append(["**worst**", "", "", "", *(_percent(_worst(column, places)) for column in columns.values()), ""])
    heads = ["place", "landform", "fold", "bicubic RMSE (m)", *columns, "bicubic RMSE at nominal positions (m)"]
    return [
        "## Real GEBCO, land",
        "",
        "The truth is the SRTM that GEBCO was made from. The land of GEBCO lies half a pixel, 1.5 arc-seconds, north-east of where it",
        "is. The first columns compare both methods on the pixels of the SRTM. The last columns take bicubic interpolation at the",
        "nominal positions of the cells, as a user of the file would: the gain by registration alone is that of bicubic",
        "interpolation moved by the known shift, and `--placement srtm` writes our result at the true positions.",
        "",
        *_table(heads, rows),
        "",
    ]


def _independent_land(results: Results) -> Lines:
    places = results.of_kind("land")
    rows = [
        [
            place.name,
            place.fold,
            f"{results.scores[place.name][BICUBIC]['unbiased_rmse_m']:.2f}",
            *(_percent(results.gain(place, OURS, metric=metric)) for metric in ("unbiased_rmse_m", "slope_rmse_deg")),
        ]
        for place in _ordered(places)
    ]
    rows.append(["**mean**", "", "", _percent(results.mean_gain(places, OURS)), ""])
    return [
        "## Real GEBCO, land, another survey",
        "",
        "The truth is the land of GMRT, a survey of its own, co-registered with GEBCO.",
        "",
        *_table(["place", "fold", "bicubic RMSE (m)", "**ours**", "slope"], rows),
        "",
    ]


def _real_sea(results: Results) -> Lines:
    places = results.of_kind("sea")
    developed = [place for place in places if place.fold != NEVER_TRAINED]
    rows = []
    for place in _ordered(places):
        others = [one for one in developed if one.fold != place.fold]
        width = max(WIDTHS_PX, key=lambda one: results.mean_gain(others, gaussian_name(one)))
        best = max(WIDTHS_PX, key=lambda one: results.gain(place, gaussian_name(one)))
        powers = [
            results.scores[place.name][method].get("short_wave_power_ratio", math.nan) for method in (BICUBIC, OURS)
        ]
        rows.append(
            [
                place.name,
                place.fold,
                f"{results.scores[place.name][BICUBIC]['unbiased_rmse_m']:.2f}",
                f"{_percent(results.gain(place, gaussian_name(width)))} ({width})",
                f"{_percent(results.gain(place, gaussian_name(best)))} ({best})",
                f"**{_percent(results.gain(place, OURS))}**",
                _percent(results.gain(place, OURS, metric="slope_rmse_deg")),
                " / ".join("-" if math.isnan(power) else f"{power:.2g}" for power in powers),
            ]
        )
    single = {width: results.mean_gain(developed, gaussian_name(width)) for width in WIDTHS_PX}
    width = max(single, key=lambda one: single[one])
    heads = [
        "place",
        "held out",
        "bicubic RMSE (m)",
        "Gaussian fitted elsewhere (pixels)",
        "its own best Gaussian (pixels)",
    ]
    heads += ["**ours**", "slope", "power below two LR pixels, bicubic / ours"]
    return [
        "## Real GEBCO, sea",
        "",
        "The truth is a survey that GEBCO does not contain: GMRT with pixels of 2 to 8 arc-seconds (Balanus and Monterey 2, Juan de",
        "Fuca and Choctawhatchee 4, Bab el Mandeb 8), NCEI with 6.7. Nets are fine-tuned without the place that they are scored on;",
        f"Balanus is never trained on. The best single Gaussian after bicubic has {width} pixels and gains {single[width]:.1f} % in the mean of all",
        f"places but Balanus, ours {results.mean_gain(developed, OURS):.1f} %.",
        "",
        *_table(heads, rows),
        "",
    ]


def _paper(results: Results) -> Lines:
    land, sea = results.of_kind("srtm"), results.of_kind("sea")
    on_land = float(np.mean([results.gain(place, OURS, reference=NOMINAL) for place in land]))
    moved = float(np.mean([results.gain(place, BICUBIC, reference=NOMINAL) for place in land]))
    at_sea = results.mean_gain(sea, OURS)
    rows = [
        ["Zhang et al. 2022, their places", *(f"{_PAPER[key]:.2f}" for key in ("land", "sea", "mean"))],
        ["ours, our places", _percent(on_land), _percent(at_sea), _percent((on_land + at_sea) / 2)],
        ["bicubic moved by the known shift", _percent(moved), "", ""],
    ]
    return [
        "## Beside the paper",
        "",
        "Gain over bicubic interpolation at nominal positions. The places differ; the paper does not publish its own.",
        "",
        *_table(["", "land", "sea floor", "mean of both"], rows),
        "",
    ]


def _block_means(results: Results, domain: str, title: str) -> Lines:
    places = results.of_kind("block mean", domain)
    methods = (PROJECTED, LINEAR, OURS)
    metrics = ("slope_rmse_deg", "nmad_m", "le90_m")

    def cells(gains: Callable[[str, str], float]) -> list[str]:
        return [_percent(gains(one, "rmse_m")) for one in methods] + [_percent(gains(OURS, one)) for one in metrics]

    rows = [
        [
            place.name,
            place.group,
            place.fold,
            f"{results.scores[place.name][BICUBIC]['rmse_m']:.2f}",
            *cells(lambda method, metric, place=place: results.gain(place, method, metric=metric)),  # type: ignore[misc]
        ]
        for place in _ordered(places)
    ]
    rows.append(
        ["**mean**", "", "", "", *cells(lambda method, metric: results.mean_gain(places, method, metric=metric))]
    )
    heads = ["region", "landform", "fold", "bicubic RMSE (m)", PROJECTED, LINEAR, "**ours**", "slope", "NMAD", "LE90"]
    return [f"## {title}", "", *_table(heads, rows), ""]


def _synthetic(results: Results) -> Lines:
    errors = read_json(scores_of(results.work, SYNTHETIC))
    methods = list(next(iter(errors.values())))
    rows = [[terrain, *(f"{found[method]:.3f}" for method in methods)] for terrain, found in errors.items()]
    return [
        "## Terrain that whole metres turn into steps",
        "",
        "RMSE against the terrain before it was rounded, metres.",
        "",
        *_table(["terrain", *methods], rows),
        "",
    ]


def _comparison(results: Results) -> Lines:
    trainings = [one for one in results.trainings if one.role == "comparison"]
    if not trainings:
        return []
    fold = results.regions.comparison_fold
    places = _ordered([one for one in results.of_kind("srtm") if one.fold == fold])
    by_method: dict[str, list[Training]] = {}
    for training in trainings:
        by_method.setdefault(training.method, []).append(training)

    def gains(some: Sequence[Place], runs: Sequence[Training]) -> list[float]:
        return [results.mean_gain(some, run.name) for run in runs]

    rows = []
    for title, some in [*((place.name, [place]) for place in places), ("**mean**", places)]:
        found = {method: gains(some, runs) for method, runs in by_method.items()}
        best = max(float(np.mean(values)) for values in found.values())
        cells = [_interval(values, best=best) for values in found.values()]
        rows.append([title, _percent(results.mean_gain(some, LINEAR)), *cells])
    sizes = []
    for method, runs in by_method.items():
        facts = results.facts(runs[0])
        sizes.append([method, f"{facts['parameters']:,}", f"{facts['mflop_per_lr_px']:.2f}", f"{facts['steps']:,}"])
    errors = {
        name: {
            f"{place.name}, {metric}": float(np.mean([results.scores[place.name][key][metric] for key in keys]))
            for place in places
            for metric in RANKED
        }
        for name, keys in {
            **{method: [run.name for run in runs] for method, runs in by_method.items()},
            **{method: [method] for method in (BICUBIC, PROJECTED, LINEAR)},
        }.items()
    }
    ranked = ranking(errors)
    return [
        f"## Nets at equal FLOP on real GEBCO: {trainings[0].budget_tflop:g} TFLOP each, {len(by_method[OURS])} seeds",
        "",
        f"Trained without fold {fold} on the law of GEBCO on land, scored on its places: mean of the seeds ± half their range; the",
        "best method is bold. EDSR, VDSR and SRCNN are the published architectures on our base interpolation, with our units, loss",
        "and optimiser; the reference formulation has its own base and units. ESRGAN was not measured: its adversarial loss gives",
        "up accuracy in metres for texture.",
        "",
        *_table(["place", LINEAR, *by_method], rows),
        "",
        *_table(["net", "weights", "MFLOP per LR pixel", "training steps"], sizes),
        "",
        f"Ranks over {ranked.blocks} blocks, a place with one of the metrics {', '.join(RANKED)}. Friedman's test of equal methods:",
        f"p = {ranked.p_value:.1g}. Mean ranks that differ by more than {ranked.critical_difference:.2f} are significantly different at the 5 % level",
        "(Nemenyi).",
        "",
        *_table(["method", "mean rank"], [[method, f"{rank:.2f}"] for method, rank in ranked.mean_rank.items()]),
        "",
    ]


def _variants(results: Results) -> Lines:
    trainings = [one for one in results.trainings if one.role == "variants"]
    if not trainings:
        return []
    fold = results.regions.development_fold
    places = [one for one in results.of_kind("srtm") if one.fold == fold]
    rows = []
    for training in trainings:
        facts = results.facts(training)
        size = [f"{facts['parameters']:,}", f"{facts['mflop_per_lr_px']:.2f}", f"{facts['steps']:,}"]
        rows.append([training.method, *size, _percent(results.mean_gain(places, training.name))])
    return [
        f"## Variants: one change each, {trainings[0].budget_tflop:g} TFLOP",
        "",
        f"Mean gain on the real GEBCO of fold {fold}; one seed.",
        "",
        *_table(["variant", "weights", "MFLOP per LR pixel", "training steps", "land"], rows),
        "",
    ]


def _detail(results: Results) -> Lines:
    rows = []
    for place in results.places:
        for method in (BICUBIC, OURS):
            scores = results.scores[place.name][method]
            cells = (_metric(scores.get(column, math.nan), column) for column in _METRICS)
            rows.append([place.name if method == BICUBIC else "", method, *cells])
    return [
        "## All metrics",
        "",
        "Consistency is the RMS difference between the block means of the result and the input. `coherent to` is the shortest",
        "wavelength at which the result is coherent with the truth (coherence above 0.5). The power ratio is the power of the",
        "result relative to the truth at wavelengths below two LR pixels.",
        "",
        *_table(["place", "method", *map(_with_unit, _METRICS)], rows),
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


def _ordered(places: Sequence[Place]) -> list[Place]:
    return sorted(places, key=lambda one: (one.group, one.name))


def _mean(column: Callable[[Place], float], places: Sequence[Place]) -> float:
    return float(np.mean([column(place) for place in places]))


def _worst(column: Callable[[Place], float], places: Sequence[Place]) -> float:
    return min(column(place) for place in places)


def _interval(values: Sequence[float], *, best: float) -> str:
    text = f"{np.mean(values):.1f} ± {np.ptp(values) / 2:.1f}"
    return f"**{text}**" if float(np.mean(values)) == best else text


def _percent(value: float) -> str:
    return f"{value:.1f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Lines:
    aligned = ["---", *["--:"] * (len(heads) - 1)]
    return [_row(cells) for cells in (heads, aligned, *rows)]
