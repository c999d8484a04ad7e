"""Baselines with the call signature of a net: bicubic, back-projected bicubic and a fitted linear filter."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from demsr.errors import VoidError
from demsr.model.interpolation import keys_taps, pad_linear, pad_replicate, upsample


class Bicubic(nn.Module):
    """Cubic convolution with half-pixel centres and repeated borders.

    Parameters
    ----------
    a : slope of the kernel at 1; -0.75 is the bicubic of torch and OpenCV and the baseline of all gains
    scale : HR pixels per LR pixel along one axis
    """

    def __init__(self, *, a: float = -0.75, scale: int = 5) -> None:
        super().__init__()
        self.scale = scale
        self.taps: Tensor
        self.register_buffer("taps", keys_taps(scale, a=a).float(), persistent=False)

    def forward(self, lr: Tensor) -> Tensor:
        """Upsample (B, 1, H, W) metres to (B, 1, scale*H, scale*W) metres."""
        return upsample(lr, self.taps, pad=pad_replicate)


class BackProjectedBicubic(Bicubic):
    """Bicubic with iterative back-projection: the upsampled residual of the block means is added (Irani 1991).

    Parameters
    ----------
    a, scale : see `Bicubic`
    iterations : number of back-projections
    """

    def __init__(self, *, a: float = -0.75, scale: int = 5, iterations: int = 5) -> None:
        super().__init__(a=a, scale=scale)
        self.iterations = iterations

    def forward(self, lr: Tensor) -> Tensor:
        """Upsample (B, 1, H, W) metres to (B, 1, scale*H, scale*W) metres."""
        sr = super().forward(lr)
        for _ in range(self.iterations):
            sr = sr + super().forward(lr - functional.avg_pool2d(sr, self.scale))
        return sr


class LinearFilter(nn.Module):
    """One least-squares kernel per HR phase over a square of LR pixels, on differences from the centre pixel.

    It is a matrix product: bit-equal on one machine with the same number of threads, within 1e-3 m elsewhere.

    Parameters
    ----------
    weight : (scale**2, size**2), from `fit`
    scale : HR pixels per LR pixel along one axis
    """

    def __init__(self, weight: Tensor, *, scale: int = 5) -> None:
        super().__init__()
        self.scale = scale
        self.size = round(weight.shape[1] ** 0.5)
        self.weight: Tensor
        self.register_buffer("weight", weight)

    @classmethod
    def fit(cls, pairs: Iterable[tuple[Tensor, Tensor]], *, size: int = 7, scale: int = 5) -> "LinearFilter":
        """Fit the kernels by the normal equations, in one pass over the pairs.

        Parameters
        ----------
        pairs : batches of lr (B, 1, H, W) and hr (B, 1, scale*H, scale*W), metres; voids of hr are NaN
        size : side of the square of LR pixels, odd
        scale : HR pixels per LR pixel along one axis

        Raises
        ------
        VoidError : no LR pixel has relief and a block without voids
        """
        gram = torch.zeros(size**2, size**2, dtype=torch.float64)
        moment = torch.zeros(size**2, scale**2, dtype=torch.float64)
        for lr, hr in pairs:
            predictors, centre = _differences(lr.double(), size)
            target = functional.pixel_unshuffle(hr.double(), scale).flatten(2).mT.flatten(0, 1) - centre
            complete = target.isfinite().all(dim=1)
            gram += predictors[complete].T @ predictors[complete]
            moment += predictors[complete].T @ target[complete]
        if not gram.any():
            message = "linear filter: no LR pixel has relief and a block without voids; give pairs with measured relief"
            raise VoidError(message)
        ridge = (
            1e-9 * gram.trace() / size**2 * torch.eye(size**2, dtype=torch.float64)
        )  # the column of the centre is zero
        return cls(torch.linalg.solve(gram + ridge, moment).T.float(), scale=scale)

    def forward(self, lr: Tensor) -> Tensor:
        """Upsample (B, 1, H, W) metres to (B, 1, scale*H, scale*W) metres."""
        batch, _, height, width = lr.shape
        predictors, centre = _differences(lr, self.size)
        phases = (predictors @ self.weight.T + centre).reshape(batch, height * width, -1).mT
        return functional.pixel_shuffle(phases.reshape(batch, -1, height, width), self.scale)


def _differences(lr: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the neighbourhoods minus their centre (B*H*W, size**2), and the centres (B*H*W, 1)."""
    windows = functional.unfold(pad_linear(lr, size // 2), kernel_size=size).mT.flatten(0, 1)
    centre = windows[:, size**2 // 2, None]
    return windows - centre, centre
