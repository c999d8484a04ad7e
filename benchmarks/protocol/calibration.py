"""The uncertainty of the shipped net, from the errors that its siblings make on regions that they have not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from demsr.evaluation.calibration import ErrorSample, fit_uncertainty, sample_errors
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty
from protocol.regions import NEVER_TRAINED, Region
from protocol.results import Results
from protocol.scoring import SCALE, Scene, block_mean_scene
from protocol.training import trained_net


@dataclass(frozen=True)
class HeldOut:
    """ErrorSample of a region, super-resolved by a net that has not seen it.

    Attributes
    ----------
    whole_metres : whether LR was rounded, as GEBCO is
    """

    region: Region
    whole_metres: bool
    pixels: ErrorSample


def held_out(results: Results) -> list[HeldOut]:
    """Super-resolve every region by the net of the fold that holds it back, from exact and from whole metres."""
    found = []
    for region in track(results.regions.files, description="held-out regions"):
        scene = block_mean_scene(region.name, raster_of(results.work, region))
        for whole_metres in (False, True):
            lr = np.round(scene.lr) if whole_metres else scene.lr
            pixels = pixels_of_scene(scene, lr, held_out_net(results, region.name))
            found.append(HeldOut(region, whole_metres, pixels))
    return found


def calibrated_without(fold: str, regions: Sequence[HeldOut]) -> Uncertainty:
    """Calibrate on the regions of all folds but one, and never on those that no net is trained on."""
    chosen = [one.pixels for one in regions if one.region.fold not in (fold, NEVER_TRAINED)]
    return fit_uncertainty(chosen, scale=SCALE)


def pixels_of_scene(scene: Scene, lr: np.ndarray, net: DemSrNet) -> ErrorSample:
    """Return pixels of a whole raster, given the LR that the net sees."""
    size = scene.pixel_width_m, scene.pixel_height_m
    return sample_errors(scene.name, net, torch.tensor(lr)[None, None], scene.hr, size)


def held_out_net(results: Results, region: str) -> DemSrNet:
    """Return the net of the product that has not seen a region."""
    net = trained_net(results.product[results.held_out(region)], results.work)
    assert isinstance(net, DemSrNet)
    return net


def raster_of(work: Path, region: Region) -> Path:
    """Return the harmonised raster of a region."""
    return work / "rasters" / region.domain / f"{region.stem}.tif"
