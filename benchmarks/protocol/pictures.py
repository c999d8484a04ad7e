"""Draw the centres of held-out regions: input, truth, bicubic, prediction, error."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from demsr.evaluation.examples import Comparison
from demsr.model.baselines import Bicubic
from demsr.reporting.figures import save_comparison
from protocol.regions import Regions, find_files
from protocol.results import Results
from protocol.scoring import SCALE, Scene, block_mean_scene, real_scene, run
from protocol.training import trained_net

_SIDE_LR = 40
_SHOWN = ("mountain", "canyon")


def draw_regions(path: Path, results: Results, rasters: Mapping[str, Path], data: Path) -> None:
    """Draw one region of each kind, each from a net that was not trained on it."""
    scenes = _one_of_each(results.regions, rasters, data)
    save_comparison(path, [_middle(scene, results) for scene in scenes])


def _one_of_each(regions: Regions, rasters: Mapping[str, Path], data: Path) -> list[Scene]:
    """Return the first region of each landform in `_SHOWN`, and the true pairs."""
    first = {region.landform: region for region in reversed(regions.files)}
    chosen = [region for region in regions.files if region in first.values() and region.landform in _SHOWN]
    lr_files = find_files(data, [pair.lr for pair in regions.real])
    real = [real_scene(pair.name, lr_files[pair.lr], rasters[pair.hr]) for pair in regions.real]
    return [block_mean_scene(region.name, rasters[region.stem]) for region in chosen] + real


def _middle(scene: Scene, results: Results) -> Comparison:
    net = trained_net(results.product[results.held_out(scene.name)], results.work)
    row, col = ((side - _SIDE_LR) // 2 for side in scene.lr.shape)
    of_lr = np.s_[row : row + _SIDE_LR, col : col + _SIDE_LR]
    of_hr = np.s_[SCALE * row : SCALE * (row + _SIDE_LR), SCALE * col : SCALE * (col + _SIDE_LR)]
    return Comparison(
        title=scene.name,
        lr_title="input",
        lr=scene.lr[of_lr],
        truth=scene.hr[of_hr],
        bicubic=run(Bicubic(), scene.lr)[of_hr],
        prediction=run(net, scene.lr)[of_hr],
        pixel_size_m=(scene.pixel_width_m, scene.pixel_height_m),
    )
