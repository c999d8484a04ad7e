"""Compared nets. Pairs, base interpolation and loss are the same for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from demsr.model.interpolation import keys_taps, pad_linear, upsample
from demsr.model.srnet import DemSrNet

OURS = "ours"
OUR_NET = {"num_blocks": 14, "features": 48, "upsampling": "subpixel", "symmetric": True, "residual_scale": 1.0}
_SCALE, _METRES = 5, 100.0


class OverBase(nn.Module):
    """A published net that predicts the residual of the cubic base, from elevations minus their mean in units of 100 m.

    Without the base, these nets are far worse than bicubic, as the reference formulation shows.

    Attributes
    ----------
    reach_px : LR pixels that a result depends on around its own; all of them, because of their mean
    """

    reach_px = 1_000_000

    def __init__(self) -> None:
        super().__init__()
        self.elevation_scale_m = _METRES
        self.taps: Tensor
        self.register_buffer("taps", keys_taps(_SCALE, a=-0.5).float(), persistent=False)

    def base(self, lr: Tensor) -> Tensor:
        """Interpolate (B, 1, H, W) metres to (B, 1, 5H, 5W) metres."""
        with torch.autocast(lr.device.type, enabled=False):
            return upsample(lr, self.taps, pad=pad_linear)

    def forward(self, lr: Tensor) -> Tensor:
        """Super-resolve (B, 1, H, W) metres to (B, 1, 5H, 5W) metres."""
        level = lr.mean(dim=(2, 3), keepdim=True)
        base = self.base(lr)
        detail = self.detail((lr - level) / _METRES, (base - level) / _METRES)
        return base + _METRES * detail.float()

    def detail(self, lr: Tensor, base: Tensor) -> Tensor:
        """Predict the residual of the base; subclasses override this."""
        raise NotImplementedError


class SRCNN(OverBase):
    """Three convolutions of the interpolated image, 9-1-5 with 64 and 32 features (Dong et al. 2014)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 64, 9, padding=4), nn.ReLU(), nn.Conv2d(64, 32, 1), nn.ReLU(), nn.Conv2d(32, 1, 5, padding=2)
        )
        _initialise(self.net)

    def detail(self, lr: Tensor, base: Tensor) -> Tensor:  # noqa: ARG002
        """See `OverBase`."""
        detail: Tensor = self.net(base)
        return detail


class VDSR(OverBase):
    """Twenty 3x3 convolutions of the interpolated image (Kim et al. 2016), here of 16 features.

    With its 64 features a step costs 15 times as much, and it would see 15 times fewer pairs.
    """

    def __init__(self, *, features: int = 16, depth: int = 20) -> None:
        super().__init__()
        widths = [1] + [features] * (depth - 1) + [1]
        layers: list[nn.Module] = []
        for fan_in, fan_out in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.ReLU()]
        self.net = nn.Sequential(*layers[:-1])
        _initialise(self.net)

    def detail(self, lr: Tensor, base: Tensor) -> Tensor:  # noqa: ARG002
        """See `OverBase`."""
        detail: Tensor = self.net(base)
        return detail


class EDSR(OverBase):
    """32 ResBlocks and sub-pixel upsampling (Lim et al. 2017), here of 32 features; convolutions have biases."""

    def __init__(self, *, features: int = 32, num_blocks: int = 32) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, features, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(features, features, 3, padding=1), nn.ReLU(), nn.Conv2d(features, features, 3, padding=1)
            )
            for _ in range(num_blocks)
        )
        self.body = nn.Conv2d(features, features, 3, padding=1)
        self.last = nn.Conv2d(features, _SCALE**2, 3, padding=1)
        _initialise(self.last)

    def detail(self, lr: Tensor, base: Tensor) -> Tensor:  # noqa: ARG002
        """See `OverBase`."""
        head = features = self.head(lr)
        for block in self.blocks:
            features = features + 0.1 * block(features)
        return functional.pixel_shuffle(self.last(self.body(features) + head).float(), _SCALE)


def _initialise(net: nn.Module) -> None:
    """Initialise the weights (He et al. 2015), with zeros in the last layer, so that the net starts at the base."""
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    for layer in layers[:-1]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layers[-1].weight)
    nn.init.zeros_(layers[-1].bias)


def _reference() -> nn.Module:
    """Return a small net of the reference code: heights scaled to 0..1 over the range of the Earth, no base."""
    return DemSrNet(8, 64, formulation="direct", long_skip="input", interpolation="corner")


@dataclass(frozen=True)
class Method:
    """A net and its training options.

    Attributes
    ----------
    build : returns the net with its first weights
    recipe : options that differ from `protocol.training.RECIPE`
    """

    build: Callable[[], nn.Module]
    recipe: Mapping[str, Any] = field(default_factory=dict)


def _our(**options: Any) -> Callable[[], nn.Module]:
    return lambda: DemSrNet(**{**OUR_NET, **options})


COMPARED = {
    OURS: Method(_our()),
    "EDSR 32 x 32": Method(EDSR),
    "VDSR 20 x 16": Method(VDSR),
    "SRCNN": Method(SRCNN),
    "reference formulation 8 x 64": Method(_reference),
}
VARIANTS = {
    "weights not shared among orientations": Method(_our(symmetric=False)),
    "Adam in place of Muon": Method(_our(), {"optimiser": "adam", "learning_rate": 3e-3}),
    "mean squared error in place of the balanced loss": Method(_our(), {"loss": "mse"}),
    "interpolation in place of sub-pixel upsampling": Method(_our(upsampling="interpolate")),
    "8 blocks of 64 features": Method(_our(num_blocks=8, features=64)),
    "8 blocks of 96 features": Method(_our(num_blocks=8, features=96)),
    "18 blocks of 48 features": Method(_our(num_blocks=18)),
    "28 blocks of 32 features": Method(_our(num_blocks=28, features=32)),
    "a tenth of the branch added in a ResBlock": Method(_our(residual_scale=0.1)),
    "learning rate 0.002": Method(_our(), {"learning_rate": 2e-3}),
}
METHODS = COMPARED | VARIANTS


def new_net(method: str, *, seed: int) -> nn.Module:
    """Build a net whose initial weights depend on the seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return METHODS[method].build()
