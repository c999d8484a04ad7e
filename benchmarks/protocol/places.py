"""Places that the protocol scores, and the nets that were not trained on them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

import numpy as np
from torch import nn

from demsr.model.coast import CoastNet
from demsr.model.srnet import DemSrNet
from protocol.methods import OURS
from protocol.regions import EVERYTHING, Regions
from protocol.scenes import SCALE, Scene, block_mean_scene, srtm_scene, survey_scene
from protocol.training import Training, trained_net

Kind = Literal["srtm", "land", "sea", "block mean"]
_BORDER_PX = 20  # of a real pair, HR pixels that are not scored


@dataclass(frozen=True)
class Place:
    """A scene of the protocol.

    Attributes
    ----------
    name : in the report, unique
    kind : real GEBCO with the SRTM it was made from, with another survey on land or at sea, or block means
    group : landform of a raster; the kind of a real pair
    domain : "land" or "marine"
    fold : fold that it belongs to
    hr : name of the raster with the truth
    lr : name of the grid, None for block means
    """

    name: str
    kind: Kind
    group: str
    domain: str
    fold: str
    hr: str
    lr: str | None = None

    @property
    def is_real(self) -> bool:
        """Whether LR is a real grid."""
        return self.lr is not None


def all_places(regions: Regions) -> list[Place]:
    """Return the true pairs, and block means of the files that the protocol holds out."""
    held_out = {*regions.folds, "test"}
    forms = {one.stem: one.landform for one in regions.files}
    real = [
        Place(
            name=pair.name,
            kind=pair.kind,
            group=forms.get(pair.hr, pair.kind),
            domain="marine" if pair.kind == "sea" else "land",
            fold=pair.fold,
            hr=pair.hr,
            lr=pair.lr,
        )
        for pair in regions.real
    ]
    means = [
        Place(one.name, "block mean", one.landform, one.domain, one.fold, one.stem)
        for one in regions.files
        if one.fold in held_out and one.block_means
    ]
    return [*real, *means]


def scene_of(place: Place, rasters: Mapping[str, Path], files: Mapping[str, Path]) -> Scene:
    """Read the scene of a place.

    Parameters
    ----------
    place : what to read
    rasters : harmonised rasters by name
    files : original files by name, for the true pairs
    """
    if place.lr is None:
        return block_mean_scene(place.name, rasters[place.hr])
    if place.kind == "srtm":
        scene = srtm_scene(place.name, files[place.lr], rasters[place.hr])
    else:
        scene = survey_scene(place.name, files[place.lr], files[place.hr], at_sea=place.kind == "sea")
    inner = np.full(scene.hr.shape, np.nan, np.float32)
    inside = np.s_[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX]
    inner[inside] = scene.hr[inside]
    return replace(scene, hr=inner)


class Nets:
    """The nets that the model of the protocol consists of, by what they were not trained on.

    Parameters
    ----------
    regions : regions of the protocol
    trainings : all trainings
    work : work folder
    """

    def __init__(self, regions: Regions, trainings: list[Training], work: Path) -> None:
        self.regions, self.work = regions, work
        product = [one for one in trainings if one.role == "product" and one.method == OURS]
        self.land = {one.fold: one for one in product if one.operator == "gebco"}
        self.mean = {one.fold: one for one in product if one.operator == "mean"}
        self.compared = [one for one in trainings if one.role != "product"]
        self.sea = {one.fold: one for one in product if one.operator == "blind" and one.start}

    def model_for(self, place: Place) -> DemSrNet | CoastNet:
        """Return the model for a place; none of its nets was trained on it."""
        if not place.is_real:
            return cast("DemSrNet", self.read(self.mean[self.held_out(place)]))
        return self.coast(self.read(self.land[self.held_out(place)]), place)

    def coast(self, land: nn.Module, place: Place) -> CoastNet:
        """Join a net for land with the net for the sea floor that was not trained on a place."""
        at_sea = place.fold if place.kind == "sea" and place.fold in self.sea else EVERYTHING
        return CoastNet(land, self.read(self.sea[at_sea]), scale=SCALE)

    def held_out(self, place: Place) -> str:
        """Return the fold of the net for land that was not trained on a place."""
        return place.fold if place.fold in self.regions.folds else EVERYTHING

    def read(self, training: Training) -> nn.Module:
        """Read the net of a finished training."""
        return _read(training, self.work)


@lru_cache(maxsize=32)
def _read(training: Training, work: Path) -> nn.Module:
    return trained_net(training, work)
