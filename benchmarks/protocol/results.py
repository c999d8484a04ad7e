"""Scores of a finished protocol, each place from nets that were not trained on it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from demsr.runtime.files import read_json
from protocol.places import Place, all_places
from protocol.regions import Regions
from protocol.scoring import BICUBIC
from protocol.training import Training

Metrics = Mapping[str, float]
RMSE = "unbiased_rmse_m"


def scores_of(work: Path, name: str) -> Path:
    """Return the file with the scores of a place, by method."""
    return work / "scores" / f"{name.replace('/', '-')}.json"


class Results:
    """Scores of all places in a work folder.

    Parameters
    ----------
    regions : regions of the protocol
    trainings : trainings to report
    work : work folder with the scores
    """

    def __init__(self, regions: Regions, trainings: Sequence[Training], work: Path) -> None:
        self.regions, self.trainings, self.work = regions, list(trainings), work
        self.places = all_places(regions)
        self.scores: dict[str, dict[str, Metrics]] = {
            place.name: read_json(scores_of(work, place.name)) for place in self.places
        }

    def of_kind(self, kind: str, domain: str | None = None) -> list[Place]:
        """Return the places of a kind and, if it is given, of a domain."""
        return [one for one in self.places if one.kind == kind and domain in (None, one.domain)]

    def facts(self, training: Training) -> dict[str, Any]:
        """Return size, steps and speed of a training."""
        found: dict[str, Any] = read_json(self.work / "trained" / training.name / "facts.json")
        return found

    def gain(self, place: Place, method: str, *, metric: str = RMSE, reference: str = BICUBIC) -> float:
        """Return by how many per cent an error is smaller than that of a reference method."""
        scores = self.scores[place.name]
        return 100 * (1 - scores[method][metric] / scores[reference][metric])

    def mean_gain(self, places: Iterable[Place], method: str, **how: str) -> float:
        """Return the mean gain over places."""
        return float(np.mean([self.gain(place, method, **how) for place in places]))
