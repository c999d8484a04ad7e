"""Scores of a finished protocol, each region from a net that was not trained on it."""

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
    """Return the file with the scores of a training, or of the baselines of a fold."""
    return work / "scores" / f"{name}.json"


def baselines_name(fold: str) -> str:
    """Return the name of the score file of a fold's baselines."""
    return f"baselines, fold {fold}"


class Results:
    """Scores of all trainings in a work folder.

    Parameters
    ----------
    regions : regions of the protocol
    trainings : trainings to report
    work : work folder with their scores
    """

    def __init__(self, regions: Regions, trainings: Sequence[Training], work: Path) -> None:
        self.regions, self.trainings, self.work = regions, trainings, work
        self.product = {one.fold: one for one in trainings if one.role == "product"}
        self.comparison = [one for one in trainings if one.role == "comparison"]
        self.variants = [one for one in trainings if one.role == "variants"]

    def of(self, training: Training, kind: str = "net") -> Any:
        """Return the scores of a training by region."""
        return read_json(scores_of(self.work, training.name))[kind]

    def baseline(self, fold: str, method: str) -> Scores:
        """Return the scores of a baseline by region."""
        found: Scores = read_json(scores_of(self.work, baselines_name(fold)))[method]
        return found

    def facts(self, training: Training) -> dict[str, Any]:
        """Return size, steps, speed and data of a training."""
        found: dict[str, Any] = read_json(self.work / "trained" / training.name / "facts.json")
        return found

    def held_out(self, region: str) -> str:
        """Return the fold of the net that was not trained on a region; none is trained on the fold `test`."""
        folds = {one.name: one.fold for one in self.regions.files}
        return EVERYTHING if folds.get(region, NEVER_TRAINED) == NEVER_TRAINED else folds[region]

    def product_scores(self, names: Iterable[str], kind: str = "net") -> Scores:
        """Return the scores of the product on regions that it was not trained on."""
        return {name: self.of(self.product[self.held_out(name)], kind)[name] for name in names}

    def baseline_scores(self, names: Iterable[str], method: str) -> Scores:
        """Return the scores of a baseline on regions that it was not fitted to."""
        return {name: self.baseline(self.held_out(name), method)[name] for name in names}


def gain(scores: Metrics, reference: Metrics, metric: str = "rmse_m") -> float:
    """Return by how many per cent an error is smaller than that of a reference method."""
    return 100 * (1 - scores[metric] / reference[metric])


def land_mean(regions: Regions, by_region: Mapping[str, float]) -> float:
    """Return the mean of the landforms with the weights of regions.yaml."""
    forms = {one.name: one.landform for one in regions.files if one.domain == "land"}
    means = {
        form: float(np.mean([value for name, value in by_region.items() if forms.get(name) == form]))
        for form in regions.land_mix
    }
    return sum(share * means[form] for form, share in regions.land_mix.items())
