"""The same net with fewer operations, for applying it: exact, true borders included.

The factor of the ResBlocks goes into their second kernels, shared weights are copied once, and the linear tail
(convolution, interpolation, convolution) becomes one 5x5 convolution to the pixels that each LR pixel is made of. At
true borders, where the interpolation repeats and the convolution sees zeros, only the outermost LR row and column
differ: there are nine kernels, one for each class of place.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from demsr.model.srnet import DemSrNet, ResBlock

Places = tuple[slice, slice]
_FIRST, _INNER, _LAST = 0, 1, 2
_TAIL_REACH_PX = 2


class FoldedNet(nn.Module):
    """A net that gives what `DemSrNet` gives, faster; for inference only.

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
                (self._kept(block.first), self._kept(block.second, factor=block.residual_scale))
                for block in net.blocks
                if isinstance(block, ResBlock)
            ]
            self.body = self._kept(net.body)
            if net.upsampling == "subpixel":
                self.last = self._kept(net.last)
            else:
                self.tails = [[self._cast(_tail_kernel(net, row, col)) for col in range(3)] for row in range(3)]

    def forward(self, lr: Tensor) -> Tensor:
        """Super-resolve (B, in_channels, H, W) float32 metres to (B, out_channels, scale*H, scale*W) metres."""
        head, skip = self.net.shallow_features(lr)
        features = head.to(self.dtype, memory_format=torch.channels_last, copy=True)
        for first, second in self.blocks:
            branch = functional.conv2d(features, first, padding=1).relu_()
            features += functional.conv2d(branch, second, padding=1)
        features = functional.conv2d(features, self.body, padding=1)
        features += skip
        detail = self._subpixel(features) if self.net.upsampling == "subpixel" else self._tail(features)
        return self.net.to_metres(functional.pixel_shuffle(detail.float(), self.net.scale), lr)

    def _subpixel(self, features: Tensor) -> Tensor:
        return functional.conv2d(features, self.last, padding=1)

    def _tail(self, features: Tensor) -> Tensor:
        """Convolve with the inner kernel everywhere, then again with the kernels of the outermost rows and columns."""
        result = functional.conv2d(features, self.tails[_INNER][_INNER], padding=_TAIL_REACH_PX)
        padded = functional.pad(features, (_TAIL_REACH_PX,) * 4)
        rows, cols = _classes(features.shape[2]), _classes(features.shape[3])
        for row_class, row in rows.items():
            for col_class, col in cols.items():
                if (row_class, col_class) != (_INNER, _INNER) and row.start < row.stop and col.start < col.stop:
                    around = padded[:, :, _with_reach(row), _with_reach(col)]
                    result[:, :, row, col] = functional.conv2d(around, self.tails[row_class][col_class])
        return result

    def _kept(self, convolution: nn.Module, *, factor: float = 1.0) -> Tensor:
        return self._cast(_weight(convolution) * factor)

    def _cast(self, kernel: Tensor) -> Tensor:
        return kernel.detach().to(self.dtype).contiguous(memory_format=torch.channels_last)


def _weight(convolution: nn.Module) -> Tensor:
    weight = convolution.weight
    assert isinstance(weight, Tensor)
    return weight


def _classes(size: int) -> dict[int, slice]:
    """Return where the first, the inner and the last pixels of an axis lie."""
    return {_FIRST: slice(0, 1), _INNER: slice(1, size - 1), _LAST: slice(size - 1, size)}


def _with_reach(part: slice) -> slice:
    """Return what a part of an axis needs of the padded axis."""
    return slice(part.start, part.stop + 2 * _TAIL_REACH_PX)


def _tail_kernel(net: DemSrNet, row_class: int, col_class: int) -> Tensor:
    """Return the (out_channels * scale**2, features, 5, 5) kernel that the interpolating tail comes to.

    With b the convolution before, u the interpolation along an axis and s its shift by the last convolution's kernel,
    the kernel is the sum over their positions; float64 on the way.
    """
    taps = net.tail_taps.double()
    rows, cols = _shifted_taps(taps, row_class), _shifted_taps(taps, col_class)
    last, before = _weight(net.last).double(), _weight(net.before).double()
    upsampled = torch.einsum("ocij,ipu,jqv->opqcuv", last, rows, cols)
    outputs, features = last.shape[0] * net.scale**2, before.shape[1]
    kernel = torch.zeros(outputs, features, 5, 5, dtype=torch.float64, device=last.device)
    for u in range(3):
        for v in range(3):
            of_place = upsampled[..., u, v].flatten(0, 2) @ before.flatten(1)
            kernel[:, :, u : u + 3, v : v + 3] += of_place.reshape(outputs, features, 3, 3)
    return kernel


def _shifted_taps(taps: Tensor, place: int) -> Tensor:
    """Return (3, scale, 3): weights of the LR pixels -1..1 for each HR phase, by the place in the last kernel.

    Beyond a true border the interpolation repeats the outermost LR pixel, and the last convolution sees zeros.
    """
    scale = len(taps)
    line = torch.zeros(3 * scale, 5, dtype=taps.dtype, device=taps.device)  # HR pixels of three cells, LR pixels -2..2
    for cell in range(3):
        line[cell * scale : (cell + 1) * scale, cell : cell + 3] = taps
    if place == _FIRST:
        line[:, 2] += line[:, :2].sum(dim=1)
        line[:, :2], line[:scale] = 0, 0
    if place == _LAST:
        line[:, 2] += line[:, 3:].sum(dim=1)
        line[:, 3:], line[2 * scale :] = 0, 0
    return torch.stack([line[scale - 1 + shift : 2 * scale - 1 + shift, 1:4] for shift in range(3)])
