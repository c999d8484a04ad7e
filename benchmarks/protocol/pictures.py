"""Draw the centres of held-out places: input, truth, bicubic, prediction, error."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from demsr.evaluation.examples import Comparison
from demsr.model.baselines import Bicubic
from demsr.reporting.figures import save_comparison
from protocol.places import Nets, Place, scene_of
from protocol.scenes import SCALE
from protocol.scoring import method, product

_SIDE_LR = 40
_SHOWN = (("srtm", "mountain"), ("srtm", "upland"), ("sea", "sea"), ("sea", "canyon"))


def draw_places(
    path: Path, nets: Nets, places: list[Place], rasters: Mapping[str, Path], files: Mapping[str, Path]
) -> None:
    """Draw one place of each kind and landform, each from nets that were not trained on it.

    Parameters
    ----------
    path : picture to write
    nets : nets of the protocol
    places : all places
    rasters, files : see `scene_of`
    """
    first = {(place.kind, place.group): place for place in reversed(places)}
    save_comparison(path, [_middle(first[key], nets, rasters, files) for key in _SHOWN if key in first])


def _middle(place: Place, nets: Nets, rasters: Mapping[str, Path], files: Mapping[str, Path]) -> Comparison:
    """Cut the square with the most measured pixels among a few."""
    scene = scene_of(place, rasters, files)
    side = min(_SIDE_LR, *scene.lr.shape)
    corners = [
        (row, col)
        for row in range(0, scene.lr.shape[0] - side + 1, side // 2)
        for col in range(0, scene.lr.shape[1] - side + 1, side // 2)
    ]

    def of_hr(corner: tuple[int, int]) -> tuple[slice, slice]:
        row, col = (SCALE * place for place in corner)
        return slice(row, row + SCALE * side), slice(col, col + SCALE * side)

    corner = max(corners, key=lambda one: np.isfinite(scene.hr[of_hr(one)]).sum())
    part = of_hr(corner)
    return Comparison(
        title=place.name,
        lr_title="input",
        lr=scene.lr[corner[0] : corner[0] + side, corner[1] : corner[1] + side],
        truth=scene.hr[part],
        bicubic=method(Bicubic())(scene.lr)[part],
        prediction=product(nets.model_for(place), scene)(scene.lr)[part],
        pixel_size_m=(scene.pixel_width_m, scene.pixel_height_m),
    )
