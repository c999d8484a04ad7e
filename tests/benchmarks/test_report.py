"""The report of made scores: every number in it is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from accuracy import trainings
from protocol.calibration import HeldOut
from protocol.methods import COMPARED, OURS, VARIANTS, new_net
from protocol.places import Nets, Place
from protocol.regions import ALWAYS, NEVER_TRAINED, RealPair, Region
from protocol.report import SYNTHETIC, write_report
from protocol.results import Results, scores_of
from protocol.scoring import BICUBIC, LINEAR, NOMINAL, PROJECTED, WIDTHS_PX, gaussian_name
from protocol.shipping import ship

from demsr.evaluation.calibration import ErrorSample
from demsr.model.checkpoint import read_config, read_model

METRICS = (
    *("rmse_m", "unbiased_rmse_m", "mae_m", "bias_m", "nmad_m", "le90_m", "p95_m", "slope_rmse_deg"),
    *("aspect_rmse_deg", "roughness_rmse_m", "consistency_m", "shift_east_px", "shift_south_px"),
)
OURS_M = {
    **{"peaks": 7.0, "plain": 9.0},
    **{"other": 6.0, "gulf": 5.0, "ridge": 8.0, "bank": 9.0},
    **{"region A": 8.0, "region B": 6.0, "shelf": 7.0},
}
"""Place -> error of ours; bicubic has 10 everywhere."""


def errors(value: float) -> dict[str, float]:
    return {**dict.fromkeys(METRICS, value), "slope_rmse_deg": value / 2, "coherent_to_m": 900.0}


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def results(tmp_path: Path, regions_of) -> Results:
    files = [
        Region("a", "region A", "land", "plain", "A", "public domain", block_means=True),
        Region("b", "region B", "land", "mountain", "B", "public domain", block_means=True),
        Region("c", "region C", "land", "mountain", ALWAYS, "public domain"),
        Region("d", "shelf", "marine", "shelf", NEVER_TRAINED, "not stated", block_means=True),
    ]
    real = [
        RealPair("lr", "b", "peaks", "srtm", "B"),
        RealPair("lr", "a", "plain", "srtm", "A"),
        RealPair("lr", "x", "other", "land", NEVER_TRAINED),
        RealPair("deep", "y", "gulf", "sea", "gulf"),
        RealPair("deeper", "z", "ridge", "sea", "ocean"),
        RealPair("deepest", "w", "bank", "sea", NEVER_TRAINED),
    ]
    regions = regions_of(files, real)
    chosen = trainings(regions, ["folds", "comparison", "variants"], share=1.0)
    for training in chosen:
        facts = {"parameters": 80_000, "mflop_per_lr_px": 1.25, "steps": 9_000, "samples_per_second": 90.0}
        facts |= {"threads": 1, "recipe": training.recipe}
        write(tmp_path / "trained" / training.name / "facts.json", facts)
    for pair in [*real, *files]:
        if pair.name == "region C":
            continue
        scores = {BICUBIC: errors(10), PROJECTED: errors(9.5), OURS: errors(OURS_M[pair.name]), LINEAR: errors(9.2)}
        if pair.name in ("peaks", "plain"):
            scores |= {NOMINAL: errors(12.5)}
            worse = [(run, int(run.method != OURS) + run.seed) for run in chosen if run.fold == pair.fold]
            scores |= {run.name: errors(OURS_M[pair.name] + more) for run, more in worse if run.role != "product"}
        best = {"gulf": 2, "ridge": 4, "bank": 8}.get(pair.name, 1)
        scores |= {gaussian_name(width): errors(9 + (width - best) ** 2 / 10) for width in WIDTHS_PX}
        write(scores_of(tmp_path, pair.name), scores)
    write(scores_of(tmp_path, SYNTHETIC), {"plateau": {BICUBIC: 0.3, OURS: 0.25}})
    return Results(regions, chosen, tmp_path)


@pytest.fixture
def text(results, tmp_path) -> str:
    write_report(tmp_path / "results.md", results)
    return (tmp_path / "results.md").read_text()


def rows(text: str, section: str) -> dict[str, list[str]]:
    part = text.split(f"## {section}\n")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:2] == "| "]
    return {row[0]: row[1:] for row in cells}


def test_gain_is_the_share_of_the_error_that_went(results):
    peaks, plain = results.of_kind("srtm")
    assert results.gain(peaks, OURS) == pytest.approx(30)
    assert results.gain(peaks, OURS, reference=NOMINAL) == pytest.approx(100 * (1 - 7 / 12.5))
    assert results.gain(peaks, BICUBIC, reference=NOMINAL) == pytest.approx(20)
    assert results.mean_gain([peaks, plain], OURS) == pytest.approx(20)
    assert [one.name for one in results.of_kind("block mean", "marine")] == ["shelf"]


def test_real_land_has_gains_on_the_srtm_and_at_nominal_positions(text):
    found = rows(text, "Real GEBCO, land")
    assert found["peaks"] == ["mountain", "B", "10.00", "8.0", "30.0", "30.0", "30.0", "20.0", "44.0", "12.50"]
    assert found["**mean**"][3:] == ["8.0", "20.0", "20.0", "20.0", "20.0", "36.0", ""]
    assert found["**mean without plains**"][4] == "30.0"
    assert found["**worst**"][3:9] == ["8.0", "10.0", "10.0", "10.0", "20.0", "28.0"]
    assert rows(text, "Real GEBCO, land, another survey")["other"] == [NEVER_TRAINED, "10.00", "40.0", "40.0"]


def test_a_gaussian_at_sea_is_chosen_at_the_other_places(text):
    found = rows(text, "Real GEBCO, sea")
    assert found["gulf"][:6] == ["gulf", "10.00", "6.0 (4)", "10.0 (2)", "**50.0**", "50.0"]
    assert found["ridge"][:5] == ["ocean", "10.00", "6.0 (2)", "10.0 (4)", "**20.0**"]
    assert found["bank"][:5] == [NEVER_TRAINED, "10.00", "-15.0 (3)", "10.0 (8)", "**10.0**"]
    assert "has 3 pixels and gains 9.0 % in the mean of all\nplaces but Balanus, ours 35.0 %" in text


def test_the_numbers_beside_the_paper_are_those_at_nominal_positions(text):
    found = rows(text, "Beside the paper")
    assert found["ours, our places"] == ["36.0", f"{80 / 3:.1f}", f"{(36 + 80 / 3) / 2:.1f}"]
    assert found["bicubic moved by the known shift"][0] == "20.0"
    assert found["Zhang et al. 2022, their places"] == ["34.20", "16.80", "23.75"]


def test_block_means_are_scored_with_their_mean_error(text):
    found = rows(text, "Block means on land, 3 arc-seconds")
    assert found["region B"] == ["mountain", "B", "10.00", "5.0", "8.0", "40.0", "40.0", "40.0", "40.0"]
    assert found["**mean**"][3:6] == ["5.0", "8.0", "30.0"]
    assert "region C" not in found
    sea = rows(text, "Block means of the sea floor, at the spacing of each survey (scale-free)")
    assert sea["shelf"][:6] == ["shelf", NEVER_TRAINED, "10.00", "5.0", "8.0", "30.0"]
    assert rows(text, "Terrain that whole metres turn into steps")["plateau"] == ["0.300", "0.250"]


def test_the_report_compares_seeds_and_marks_the_best(text):
    found = rows(text, "Nets at equal FLOP on real GEBCO: 16 TFLOP each, 2 seeds")
    assert found["**mean**"] == found["peaks"]  # the only place of the fold
    assert found["peaks"][1] == "**25.0 ± 5.0**"  # errors of 7 and 8 over 10
    assert found["peaks"][2] == "15.0 ± 5.0"
    assert len(found["peaks"]) == 1 + len(COMPARED)
    ranks = text.split("(Nemenyi).")[1]
    assert ranks.index(f"| {OURS} | 1.00 |") < ranks.index(f"| {LINEAR} | ") < ranks.index("| bicubic | ")


def test_variants_are_scored_on_the_development_fold(text):
    found = rows(text, "Variants: one change each, 16 TFLOP")
    assert found[OURS][-1] == "10.0"
    assert {found[name][-1] for name in VARIANTS} == {"0.0"}


def test_all_metrics_of_all_places_are_listed(results, text):
    found = text.split("## All metrics\n")[1]
    lines = [line for line in found.splitlines() if line.startswith(("| |", "|  |")) or "| bicubic |" in line]
    assert len(lines) == 2 * len(results.places)
    assert "| peaks | bicubic | 10 | 10 | 10 | 10 | 10 | 10 | 5 | 10 | 10 | 10 | 10 | 10 | 900 | - |" in found


def test_parts_that_were_not_trained_have_no_section(results, tmp_path):
    only = [one for one in results.trainings if one.role == "product"]
    write_report(tmp_path / "short.md", Results(results.regions, only, results.work))
    written = (tmp_path / "short.md").read_text()
    assert "equal FLOP" not in written
    assert "Variants" not in written
    assert "## All metrics" in written


def made_sample(place: Place) -> HeldOut:
    features, flat = np.zeros((5, 3), np.float32), np.zeros(3, np.float32)
    return HeldOut(place, ErrorSample(place.name, features, np.array([1, -2, 3], np.float32), flat))


def test_the_card_repeats_the_numbers_of_the_report(results, tmp_path, monkeypatch):
    seeds = {"gebco": 1, "mean": 2, "blind": 3}
    monkeypatch.setattr("protocol.places._read", lambda training, _: new_net(OURS, seed=seeds[training.operator]))
    nets = Nets(results.regions, results.trainings, results.work)
    found = [made_sample(place) for place in results.places if place.kind != "land"]
    ship(results, nets, found, tmp_path / "weights")
    configs = {operator: read_config(tmp_path / "weights" / operator) for operator in seeds}
    areas = {operator: config.uncertainty.areas for operator, config in configs.items()}
    assert areas == {"gebco": ("peaks", "plain"), "mean": ("region A", "region B"), "blind": ("gulf", "ridge")}
    land = ["region A", "region B", "region C"]
    regions = {operator: config.training["regions"] for operator, config in configs.items()}
    assert regions == {"gebco": land, "mean": land, "blind": [*land, "gulf", "ridge"]}
    weights = read_model(tmp_path / "weights" / "blind").state_dict()
    for name, value in new_net(OURS, seed=3).state_dict().items():
        np.testing.assert_allclose(weights[name], value, rtol=1e-3, atol=1e-7)
    card = (tmp_path / "weights" / "README.md").read_text()
    assert "| real GEBCO on land | 20.0 % | 10.0 % | 20.0 % |" in card
    assert "| the same, at true instead of nominal positions | 36.0 % | 28.0 % | 20.0 % |" in card
    assert "| real GEBCO on land, another survey | 40.0 % | 40.0 % | 40.0 % |" in card
    assert f"| real GEBCO at sea | {80 / 3:.1f} % | 10.0 % | {80 / 3:.1f} % |" in card
    assert "| block means on land | 30.0 % | 20.0 % | 30.0 % |" in card
    assert "| block means of the sea floor | 30.0 % | 30.0 % | 30.0 % |" in card
    assert "| region C | land | public domain |" in card
    assert "| shelf | marine |" not in card  # never trained on
    for operator, config in configs.items():
        assert f"`{operator}/weights.safetensors`" in card
        assert config.weights_sha256 in card
