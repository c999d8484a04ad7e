"""The report of made scores: every number in it is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from protocol.calibration import HeldOut
from protocol.methods import COMPARED, OURS, VARIANTS
from protocol.regions import EVERYTHING, NEVER_TRAINED, RealPair, Region, Regions
from protocol.report import BICUBIC, LINEAR, write_report
from protocol.results import Results, baselines_name, scores_of
from protocol.shipping import ship
from protocol.training import Training

from demsr.evaluation.calibration import ErrorSample
from demsr.model.checkpoint import read_config

METRICS = (
    "rmse_m",
    "mae_m",
    "bias_m",
    "nmad_m",
    "le90_m",
    "p95_m",
    "slope_rmse_deg",
    "aspect_rmse_deg",
    "roughness_rmse_m",
    "consistency_m",
    "shift_east_px",
    "shift_south_px",
)
REGIONS = Regions(
    files=[
        Region("a", "plain A", "land", "plain", "A", "public domain"),
        Region("b", "mountain B", "land", "mountain", "B", "public domain"),
        Region("c", "shelf C", "marine", "shelf", NEVER_TRAINED, "not stated"),
    ],
    real=[RealPair("lr", "c", "true pair")],
    development_fold="A",
    comparison_fold="B",
    land_mix={"plain": 0.25, "mountain": 0.75},
    land_five=["plain A", "mountain B"],
)
SEEN_BY = {
    "A": ["plain A", "shelf C", "true pair"],
    "B": ["mountain B", "shelf C", "true pair"],
    EVERYTHING: ["shelf C", "true pair"],
}


def errors(value: float) -> dict[str, float]:
    return {**dict.fromkeys(METRICS, value), "coherent_to_m": 900.0}


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    trainings = [Training("product", OURS, fold, 0, 300.0) for fold in ("A", "B", EVERYTHING)]
    trainings += [Training("comparison", name, "B", seed, 16.0) for seed in (0, 1) for name in COMPARED]
    trainings += [Training("variants", name, "A", 0, 16.0) for name in (OURS, *VARIANTS)]
    error_of = {"plain A": 9.0, "mountain B": 7.0, "shelf C": 8.0, "true pair": 6.0}  # bicubic has 10 everywhere
    for training in trainings:
        seen = SEEN_BY[training.fold]
        worse = 0 if training.method == OURS else 1 + training.seed
        scores = {"net": {name: errors(error_of[name] + worse) for name in seen}}
        if training.role == "product":
            scores |= {kind: {name: errors(error_of[name] - 1) for name in seen} for kind in ("back-projected",)}
            scores["turned"] = {name: {"net": [error_of[name]] * 8, "bicubic": [10.0] * 8} for name in seen}
            scores["rings"] = {name: {"net": [5.0, 4.0], "bicubic": [10.0, 10.0]} for name in seen}
        write(scores_of(tmp_path, training.name), scores)
        facts = {
            "parameters": 80_000,
            "mflop_per_lr_px": 1.25,
            "steps": 9_000,
            "samples_per_second": 90.0,
            "threads": 1,
        }
        write(tmp_path / "trained" / training.name / "facts.json", {**facts, "pairs": 12_345, "pairs_sha256": "0"})
    for fold, seen in SEEN_BY.items():
        levels = {BICUBIC: 10.0, "bicubic_a-0.5": 10.5, "back_projected_bicubic": 9.5, LINEAR: 9.2}
        content = {method: {name: errors(level) for name in seen} for method, level in levels.items()}
        write(scores_of(tmp_path, baselines_name(fold)), content)
    return Results(REGIONS, trainings, tmp_path)


def rows(path: Path, section: str) -> dict[str, list[str]]:
    text = path.read_text().split(f"## {section}")[1].split("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    return {row[0]: row[1:] for row in cells}


def test_the_report_weighs_landforms_and_names_the_worst(results, tmp_path):
    write_report(tmp_path / "results.md", results)
    found = rows(tmp_path / "results.md", "RMSE gain over bicubic")
    land = 0.25 * 10 + 0.75 * 30
    assert found["**ours**"] == [f"{land:.1f}", "20.0", "20.0", "10.0", f"{land:.1f}", "20.0", "20.0", "20.0"]
    assert found["linear 7 x 7"][:4] == ["8.0", "8.0", "8.0", "8.0"]
    assert found["ours, back-projected"][0] == f"{0.25 * 20 + 0.75 * 40:.1f}"


def test_the_report_has_every_region_with_its_distance_to_the_linear_filter(results, tmp_path):
    write_report(tmp_path / "results.md", results)
    found = rows(tmp_path / "results.md", "Land")
    assert found["mountain B"][:7] == ["mountain", "B", "10.00", "5.0", "8.0", "**30.0**", "22.0"]
    assert rows(tmp_path / "results.md", "True pairs")["true pair"][5] == "**40.0**"
    assert rows(tmp_path / "results.md", "Sea floor")["shelf C"][5] == "**20.0**"


def test_the_report_compares_seeds_and_marks_the_best(results, tmp_path):
    write_report(tmp_path / "results.md", results)
    found = rows(tmp_path / "results.md", "Nets at equal FLOP")
    assert found["mountain B"][1] == "**30.0 ± 0.0**"
    assert found["mountain B"][2] == "15.0 ± 5.0"  # errors of 8 and 9 over 10
    ranks = (tmp_path / "results.md").read_text().split("### Ranking")[1]
    assert ranks.index(f"| {OURS} | 1.00 |") < ranks.index("| bicubic | ") < ranks.index("| bicubic, a = -0.5 |")
    assert len(rows(tmp_path / "results.md", "Variants")) == 2 + 1 + len(VARIANTS)


def made_sample(region: Region) -> HeldOut:
    features, flat = np.zeros((5, 3), np.float32), np.zeros(3, np.float32)
    return HeldOut(region, False, ErrorSample(region.name, features, np.array([1, -2, 3], np.float32), flat))


def test_the_card_repeats_the_numbers_of_the_report(results, tmp_path, monkeypatch):
    from protocol.methods import new_net

    monkeypatch.setattr("protocol.shipping.trained_net", lambda *_: new_net(OURS, seed=0))
    monkeypatch.setattr("protocol.shipping.held_out", lambda _: [made_sample(region) for region in REGIONS.files])
    ship(results, tmp_path / "weights")
    assert read_config(tmp_path / "weights").uncertainty.areas == ("plain A", "mountain B")
    card = (tmp_path / "weights" / "README.md").read_text()
    assert f"| land, landforms weighted | {0.25 * 10 + 0.75 * 30:.1f} % | 10.0 % |" in card
    assert "| true pair: true pair | 40.0 % | |" in card
    assert "| plain A | land | public domain |" in card
    assert "shelf C" not in card
