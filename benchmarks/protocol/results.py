"""The scores of a finished protocol: who is judged by which training."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from demsr.runtime.files import read_json
from protocol.regions import EVERYTHING, NEVER_TRAINED, Regions
from protocol.training import Training

Metrics = Mapping[str, float]
Scores = Mapping[str, Metrics]  # by region


def scores_of(work: Path, name: str) -> Path:
    """Return where the scores of a training, or of the baselines of a fold, lie."""
    return work / "scores" / f"{name}.json"


def baselines_name(fold: str) -> str:
    """Return the name of the scores of a fold's baselines."""
    return f"baselines, fold {fold}"


class Results:
    """All scores, as the work folder has them."""

    def __init__(self, regions: Regions, trainings: Sequence[Training], work: Path) -> None:
        self.regions, self.trainings, self.work = regions, trainings, work
        self.product = {one.fold: one for one in trainings if one.role == "product"}
        self.comparison = [one for one in trainings if one.role == "comparison"]
        self.variants = [one for one in trainings if one.role == "variants"]

    def of(self, training: Training, kind: str = "net") -> Any:
        """Return scores of a training by region."""
        return read_json(scores_of(self.work, training.name))[kind]

    def baseline(self, fold: str, method: str) -> Scores:
        """Return the scores of a baseline by region."""
        found: Scores = read_json(scores_of(self.work, baselines_name(fold)))[method]
        return found

    def facts(self, training: Training) -> dict[str, Any]:
        """Return what is known of a training."""
        found: dict[str, Any] = read_json(self.work / "trained" / training.name / "facts.json")
        return found

    def held_out(self, region: str) -> str:
        """Return the fold whose training has not seen a region: the one of everything for what is never trained on."""
        folds = {one.name: one.fold for one in self.regions.files}
        return EVERYTHING if folds.get(region, NEVER_TRAINED) == NEVER_TRAINED else folds[region]

    def product_scores(self, names: Iterable[str], kind: str = "net") -> Scores:
        """Return the product's scores on regions that it has not seen."""
        return {name: self.of(self.product[self.held_out(name)], kind)[name] for name in names}

    def baseline_scores(self, names: Iterable[str], method: str) -> Scores:
        """Return a baseline's scores on regions that it has not seen."""
        return {name: self.baseline(self.held_out(name), method)[name] for name in names}


def gain(of: Metrics, over: Metrics, metric: str = "rmse_m") -> float:
    """Return by how many per cent an error lies below another."""
    return 100 * (1 - of[metric] / over[metric])


def land_mean(regions: Regions, by_region: Mapping[str, float]) -> float:
    """Return the one number for land: the mean of each landform, weighted as regions.yaml says."""
    forms = {one.name: one.landform for one in regions.files if one.domain == "land"}
    means = {
        form: float(np.mean([value for name, value in by_region.items() if forms.get(name) == form]))
        for form in regions.land_mix
    }
    return sum(share * means[form] for form, share in regions.land_mix.items())
