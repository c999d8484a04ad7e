"""What one training step is: an error, an optimiser, a falling learning rate."""

import math

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torchmetrics import MeanSquaredError

from demsr.model.srnet import DemSrNet
from demsr.options import LearningRateSchedule, Loss, Optimiser
from demsr.training.muon import Muon

_WARM_UP_STEPS, _LEAST_SHARE = 100, 0.01  # of the cosine: steps up to the full rate, share of it in the end
_NOISE_M = 0.5  # relief that the base misses in the flattest patches: about the rounding of whole metres
_ROUNDED = 1e-4  # of squared errors: makes the absolute value smooth around zero


class SuperResolution(LightningModule):
    """Train the whole net, or its tail on features of a frozen trunk.

    Parameters
    ----------
    learning_rate : the highest
    learning_rate_schedule : "exponential" falls by a factor from one epoch to the next; "cosine" rises over 100 steps
        and falls to a hundredth at the end of the last epoch
    learning_rate_decay : that factor
    loss : "mse", or "balanced": see `balanced_charbonnier`
    optimiser : "adam", or "muon": see `Muon`
    tail_only : batches carry the trunk's features as a third tensor; the trunk stays as it is, bit by bit
    unit : of the heights, which the name of the validation RMSE ends with
    """

    def __init__(
        self,
        net: DemSrNet,
        *,
        learning_rate: float,
        learning_rate_decay: float = 1.0,
        learning_rate_schedule: LearningRateSchedule = "exponential",
        loss: Loss = "mse",
        optimiser: Optimiser = "adam",
        tail_only: bool = False,
        unit: str = "m",
    ) -> None:
        super().__init__()
        self.net = net
        self.learning_rate, self.learning_rate_decay = learning_rate, learning_rate_decay
        self.learning_rate_schedule, self.loss, self.optimiser, self.tail_only = (
            learning_rate_schedule,
            loss,
            optimiser,
            tail_only,
        )
        self.metric = valid_rmse_name(unit)
        self.valid_rmse = MeanSquaredError(squared=False)
        if tail_only:
            for module in net.frozen_for_finetuning():
                module.requires_grad_(requires_grad=False)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Return the loss of a batch, in units of the elevation scale."""
        sr, hr = self._shared_step(batch)
        scale_m = self.net.elevation_scale_m
        if self.loss == "balanced":
            with torch.no_grad():
                base = self.net.base(batch[0])
            loss = balanced_charbonnier(sr, hr, base, scale_m=scale_m)
        else:
            loss = masked_mse(sr / scale_m, hr / scale_m)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(hr), sync_dist=True)
        return loss

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        """Add a batch to the validation RMSE over all measured pixels."""
        sr, hr = self._shared_step(batch)
        measured = hr.isfinite()
        self.valid_rmse.update(sr[measured], hr[measured])
        self.log(self.metric, self.valid_rmse, on_step=False, on_epoch=True, batch_size=len(hr))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser of what is not frozen, with its schedule."""
        trained = [parameter for parameter in self.net.parameters() if parameter.requires_grad]
        kind = Muon if self.optimiser == "muon" else torch.optim.Adam
        optimiser = kind(trained, lr=self.learning_rate)
        if self.learning_rate_schedule == "exponential":
            by_epoch = torch.optim.lr_scheduler.ExponentialLR(optimiser, gamma=self.learning_rate_decay)
            return {"optimizer": optimiser, "lr_scheduler": by_epoch}
        steps = int(self.trainer.estimated_stepping_batches)
        by_step = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: cosine_share(step, steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": by_step, "interval": "step"}}

    def _shared_step(self, batch: list[Tensor]) -> tuple[Tensor, Tensor]:
        lr, hr = batch[:2]
        sr = self.net.to_metres(self.net.tail(batch[2]), lr) if self.tail_only else self.net(lr)
        return sr.float(), hr


def valid_rmse_name(unit: str) -> str:
    """Return the name of the validation RMSE among metrics: valid_rmse_m, or valid_rmse_scaled."""
    return f"valid_rmse_{unit}"


def masked_mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Return the mean squared error over the pixels where `hr` is not NaN; zero if there are none."""
    measured = hr.isfinite()
    error = torch.where(measured, sr - hr, 0.0)
    return error.square().sum() / measured.sum().clamp(min=1)


def balanced_charbonnier(sr: Tensor, hr: Tensor, base: Tensor, *, scale_m: float) -> Tensor:
    """Return the mean of nearly absolute errors, over the root of the relief that the base misses in each patch.

    Squared errors of mountains are thousands of times those of plains, and their mean would learn from mountains
    alone. Here the weight of a patch grows with the root of its relief.

    Parameters
    ----------
    sr, hr, base : (B, C, H, W), metres; hr is NaN where void
    scale_m : brings the loss to the order of one

    Source of the nearly absolute value: Charbonnier et al. (1994), doi 10.1109/ICIP.1994.413553.
    """
    measured = hr.isfinite()
    missed = torch.where(measured, hr - base, 0.0).square().mean(dim=(1, 2, 3), keepdim=True)
    weight = (scale_m**2 * (missed + _NOISE_M**2)).pow(-0.25)
    error = torch.where(measured, weight * (sr - hr), 0.0)
    return torch.where(measured, (error.square() + _ROUNDED).sqrt(), 0.0).sum() / measured.sum().clamp(min=1)


def cosine_share(step: int, steps: int) -> float:
    """Return the share of the highest learning rate at a step."""
    fall = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))
    return min(1.0, (step + 1) / _WARM_UP_STEPS) * (_LEAST_SHARE + (1 - _LEAST_SHARE) * fall)
