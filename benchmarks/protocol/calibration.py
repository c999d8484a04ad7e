"""Calibrate the uncertainty of the nets that ship, on errors at places that they were not trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from demsr.evaluation.calibration import ErrorSample, fit_uncertainty, sample_errors
from demsr.model.coast import SEA_LEVEL_M
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty
from demsr.options import Operator
from protocol.places import Nets, Place, scene_of
from protocol.regions import NEVER_TRAINED
from protocol.scenes import SCALE, Scene
from protocol.scoring import product

OPERATORS: dict[str, Operator] = {"srtm": "gebco", "sea": "blind", "block mean": "mean"}
"""Kind of a place -> operator of the net that is calibrated there."""


@dataclass(frozen=True)
class HeldOut:
    """Errors of a place, super-resolved by a net that was not trained on it.

    Attributes
    ----------
    place : description of the place
    sample : errors of sampled pixels
    """

    place: Place
    sample: ErrorSample


def held_out(
    nets: Nets, places: Sequence[Place], rasters: Mapping[str, Path], files: Mapping[str, Path]
) -> list[HeldOut]:
    """Super-resolve every place whose kind calibrates a net; block means are rounded to whole metres, as GEBCO is.

    Parameters
    ----------
    nets : nets of the protocol
    places : all places
    rasters, files : see `scene_of`
    """
    chosen = [place for place in places if place.kind in OPERATORS]
    return [
        HeldOut(place, sample_place(nets, place, scene_of(place, rasters, files)))
        for place in track(chosen, description="held-out places")
    ]


def sample_place(nets: Nets, place: Place, scene: Scene) -> ErrorSample:
    """Sample the errors of the product; the median error of a real pair is no error of the net.

    Parameters
    ----------
    nets : nets of the protocol
    place : description of the place
    scene : its scene
    """
    model: Any = nets.model_for(place)
    net = {"srtm": "land", "land": "land", "sea": "sea"}.get(place.kind)
    chosen = getattr(model, net) if net else model
    assert isinstance(chosen, DemSrNet)
    lr, hr = as_seen(place, scene), scene.hr
    sr = product(model, scene)(scene.lr if place.is_real else lr)
    if place.is_real:
        hr = hr + np.float32(np.nanmedian(sr - hr))
    size = scene.pixel_width_m, scene.pixel_height_m
    return sample_errors(place.name, chosen, torch.tensor(lr)[None, None], hr, size, result=sr)


def as_seen(place: Place, scene: Scene) -> np.ndarray:
    """Return LR as the net for the operator of a place sees it."""
    if place.kind == "block mean":
        return np.round(scene.lr)
    limit = np.minimum if place.kind == "sea" else np.maximum
    return limit(scene.lr, np.float32(SEA_LEVEL_M))


def calibrated(operator: Operator, found: Sequence[HeldOut], *, without: str = NEVER_TRAINED) -> Uncertainty:
    """Calibrate the net of an operator on its places outside a fold; those of the fold `test` never take part.

    Parameters
    ----------
    operator : of the net
    found : errors of all places
    without : fold that is left out
    """
    chosen = [
        one.sample
        for one in found
        if OPERATORS[one.place.kind] == operator and one.place.fold not in (without, NEVER_TRAINED)
    ]
    return fit_uncertainty(chosen, scale=SCALE)
