"""Calibrate the uncertainty of the shipped net on the errors of nets of the same kind on regions held out from them."""

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
    """Errors of a region, super-resolved by a net that was not trained on it.

    Attributes
    ----------
    region : description of the region
    whole_metres : whether LR was rounded to whole metres, as in GEBCO
    sample : errors of sampled pixels
    """

    region: Region
    whole_metres: bool
    sample: ErrorSample


def held_out(results: Results) -> list[HeldOut]:
    """Super-resolve every region with the net that was trained without its fold, from exact and from whole metres."""
    found = []
    for region in track(results.regions.files, description="held-out regions"):
        scene = block_mean_scene(region.name, raster_of(results.work, region))
        for whole_metres in (False, True):
            lr = np.round(scene.lr) if whole_metres else scene.lr
            sample = sample_scene(scene, lr, held_out_net(results, region.name))
            found.append(HeldOut(region, whole_metres, sample))
    return found


def calibrated_without(fold: str, regions: Sequence[HeldOut]) -> Uncertainty:
    """Calibrate on the regions of all folds but one; regions that no net is trained on never take part."""
    chosen = [one.sample for one in regions if one.region.fold not in (fold, NEVER_TRAINED)]
    return fit_uncertainty(chosen, scale=SCALE)


def sample_scene(scene: Scene, lr: np.ndarray, net: DemSrNet) -> ErrorSample:
    """Sample the errors of a whole raster, super-resolved from the given LR."""
    size = scene.pixel_width_m, scene.pixel_height_m
    return sample_errors(scene.name, net, torch.tensor(lr)[None, None], scene.hr, size)


def held_out_net(results: Results, region: str) -> DemSrNet:
    """Return the product's net that was not trained on a region."""
    net = trained_net(results.product[results.held_out(region)], results.work)
    assert isinstance(net, DemSrNet)
    return net


def raster_of(work: Path, region: Region) -> Path:
    """Return the harmonised raster of a region."""
    return work / "rasters" / region.domain / f"{region.stem}.tif"
