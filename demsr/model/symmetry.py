"""Group convolutions, which commute with the eight turns and reflections of the square.

Features are fields of eight channels, one for each orientation g: turning the input turns every channel and permutes
the channels of each field. A kernel is learnt once and used in all orientations, so every patch counts as eight, and
the output for a turned input is the turned output.

Source: Cohen and Welling (2016), arXiv 1602.07576. With (u f)[g] = u f[u^-1 g] the kernels between fields are
weight[g, h] = g shared[g^-1 h].
"""

import functools
import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

ORIENTATIONS = 8


class _SymmetricConv(nn.Module):
    """3x3 convolution with zero padding whose kernel is expanded from shared weights."""

    def __init__(self, *shape: int, in_channels: int) -> None:
        super().__init__()
        self.copies: Tensor
        self.shared = nn.Parameter(torch.empty(shape))
        fan_in = 9 * in_channels
        nn.init.uniform_(self.shared, -(fan_in**-0.5), fan_in**-0.5)  # as nn.Conv2d

    @property
    def weight(self) -> Tensor:
        """The whole kernel, (out channels, in channels, 3, 3)."""
        raise NotImplementedError

    def _expanded(self) -> Tensor:
        """Return the expanded weights; a product is faster than indexing, above all in the backward pass."""
        with torch.autocast(self.shared.device.type, enabled=False):
            return self.shared @ self.copies

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in channels, H, W) to (B, out channels, H, W)."""
        return functional.conv2d(features, self.weight, padding=1)


class LiftingConv(_SymmetricConv):
    """Group convolution from images to fields: each kernel in eight orientations.

    Parameters
    ----------
    in_channels : of the images
    features : channels of the output, a multiple of 8
    """

    def __init__(self, in_channels: int, features: int) -> None:
        super().__init__(_fields(features), in_channels, 9, in_channels=in_channels)
        self.register_buffer("copies", _copy_matrix(orientations(3), 9), persistent=False)

    @property
    def weight(self) -> Tensor:
        """The whole kernel, (features, in_channels, 3, 3)."""
        fields, in_channels, _ = self.shared.shape
        kernel = self._expanded().reshape(fields, in_channels, ORIENTATIONS, 9)
        return kernel.transpose(1, 2).reshape(fields * ORIENTATIONS, in_channels, 3, 3)


class GroupConv(_SymmetricConv):
    """Group convolution from fields to fields.

    Parameters
    ----------
    features : channels of input and output, a multiple of 8
    """

    def __init__(self, features: int) -> None:
        super().__init__(_fields(features), _fields(features), ORIENTATIONS * 9, in_channels=features)
        self.register_buffer("copies", _copy_matrix(_group_indices(), ORIENTATIONS * 9), persistent=False)

    @property
    def weight(self) -> Tensor:
        """The whole kernel, (features, features, 3, 3)."""
        fields = len(self.shared)
        kernel = self._expanded().reshape(fields, fields, ORIENTATIONS, ORIENTATIONS, 9)
        whole = kernel.transpose(1, 2).reshape(fields * ORIENTATIONS, fields * ORIENTATIONS, 3, 3)
        return whole.contiguous(memory_format=torch.channels_last)


class ProjectingConv(_SymmetricConv):
    """Group convolution from fields to side x side subpixels of each pixel.

    Parameters
    ----------
    features : channels of the input, a multiple of 8
    out_channels : of the images
    side : subpixels of a pixel along one axis
    """

    def __init__(self, features: int, out_channels: int, side: int) -> None:
        super().__init__(out_channels, _fields(features), side**2 * 9, in_channels=features)
        self.side = side
        pixels = orientations(side)[:, :, None] * 9 + orientations(3)[:, None]  # (g, side**2, 9)
        self.register_buffer("copies", _copy_matrix(pixels, side**2 * 9), persistent=False)

    @property
    def weight(self) -> Tensor:
        """The whole kernel, (out_channels * side**2, features, 3, 3)."""
        out_channels, fields, _ = self.shared.shape
        kernel = self._expanded().reshape(out_channels, fields, ORIENTATIONS, self.side**2, 9)
        return kernel.permute(0, 3, 1, 2, 4).reshape(-1, fields * ORIENTATIONS, 3, 3)


def orientations(side: int) -> NDArray[np.intp]:
    """Return (8, side**2) indices: image.flatten()[orientations(side)[g]] is the flattened image in orientation g."""
    image = np.arange(side**2).reshape(side, side)
    turned = [np.rot90(one, turns).flatten() for one in (image, image[:, ::-1]) for turns in range(4)]
    return np.stack(turned)


def _copy_matrix(indices: NDArray[np.intp], count: int) -> Tensor:
    """Return the (count, number of indices) matrix of zeros and ones that copies weights by index.

    It is made by NumPy, because operations of a net on the device "meta" import a compiler, half a second long.
    """
    return torch.tensor((indices.ravel() == np.arange(count)[:, None]).astype(np.float32))


@functools.cache
def _group_indices() -> NDArray[np.intp]:
    """Return (8, 72) indices into shared[..., orientation * 9 + pixel], one row for each output orientation."""
    turned = orientations(3)
    product = np.empty((8, 8), np.intp)  # product[g, h] is the orientation h followed by g
    for g, h in itertools.product(range(8), range(8)):
        product[g, h] = (turned == turned[h][turned[g]]).all(axis=1).nonzero()[0][0]
    inverse = (product == 0).nonzero()[1]
    return np.stack([(product[inverse[g]][:, None] * 9 + turned[g]).ravel() for g in range(8)])


def _fields(features: int) -> int:
    if features % ORIENTATIONS:
        message = f"features is {features}; a symmetric net needs a multiple of {ORIENTATIONS}, the orientations"
        raise ValueError(message)
    return features // ORIENTATIONS
