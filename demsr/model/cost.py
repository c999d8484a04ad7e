"""Cost of a net in floating-point operations."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from demsr.model.device import device_of


def flop_per_lr_px(net: nn.Module, *, side_px: int = 16) -> float:
    """Return the floating-point operations of a forward pass that are added by each further LR pixel.

    Parameters
    ----------
    net : takes (B, 1, H, W)
    side_px : two square inputs are counted, of this side and of twice this side, LR pixels
    """

    def flop(side: int) -> int:
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            net(torch.zeros(1, 1, side, side, device=device_of(net)))
        return int(counter.get_total_flops())

    return (flop(2 * side_px) - flop(side_px)) / (3 * side_px**2)
