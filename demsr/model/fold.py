"""The same net with fewer operations, for inference: equal to `DemSrNet` up to rounding, borders included.

The factor of the ResBlocks is folded into their second kernels, kernels of symmetric nets are expanded once, and the
linear tail (convolution, interpolation, convolution) becomes one 5x5 convolution to the scale x scale HR pixels of each
LR pixel. At true borders, where the interpolation repeats pixels and the convolution sees zeros, only the outermost LR
row and column differ: so there are nine kernels, three row classes (first, inner, last) by three column classes.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from demsr.model.coast import CoastNet, nets_of
from demsr.model.device import device_of
from demsr.model.srnet import DemSrNet, ResBlock

_FIRST, _INNER, _LAST = range(3)
_TAIL_REACH_PX = 2


def fold(model: DemSrNet | CoastNet, *, dtype: torch.dtype = torch.float32) -> "FoldedNet | CoastNet":
    """Fold a net, or both nets of a coast.

    Parameters
    ----------
    model : in eval mode
    dtype : see `FoldedNet`
    """
    if isinstance(model, CoastNet):
        land, sea = (FoldedNet(net, dtype=dtype) for net in nets_of(model))
        return CoastNet(land, sea, scale=model.scale).to(device_of(model))
    return FoldedNet(model, dtype=dtype)


class FoldedNet(nn.Module):
    """Faster equivalent of `DemSrNet`, for inference only.

    Parameters
    ----------
    net : in eval mode
    dtype : of the blocks, the body and the tail; head, base and sum stay float32
    """

    def __init__(self, net: DemSrNet, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.net, self.dtype = net, dtype
        with torch.no_grad():
            self.blocks = [
                (self._cast(block.first.weight), self._cast(block.second.weight * block.residual_scale))
                for block in net.blocks
                if isinstance(block, ResBlock)
            ]
            self.body = self._cast(net.body.weight)
            if net.upsampling == "subpixel":
                self.last = self._cast(net.last.weight)
            else:
                self.tails = [[self._cast(_tail_kernel(net, row, col)) for col in range(3)] for row in range(3)]

    @property
    def reach_px(self) -> int:
        """Radius of the receptive field in LR pixels."""
        return self.net.reach_px

    def forward(self, lr: Tensor) -> Tensor:
        """Super-resolve (B, in_channels, H, W) float32 metres to (B, out_channels, scale*H, scale*W) metres."""
        head, skip = self.net.shallow_features(lr)
        features = head.to(self.dtype, memory_format=torch.channels_last, copy=True)
        for first, second in self.blocks:
            branch = functional.conv2d(features, first, padding=1).relu_()
            features += functional.conv2d(branch, second, padding=1)
        features = functional.conv2d(features, self.body, padding=1)
        features += skip
        subpixel = self.net.upsampling == "subpixel"
        detail = functional.conv2d(features, self.last, padding=1) if subpixel else self._tail(features)
        return self.net.to_metres(functional.pixel_shuffle(detail.float(), self.net.scale), lr)

    def _tail(self, features: Tensor) -> Tensor:
        """Convolve all pixels with the inner kernel, then overwrite the outermost rows and columns."""
        result = functional.conv2d(features, self.tails[_INNER][_INNER], padding=_TAIL_REACH_PX)
        padded = functional.pad(features, (_TAIL_REACH_PX,) * 4)
        rows, cols = (_border_classes(size) for size in features.shape[2:])
        for (row_class, row), (col_class, col) in itertools.product(enumerate(rows), enumerate(cols)):
            if (row_class, col_class) != (_INNER, _INNER) and row.start < row.stop and col.start < col.stop:
                around = padded[:, :, _with_reach(row), _with_reach(col)]
                result[:, :, row, col] = functional.conv2d(around, self.tails[row_class][col_class])
        return result

    def _cast(self, kernel: Tensor) -> Tensor:
        return kernel.detach().to(self.dtype).contiguous(memory_format=torch.channels_last)


def _border_classes(size: int) -> tuple[slice, slice, slice]:
    """Return the first, the inner and the last pixels of an axis."""
    return slice(0, 1), slice(1, size - 1), slice(size - 1, size)


def _with_reach(part: slice) -> slice:
    """Return the slice of the padded axis that the tail needs for this part."""
    return slice(part.start, part.stop + 2 * _TAIL_REACH_PX)


def _tail_kernel(net: DemSrNet, row_class: int, col_class: int) -> Tensor:
    """Return the (out_channels * scale**2, features, 5, 5) kernel of the interpolating tail, computed in float64.

    It is the convolution before the interpolation, the interpolation along each axis and the last convolution, summed
    over the nine positions in the last kernel.
    """
    taps = net.tail_taps.double()
    rows, cols = _shifted_taps(taps, row_class), _shifted_taps(taps, col_class)
    last, before = net.last.weight.double(), net.before.weight.double()
    upsampled = torch.einsum("ocij,ipu,jqv->opqcuv", last, rows, cols)
    outputs, features = last.shape[0] * net.scale**2, before.shape[1]
    kernel = torch.zeros(outputs, features, 5, 5, dtype=torch.float64, device=last.device)
    for u, v in itertools.product(range(3), range(3)):
        product = upsampled[..., u, v].flatten(0, 2) @ before.flatten(1)
        kernel[:, :, u : u + 3, v : v + 3] += product.reshape(outputs, features, 3, 3)
    return kernel


def _shifted_taps(taps: Tensor, border_class: int) -> Tensor:
    """Return the (3, scale, 3) weights of the LR pixels -1..1 for each HR phase and each shift in the last kernel.

    Beyond a true border the interpolation repeats the outermost LR pixel, and the last convolution sees zeros.
    """
    scale = len(taps)
    line = torch.zeros(3 * scale, 5, dtype=taps.dtype, device=taps.device)  # HR pixels of three cells, LR pixels -2..2
    for cell in range(3):
        line[cell * scale : (cell + 1) * scale, cell : cell + 3] = taps
    if border_class == _FIRST:
        line[:, 2] += line[:, :2].sum(dim=1)
        line[:, :2], line[:scale] = 0, 0
    if border_class == _LAST:
        line[:, 2] += line[:, 3:].sum(dim=1)
        line[:, 3:], line[2 * scale :] = 0, 0
    return torch.stack([line[scale - 1 + shift : 2 * scale - 1 + shift, 1:4] for shift in range(3)])
