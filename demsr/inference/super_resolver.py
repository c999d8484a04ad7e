"""Apply a net to windows of a raster so that they agree where they meet. Needs neither rasterio nor PROJ."""

from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from demsr.dem.voids import fill_voids
from demsr.dem.windows import Window
from demsr.errors import CheckpointError, ParamsError
from demsr.model import uncertainty
from demsr.model.device import device_of, supports_bf16
from demsr.model.fold import FoldedNet
from demsr.model.srnet import DemSrNet
from demsr.options import InferencePrecision

METRES = "m"

_BACK_PROJECTIONS = 3
_BASE_REACH_PX = 2


class SuperResolver:
    """A net with all that belongs to applying it.

    Parameters
    ----------
    net : from `load_model`, on the device to compute on
    precision : "auto" takes bf16 for the blocks where the device multiplies it; head, base and sum are float32 always
    uncertain : give the standard error as well, by the calibration that the net carries
    consistent : correct the result until the mean over each block of scale x scale pixels is the input
    halo_px : LR pixels around a window that are computed with it; None takes as many as the result depends on, so that
        windows are parts of the whole

    Attributes
    ----------
    scale : HR pixels per LR pixel along one axis
    exact_halo_px : how many LR pixels away the input can be on which the result depends, voids aside
    reach_px : how far around a window to read; what is continued into a void depends on as much again as the halo

    Raises
    ------
    CheckpointError : the net does not take metres, or more than elevation
    ParamsError : no such precision or halo
    """

    def __init__(
        self,
        net: DemSrNet,
        *,
        precision: InferencePrecision = "auto",
        consistent: bool = False,
        uncertain: bool = False,
        halo_px: int | None = None,
    ) -> None:
        _check(net, precision, halo_px, uncertain=uncertain)
        self.device = device_of(net)
        half = precision == "bf16" or (precision == "auto" and supports_bf16(self.device))
        self.precision: InferencePrecision = "bf16" if half else "float32"
        self.net = net
        self.folded = FoldedNet(net, dtype=torch.bfloat16 if half else torch.float32)
        self.scale, self.consistent, self.uncertain = net.scale, consistent, uncertain
        of_correction = consistent * _BACK_PROJECTIONS * _BASE_REACH_PX
        self.exact_halo_px = net.reach_px + of_correction + uncertain * uncertainty.REACH_PX
        self.halo_px = self.exact_halo_px if halo_px is None else halo_px
        self.reach_px = 2 * self.halo_px

    def __call__(
        self, elevation_m: NDArray[np.float32], inner: Window, trusted: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Super-resolve one window.

        Parameters
        ----------
        elevation_m : (H, W), the window and `reach_px` around it, or less at a true border; NaN where void
        inner : where the window lies in it
        trusted : (H, W), where the result has to be consistent; None means everywhere

        Returns
        -------
        bands : (1 or 2, scale * rows, scale * cols) metres, elevation and its standard error; NaN exactly where the
            window is void
        """
        void = np.isnan(elevation_m[inner.slices])
        if void.all():
            shape = (1 + self.uncertain, void.shape[0] * self.scale, void.shape[1] * self.scale)
            return np.full(shape, np.nan, np.float32)
        part = inner.grow(self.halo_px).clip(*elevation_m.shape)
        lr = self._tensor(fill_voids(elevation_m, reach_px=self.halo_px)[part.slices])
        with torch.inference_mode():
            weight = torch.ones_like(lr) if trusted is None else self._tensor(trusted[part.slices]).to(lr)
            both = self._bands(lr, weight)
        place = inner.relative_to(part.row, part.col).refine(self.scale)
        bands = both[0, :, *place.slices].cpu().numpy()
        return np.where(_repeated(void, self.scale), np.float32(np.nan), bands)

    def _bands(self, lr: Tensor, weight: Tensor) -> Tensor:
        """Return (1, 1 or 2, scale * H, scale * W); weight is 1 where the result has to be consistent, else 0."""
        sr = self.folded(lr)[:, :1]
        result = self._consistent(sr, lr, weight) if self.consistent else sr
        if not self.uncertain or self.net.uncertainty is None:
            return result
        spread = torch.zeros_like(sr) if self.net.symmetric else uncertainty.self_ensemble(self.folded, lr)[1]
        sigma = uncertainty.sigma_m(lr, sr, self.net.base(lr), spread, self.net.uncertainty)
        return torch.cat((result, sigma), dim=1)

    def _consistent(self, sr: Tensor, lr: Tensor, weight: Tensor) -> Tensor:
        """Add what the block means lack: smoothly as far as a few steps go, the rest as a constant of each block.

        Source: iterative back-projection, Irani and Peleg 1991.
        """
        for _ in range(_BACK_PROJECTIONS):
            sr = sr + self.net.base(weight * _lacking(sr, lr))
        rest = weight * _lacking(sr, lr)
        return sr + functional.interpolate(rest, scale_factor=self.scale, mode="nearest")

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.tensor(array, device=self.device)[None, None]


def _lacking(sr: Tensor, lr: Tensor) -> Tensor:
    """Return by how much the mean of each block is too low, by differences: metres far from zero would be rounded."""
    scale = sr.shape[-1] // lr.shape[-1]
    return -functional.avg_pool2d(sr - functional.interpolate(lr, scale_factor=scale, mode="nearest"), scale)


def _repeated(pixels: NDArray[np.bool_], scale: int) -> NDArray[np.bool_]:
    return np.repeat(np.repeat(pixels, scale, axis=0), scale, axis=1)


def _check(net: DemSrNet, precision: str, halo_px: int | None, *, uncertain: bool) -> None:
    if net.unit != METRES and net.formulation == "direct":  # the residual formulation has no biases: it fits every unit
        message = (
            "the model takes scaled values whose range is not known; train or import it again "
            "with the range in metres (pairs.scaled_range_m, or `demsr import-mindspore --range`)"
        )
        raise CheckpointError(message)
    if net.in_channels != 1:
        message = f"the model takes {net.in_channels} channels, a raster has elevation alone; give a model that takes 1"
        raise CheckpointError(message)
    if uncertain and net.uncertainty is None:
        message = "the model carries no calibration of its uncertainty; train it again, or give another one"
        raise CheckpointError(message)
    if precision not in get_args(InferencePrecision):
        message = f"precision is {precision!r}; it must be one of {', '.join(get_args(InferencePrecision))}"
        raise ParamsError(message)
    if halo_px is not None and halo_px < _BASE_REACH_PX:
        message = f"halo is {halo_px} LR pixels; the interpolation alone needs {_BASE_REACH_PX}"
        raise ParamsError(message)
