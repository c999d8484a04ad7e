"""The Lightning task: training and validation step, optimiser and learning rate schedule."""

import math

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torchmetrics import MeanSquaredError

from demsr.model.srnet import DemSrNet
from demsr.options import LearningRateSchedule, Loss, Optimiser
from demsr.training.losses import LOSSES
from demsr.training.muon import Muon

_WARM_UP_STEPS = 100
_FINAL_FACTOR = 0.01  # of the cosine schedule, relative to the highest learning rate


class SuperResolution(LightningModule):
    """Train the whole net, or its tail on cached features of the frozen layers.

    Parameters
    ----------
    net : trained in place
    learning_rate : highest value of the schedule
    learning_rate_decay : factor from one epoch to the next in the "exponential" schedule
    learning_rate_schedule : "exponential" decays by epoch; "cosine" rises over 100 steps and falls to a hundredth at
        the last step
    loss : key of `demsr.training.losses.LOSSES`
    optimiser : "adam", or "muon": see `demsr.training.muon.Muon`
    tail_only : batches carry cached features as a third tensor; head, blocks and body are frozen
    unit : of the elevations; suffix of the validation metric
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
        self.net, self.tail_only = net, tail_only
        self.learning_rate, self.learning_rate_decay = learning_rate, learning_rate_decay
        self.learning_rate_schedule, self.optimiser = learning_rate_schedule, optimiser
        self.loss = LOSSES[loss]
        self.metric = valid_rmse_name(unit)
        self.valid_rmse = MeanSquaredError(squared=False)
        if tail_only:
            for module in net.frozen_for_finetuning():
                module.requires_grad_(requires_grad=False)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Return the loss of a batch."""
        sr, hr = self._shared_step(batch)
        loss = self.loss(self.net, batch[0], sr, hr)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(hr), sync_dist=True)
        return loss

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        """Add the measured pixels of a batch to the validation RMSE."""
        sr, hr = self._shared_step(batch)
        measured = hr.isfinite()
        self.valid_rmse.update(sr[measured], hr[measured])
        self.log(self.metric, self.valid_rmse, on_step=False, on_epoch=True, batch_size=len(hr))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser of the trainable parameters and its schedule."""
        trained = [parameter for parameter in self.net.parameters() if parameter.requires_grad]
        kind = Muon if self.optimiser == "muon" else torch.optim.Adam
        optimiser = kind(trained, lr=self.learning_rate)
        if self.learning_rate_schedule == "exponential":
            by_epoch = torch.optim.lr_scheduler.ExponentialLR(optimiser, gamma=self.learning_rate_decay)
            return {"optimizer": optimiser, "lr_scheduler": by_epoch}
        steps = int(self.trainer.estimated_stepping_batches)
        by_step = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: cosine_factor(step, steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": by_step, "interval": "step"}}

    def _shared_step(self, batch: list[Tensor]) -> tuple[Tensor, Tensor]:
        lr, hr = batch[:2]
        sr = self.net.to_metres(self.net.tail(batch[2]), lr) if self.tail_only else self.net(lr)
        return sr.float(), hr


def valid_rmse_name(unit: str) -> str:
    """Return the name of the validation metric: valid_rmse_m, or valid_rmse_scaled."""
    return f"valid_rmse_{unit}"


def cosine_factor(step: int, steps: int) -> float:
    """Return the learning rate of the cosine schedule at a step, relative to the highest one.

    Parameters
    ----------
    step : from 0
    steps : in the whole training
    """
    cosine = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))
    return min(1.0, (step + 1) / _WARM_UP_STEPS) * (_FINAL_FACTOR + (1 - _FINAL_FACTOR) * cosine)
