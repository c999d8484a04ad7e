"""What one training step is: mean squared error, Adam, exponential decay."""

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torchmetrics import MeanSquaredError

from demsr.model.srnet import DemSrNet


class SuperResolution(LightningModule):
    """Train the whole net, or its tail on features of a frozen trunk.

    Parameters
    ----------
    learning_rate : of the first epoch
    learning_rate_decay : factor from one epoch to the next
    tail_only : batches carry the trunk's features as a third tensor; the trunk stays as it is, bit by bit
    unit : of the heights, which the name of the validation RMSE ends with
    """

    def __init__(
        self, net: DemSrNet, *, learning_rate: float, learning_rate_decay: float, tail_only: bool = False,
        unit: str = "m",
    ) -> None:  # fmt: skip
        super().__init__()
        self.net = net
        self.learning_rate, self.learning_rate_decay, self.tail_only = learning_rate, learning_rate_decay, tail_only
        self.metric = valid_rmse_name(unit)
        self.valid_rmse = MeanSquaredError(squared=False)
        if tail_only:
            for module in net.frozen_for_finetuning():
                module.requires_grad_(requires_grad=False)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Return the loss of a batch, in squared units of the elevation scale."""
        sr, hr = self._shared_step(batch)
        loss = masked_mse(sr / self.net.elevation_scale_m, hr / self.net.elevation_scale_m)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(hr), sync_dist=True)
        return loss

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        """Add a batch to the validation RMSE over all measured pixels."""
        sr, hr = self._shared_step(batch)
        measured = hr.isfinite()
        self.valid_rmse.update(sr[measured], hr[measured])
        self.log(self.metric, self.valid_rmse, on_step=False, on_epoch=True, batch_size=len(hr))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return Adam over what is not frozen, with exponential decay by epoch."""
        trained = [parameter for parameter in self.net.parameters() if parameter.requires_grad]
        optimiser = torch.optim.Adam(trained, lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, gamma=self.learning_rate_decay)
        return {"optimizer": optimiser, "lr_scheduler": schedule}

    def _shared_step(self, batch: list[Tensor]) -> tuple[Tensor, Tensor]:
        lr, hr = batch[:2]
        sr = self.net.restore(self.net.tail(batch[2]), lr) if self.tail_only else self.net(lr)
        return sr.float(), hr


def valid_rmse_name(unit: str) -> str:
    """Return the name of the validation RMSE among metrics: valid_rmse_m, or valid_rmse_scaled."""
    return f"valid_rmse_{unit}"


def masked_mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Return the mean squared error over the pixels where `hr` is not NaN; zero if there are none."""
    measured = hr.isfinite()
    error = torch.where(measured, sr - hr, 0.0)
    return error.square().sum() / measured.sum().clamp(min=1)
