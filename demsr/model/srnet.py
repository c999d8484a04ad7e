"""DEM-SRNet, the network of Zhang et al. (2022, doi 10.1016/j.scib.2022.11.021), in two formulations.

Torch only: no files, no logging, no training. Input and output are metres.
"""

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from demsr.model.interpolation import keys_taps, linear_taps, pad_linear, pad_replicate, upsample
from demsr.model.symmetry import GroupConv, LiftingConv, ProjectingConv
from demsr.options import Formulation, Interpolation, LongSkip, Upsampling

if TYPE_CHECKING:
    from demsr.model.uncertainty import Uncertainty

_RESIDUAL_SCALE_M = 100.0
_EARTH_BOTTOM_M, _EARTH_RANGE_M = -11_000.0, 20_000.0  # Challenger Deep to Everest, rounded outwards


class ResBlock(nn.Module):
    """Residual block of EDSR: two 3x3 convolutions with a ReLU between them, scaled and added to the input.

    Parameters
    ----------
    features : channels
    residual_scale : factor of the branch
    symmetric : use convolutions of `demsr.model.symmetry`
    """

    def __init__(self, features: int, *, residual_scale: float, symmetric: bool = False) -> None:
        super().__init__()
        self.first = _feature_conv(features, symmetric=symmetric)
        self.second = _feature_conv(features, symmetric=symmetric)
        self.residual_scale = residual_scale

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, F, H, W) to features of the same shape."""
        branch: Tensor = self.second(functional.relu(self.first(features)))
        return features + self.residual_scale * branch


class DemSrNet(nn.Module):
    """Super-resolve elevation by an odd integer factor.

    Parameters
    ----------
    num_blocks, features : depth and width; the paper has 42 and 256
    in_channels : channel 0 is elevation, the only one that is scaled and interpolated
    out_channels : channel 0 is elevation
    scale : HR pixels per LR pixel along one axis
    residual_scale : factor of each ResBlock's branch
    formulation : "residual" adds the net's detail to a cubic interpolation and is blind to planes: a plane added to
        the input is added to the output. "direct" is the paper's: elevation is scaled to 0..1 and passes the net only
    long_skip : add the "head" features (paper's figure, EDSR) or the "input" (reference code, by broadcasting)
    upsampling : "interpolate" is the paper's, a bilinear interpolation between two convolutions; "subpixel" is one
        convolution to the scale x scale HR pixels of each LR pixel (Shi et al. 2016), twice as fast to train
    interpolation : anchor of the bilinear upsampling inside the net, see `linear_taps`
    symmetric : the net commutes with the turns and reflections of the square; features must be a multiple of eight,
        and the net has about an eighth of the weights, see `demsr.model.symmetry`
    elevation_scale_m, elevation_offset_m : the net sees (elevation - offset) / scale; None for 100 m and 0 m
        ("residual") or the range of the Earth ("direct")

    Attributes
    ----------
    unit : of the elevations that the weights were trained on: "m", or "scaled" to an unknown range
    name : of the model that the net was read from, for messages, else None
    weights_sha256, model_sha256 : of the weights and of the whole model that the net was read from, else None
    uncertainty : calibration for `demsr.model.uncertainty.sigma_m`, else None

    Raises
    ------
    ValueError : a combination of options is impossible

    Notes
    -----
    Convolutions have no bias. `parameters()` are in data-flow order: head, blocks, body, before (the upsampling), last;
    a "subpixel" net has no `before`.

    Examples
    --------
    >>> import demsr, torch
    >>> net = demsr.DemSrNet(num_blocks=2, features=8)
    >>> net(torch.full((1, 1, 4, 6), 1000.0)).shape
    torch.Size([1, 1, 20, 30])
    """

    def __init__(
        self,
        num_blocks: int = 42,
        features: int = 256,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 5,
        residual_scale: float = 0.1,
        formulation: Formulation = "residual",
        long_skip: LongSkip = "head",
        upsampling: Upsampling = "interpolate",
        interpolation: Interpolation = "half_pixel",
        symmetric: bool = False,
        elevation_scale_m: float | None = None,
        elevation_offset_m: float | None = None,
    ) -> None:
        super().__init__()
        self.unit = "m"
        self.name: str | None = None
        self.weights_sha256: str | None = None
        self.model_sha256: str | None = None
        self.uncertainty: Uncertainty | None = None
        if long_skip == "input" and in_channels != 1:
            message = f"in_channels is {in_channels}; long_skip='input' broadcasts one channel, set long_skip='head'"
            raise ValueError(message)
        if symmetric and interpolation == "corner":
            message = "interpolation='corner' prefers one corner; a symmetric net needs interpolation='half_pixel'"
            raise ValueError(message)
        residual = formulation == "residual"
        scale_m, offset_m = (_RESIDUAL_SCALE_M, 0.0) if residual else (_EARTH_RANGE_M, _EARTH_BOTTOM_M)
        self.num_blocks, self.features, self.scale = num_blocks, features, scale
        self.in_channels, self.out_channels, self.residual_scale = in_channels, out_channels, residual_scale
        self.formulation, self.long_skip, self.upsampling = formulation, long_skip, upsampling
        self.interpolation, self.symmetric = interpolation, symmetric
        self.elevation_scale_m = scale_m if elevation_scale_m is None else elevation_scale_m
        self.elevation_offset_m = offset_m if elevation_offset_m is None else elevation_offset_m

        side = scale if upsampling == "subpixel" else 1  # the last convolution makes side x side pixels of one
        self.head = LiftingConv(in_channels, features) if symmetric else _conv(in_channels, features)
        block = partial(ResBlock, features, residual_scale=residual_scale, symmetric=symmetric)
        self.blocks = nn.Sequential(*(block() for _ in range(num_blocks)))
        self.body = _feature_conv(features, symmetric=symmetric)
        if upsampling == "interpolate":
            self.before = _feature_conv(features, symmetric=symmetric)
        outputs = out_channels * side**2
        self.last = ProjectingConv(features, out_channels, side) if symmetric else _conv(features, outputs)
        if residual:
            for weight in self.last.parameters():
                nn.init.zeros_(weight)  # training starts at the base interpolation
        self.base_taps: Tensor
        self.tail_taps: Tensor
        self.curvature: Tensor
        device = torch.get_default_device()
        with torch.device("cpu"):  # operations on the device "meta" import a compiler, half a second long
            constants = {
                "base_taps": keys_taps(scale, a=-0.5).float(),
                "tail_taps": linear_taps(scale, anchor=interpolation).float(),
                "curvature": _curvature_projection(),
            }
        for name, values in constants.items():
            self.register_buffer(name, values.to(device), persistent=False)

    @property
    def reach_px(self) -> int:
        """Radius of the receptive field in LR pixels, the pixel itself not counted."""
        tail = 1 if self.upsampling == "subpixel" else 2  # interpolation and last convolution reach one pixel together
        return 2 + 2 * self.num_blocks + tail

    def forward(self, lr: Tensor) -> Tensor:
        """Super-resolve (B, in_channels, H, W) float32 metres to (B, out_channels, scale*H, scale*W) metres."""
        return self.to_metres(self.tail(self.deep_features(lr)), lr)

    def deep_features(self, lr: Tensor) -> Tensor:
        """Return the features (B, F, H, W) of head, blocks and body, which fine-tuning freezes."""
        head, skip = self.shallow_features(lr)
        features: Tensor = self.body(self.blocks(head)) + skip
        return features

    def shallow_features(self, lr: Tensor) -> tuple[Tensor, Tensor]:
        """Return the head's features (B, F, H, W) and the long skip that is added to the output of the body."""
        self._check(lr)
        scaled = torch.cat(((lr[:, :1] - self.elevation_offset_m) / self.elevation_scale_m, lr[:, 1:]), dim=1)
        with torch.autocast(lr.device.type, enabled=False):
            head = self.head(scaled) if self.formulation == "direct" else self._plane_blind_head(scaled)
        return head, head if self.long_skip == "head" else scaled

    def tail(self, features: Tensor) -> Tensor:
        """Upsample deep features to (B, out_channels, scale*H, scale*W), in units of the elevation scale."""
        if self.upsampling == "subpixel":
            return functional.pixel_shuffle(self.last(features).float(), self.scale)
        return self._interpolated_tail(features)

    def _interpolated_tail(self, features: Tensor) -> Tensor:
        """Convolve, interpolate and convolve again.

        The last 3x3 convolution is a sum of nine shifted 1x1 convolutions, which commute with the interpolation. So
        nine maps per output channel are interpolated instead of all features, with equal results up to rounding.
        """
        weight = self.last.weight.permute(0, 2, 3, 1).reshape(9 * self.out_channels, self.features, 1, 1)
        maps = functional.conv2d(self.before(features), weight)
        with torch.autocast(maps.device.type, enabled=False):
            upsampled = upsample(maps.float(), self.tail_taps, pad=pad_replicate)
            return _sum_shifted(upsampled)

    def to_metres(self, detail: Tensor, lr: Tensor) -> Tensor:
        """Convert the output of the tail to metres; a residual net adds the base interpolation of `lr`."""
        detail_m = detail * self.elevation_scale_m
        if self.formulation == "direct":
            return detail_m + self.elevation_offset_m
        return torch.cat((detail_m[:, :1] + self.base(lr), detail_m[:, 1:]), dim=1)

    def base(self, lr: Tensor) -> Tensor:
        """Interpolate channel 0 by Keys' cubic convolution to (B, 1, scale*H, scale*W) metres; planes stay planes."""
        with torch.autocast(lr.device.type, enabled=False):  # half precision would round away the relief
            return upsample(lr[:, :1], self.base_taps, pad=pad_linear)

    def frozen_for_finetuning(self) -> list[nn.Module]:
        """Return the modules that fine-tuning does not train."""
        return [self.head, self.blocks, self.body]

    def config(self) -> dict[str, Any]:
        """Return the keyword arguments that build the same net."""
        names = ("num_blocks", "features", "in_channels", "out_channels", "scale", "residual_scale", "formulation")
        more = ("long_skip", "upsampling", "interpolation", "symmetric", "elevation_scale_m", "elevation_offset_m")
        return {name: getattr(self, name) for name in (*names, *more)}

    def _plane_blind_head(self, scaled: Tensor) -> Tensor:
        """Convolve with the head's kernels, from which the response to planes of elevation is projected out.

        Such kernels see only differences to the centre pixel, which are computed first, where they are exact.
        """
        batch, _, height, width = scaled.shape
        elevation = functional.unfold(pad_linear(scaled[:, :1], 1), kernel_size=3)  # (B, 9, H*W)
        curvature = self.head.weight[:, 0].flatten(1) @ self.curvature
        head = (curvature @ (elevation - elevation[:, 4:5])).reshape(batch, self.features, height, width)
        if self.in_channels == 1:
            return head
        return head + functional.conv2d(scaled[:, 1:], self.head.weight[:, 1:], padding=1)

    def _check(self, lr: Tensor) -> None:
        if lr.ndim != 4 or lr.shape[1] != self.in_channels or min(lr.shape[2:]) < 2:
            message = (
                f"input has shape {tuple(lr.shape)}; DemSrNet needs (batch, {self.in_channels}, height, width) "
                "with height and width of 2 or more"
            )
            raise ValueError(message)


def scaled_units(formulation: Formulation) -> dict[str, float]:
    """Return scale and offset for elevations that are scaled to 0..1, assuming over the range of the Earth."""
    scale_m = _RESIDUAL_SCALE_M if formulation == "residual" else _EARTH_RANGE_M
    return {"elevation_scale_m": scale_m / _EARTH_RANGE_M, "elevation_offset_m": 0.0}


def _feature_conv(features: int, *, symmetric: bool) -> nn.Conv2d | GroupConv:
    return GroupConv(features) if symmetric else _conv(features, features)


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)


def _sum_shifted(maps: Tensor) -> Tensor:
    """Sum nine maps per channel (B, 9*C, H, W), shifted to their positions in a 3x3 kernel, with zero padding."""
    batch, channels, height, width = maps.shape
    padded = functional.pad(maps, (1, 1, 1, 1)).reshape(batch, channels // 9, 9, height + 2, width + 2)
    positions = itertools.product(range(3), range(3))
    shifted = [padded[:, :, 3 * row + col, row : row + height, col : col + width] for row, col in positions]
    return torch.stack(shifted).sum(dim=0)


def _curvature_projection() -> Tensor:
    """Return the (9, 9) projection of flattened 3x3 kernels onto those that map every plane to zero."""
    row, col = torch.meshgrid(torch.arange(-1.0, 2.0), torch.arange(-1.0, 2.0), indexing="ij")
    planes = torch.stack((torch.ones(9), row.flatten(), col.flatten())).double()
    planes = planes / planes.norm(dim=1, keepdim=True)
    projection: Tensor = torch.eye(9, dtype=torch.float64) - planes.T @ planes
    return projection.float()
