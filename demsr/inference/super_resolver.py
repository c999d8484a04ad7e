"""Apply a net to windows of a raster so that neighbouring windows agree. Needs neither rasterio nor PROJ."""

from typing import TYPE_CHECKING, Any, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from demsr.dem.voids import fill_voids
from demsr.dem.windows import Window
from demsr.errors import CheckpointError, ParamsError
from demsr.model import uncertainty
from demsr.model.back_projection import gaussian_residual
from demsr.model.coast import SEA_LEVEL_M, CoastNet, nets_of
from demsr.model.device import device_of, supports_bf16
from demsr.model.fold import FoldedNet, fold
from demsr.model.predict import restore_voids
from demsr.model.srnet import DemSrNet
from demsr.options import InferencePrecision
from demsr.pairs.source_types import LAND, MEASURED

if TYPE_CHECKING:
    from demsr.inference.land_law import LandLaw

_METRES = "m"
_BACK_PROJECTIONS = 3
_BASE_REACH_PX = 2
_LIMIT_PX = 5  # side of the neighbourhood whose range limits the result
_ON_EARTH_M = 12_000


class Reader(Protocol):
    """Source of the windows of a raster, such as `demsr.dem.read.stream.ArrayReader`."""

    def around(self, window: Window, reach_px: int) -> tuple[Any, ...]:
        """Return the positional arguments of `SuperResolver` for a window."""


class SuperResolver:
    """A net with its precision, its halo and its corrections.

    Parameters
    ----------
    net : from `load_model`, on the device to compute on; a net for land and one for the sea floor are joined along the
        coast
    precision : of the blocks; "auto" takes bf16 where the device supports it. Head, base and sum are always float32
    consistent : make the mean of each block of scale x scale pixels equal to the input pixel
    uncertain : compute the standard error as well, from the calibration of the net
    halo_px : LR pixels computed around a window; None takes as many as the result depends on, so that windows are
        parts of the whole
    law : from `land_law`; land is corrected once so that the result under this law comes closer to the input

    Attributes
    ----------
    scale : HR pixels per LR pixel along one axis
    exact_halo_px : distance in LR pixels up to which the result depends on the input, voids aside
    reach_px : LR pixels to read around a window; a filled void depends on pixels as far away again as the halo

    Raises
    ------
    CheckpointError : the net does not take metres, takes more channels than elevation, or has no calibration
    ParamsError : unknown precision, or a halo smaller than the interpolation needs
    """

    def __init__(
        self,
        net: DemSrNet | CoastNet,
        *,
        precision: InferencePrecision = "auto",
        consistent: bool = False,
        uncertain: bool = False,
        halo_px: int | None = None,
        law: "LandLaw | None" = None,
    ) -> None:
        nets = nets_of(net)
        for one in nets:
            _check(one, precision, halo_px, uncertain=uncertain)
        self.device = device_of(net)
        half = precision == "bf16" or (precision == "auto" and supports_bf16(self.device))
        self.precision: InferencePrecision = "bf16" if half else "float32"
        self.net = net
        self.folded = fold(net, dtype=torch.bfloat16 if half else torch.float32)
        self.base = nets[0].base
        self.scale, self.consistent, self.uncertain, self.law = net.scale, consistent, uncertain, law
        correction_px = consistent * _BACK_PROJECTIONS * _BASE_REACH_PX
        if law:
            correction_px += _BASE_REACH_PX + law.reach_lr_px
        self.exact_halo_px = max(one.reach_px for one in nets) + correction_px + uncertain * uncertainty.REACH_PX
        self.halo_px = self.exact_halo_px if halo_px is None else halo_px
        self.reach_px = 2 * self.halo_px

    def __call__(
        self, elevation_m: NDArray[np.float32], inner: Window, tid: NDArray[np.float32] | None = None, *, row: int = 0
    ) -> NDArray[np.float32]:
        """Super-resolve one window.

        Parameters
        ----------
        elevation_m : (H, W), the window and `reach_px` around it, or less at a true border; NaN where void
        inner : position of the window in `elevation_m`
        tid : (H, W) type identifiers of GEBCO: the result is consistent where they say measured, and land is where they
            say land; None makes it consistent everywhere, and land is above sea level
        row : of the window in the grid of the law

        Returns
        -------
        bands : (1 or 2, scale * rows, scale * cols) metres, elevation and its standard error; NaN exactly where the
            window is void

        Raises
        ------
        CheckpointError : the net gives NaN or infinity where the window is measured
        """
        void = np.isnan(elevation_m[inner.slices])
        if void.all():
            shape = (1 + self.uncertain, void.shape[0] * self.scale, void.shape[1] * self.scale)
            return np.full(shape, np.nan, np.float32)
        part = inner.grow(self.halo_px).clip(*elevation_m.shape)
        lr = self._tensor(fill_voids(elevation_m, reach_px=self.halo_px)[part.slices])
        with torch.inference_mode():
            bands = self._bands(lr, None if tid is None else tid[part.slices], row + part.row - inner.row)
        place = inner.relative_to(part.row, part.col).refine(self.scale)
        return restore_voids(bands[0, :, *place.slices].cpu().numpy(), void)

    def window(self, reader: Reader, window: Window) -> NDArray[np.float32]:
        """Super-resolve one window of a raster.

        Parameters
        ----------
        reader : of the raster
        window : LR cells

        Returns
        -------
        bands : as of a call

        Raises
        ------
        CheckpointError : likewise, with the places of the window and of the model
        """
        try:
            return self(*reader.around(window, self.reach_px), row=window.row)
        except CheckpointError as error:
            tile = f"tile of {window.rows} x {window.cols} LR pixels at row {window.row}, column {window.col}"
            message = f"{self.net.name or 'net'}: {tile}: {error}"
            raise CheckpointError(message) from error

    def _bands(self, lr: Tensor, tid: NDArray[np.float32] | None, row: int) -> Tensor:
        """Return (1, 1 or 2, scale * H, scale * W)."""
        if isinstance(self.folded, CoastNet):
            is_land = lr > SEA_LEVEL_M if tid is None else self._tensor(tid == LAND)
            bands = self.folded.joined(lr, is_land, self._bands_of)
            if self.law:
                bands = torch.cat((self._under_law(bands[:, :1], lr, is_land, row, self.law), bands[:, 1:]), dim=1)
        else:
            bands = self._bands_of(self.folded, lr)
        if not self.consistent:
            return bands
        weight = torch.ones_like(lr) if tid is None else self._tensor(np.isin(tid, MEASURED)).to(lr)
        return torch.cat((self._consistent(bands[:, :1], lr, weight), bands[:, 1:]), dim=1)

    def _bands_of(self, folded: nn.Module, lr: Tensor) -> Tensor:
        """Return elevation and, if asked for, standard error of one net: (1, 1 or 2, scale * H, scale * W)."""
        sr = _limited(folded(lr)[:, :1], lr)
        if not (self.uncertain and isinstance(folded, FoldedNet) and folded.net.uncertainty):
            return sr
        spread = torch.zeros_like(sr) if folded.net.symmetric else uncertainty.self_ensemble(folded, lr)[1]
        sigma_m = uncertainty.sigma_m(lr, sr, self.base(lr), spread, folded.net.uncertainty)
        return torch.cat((sr, sigma_m), dim=1)

    def _under_law(self, sr: Tensor, lr: Tensor, is_land: Tensor, row: int, law: "LandLaw") -> Tensor:
        """Add the residual of the law on the cells whose neighbours are all land; beside water it does not hold."""
        sigma_px, has_srtm = law.rows(row, lr.shape[2])
        inland = -functional.max_pool2d(-functional.pad(is_land.float(), (1, 1, 1, 1)), 3, stride=1)
        weight = inland * torch.tensor(has_srtm, device=self.device)[:, None]
        sigma = torch.tensor(sigma_px, device=self.device)
        return sr + self.base(weight * gaussian_residual(sr, lr, sigma, reach_px=law.reach_px))

    def _consistent(self, sr: Tensor, lr: Tensor, weight: Tensor) -> Tensor:
        """Add the residual of the block means: smoothly in a few steps, the rest as a constant of each block.

        Source: iterative back-projection, Irani and Peleg 1991.
        """
        for _ in range(_BACK_PROJECTIONS):
            sr = sr + self.base(weight * _block_mean_residual(sr, lr))
        rest = weight * _block_mean_residual(sr, lr)
        return sr + functional.interpolate(rest, scale_factor=self.scale, mode="nearest")

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.tensor(array, device=self.device)[None, None]


def _limited(sr: Tensor, lr: Tensor) -> Tensor:
    """Return SR without heights beyond those of 5 x 5 LR pixels by more than their range, which no terrain needs.

    The overshoot of bicubic interpolation is less than a third of that range. Heights that cannot be on Earth show a
    broken net and are left to the checks of the result, which refuse it.
    """
    if not bool(sr.abs().amax() < _ON_EARTH_M):  # also NaN
        return sr
    highest = functional.max_pool2d(lr, _LIMIT_PX, stride=1, padding=_LIMIT_PX // 2)
    lowest = -functional.max_pool2d(-lr, _LIMIT_PX, stride=1, padding=_LIMIT_PX // 2)
    lower, upper = (side[:, :, :, None, :, None] for side in (2 * lowest - highest, 2 * highest - lowest))
    blocks = sr.reshape(*lr.shape[:2], lr.shape[2], -1, lr.shape[3], sr.shape[3] // lr.shape[3])
    return blocks.clamp(lower, upper).reshape(sr.shape)


def _block_mean_residual(sr: Tensor, lr: Tensor) -> Tensor:
    """Return LR minus the block means of SR, from differences: the mean of large numbers would be rounded."""
    scale = sr.shape[-1] // lr.shape[-1]
    return -functional.avg_pool2d(sr - functional.interpolate(lr, scale_factor=scale, mode="nearest"), scale)


def _check(net: DemSrNet, precision: str, halo_px: int | None, *, uncertain: bool) -> None:
    if net.unit != _METRES and net.formulation == "direct":  # the residual formulation has no biases: any unit fits
        message = (
            "the model takes scaled values whose range is unknown; train or import it again "
            "with the range in metres (pairs.scaled_range_m, or `demsr import-mindspore --range`)"
        )
        raise CheckpointError(message)
    if net.in_channels != 1:
        message = f"the model takes {net.in_channels} channels, a raster has elevation alone; give a model that takes 1"
        raise CheckpointError(message)
    if uncertain and net.uncertainty is None:
        message = "the model has no calibration of its uncertainty; train it again, or give another model"
        raise CheckpointError(message)
    if precision not in get_args(InferencePrecision):
        message = f"precision is {precision!r}; it must be one of {', '.join(get_args(InferencePrecision))}"
        raise ParamsError(message)
    if halo_px is not None and halo_px < _BASE_REACH_PX:
        message = f"halo is {halo_px} LR pixels; the interpolation alone needs {_BASE_REACH_PX}"
        raise ParamsError(message)
