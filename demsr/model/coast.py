"""One net for land and one for the sea floor, joined along the coast without a seam.

In a grid such as GEBCO, land and sea floor have different origins, and a coast is a step between them. Land cells are
the SRTM under a Gaussian, and the SRTM has its sea at 0 m. So the net for land sees the sea at 0 m; the net for the sea
floor sees the land at 0 m, whose heights say nothing about the floor.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from demsr.model.srnet import DemSrNet

SEA_LEVEL_M = 0.0


class CoastNet(nn.Module):
    """Super-resolve land and sea floor by a net each.

    An HR pixel in a land cell comes from the net for land, one further than an HR pixel from any land cell from the net
    for the sea floor; on the pixels between them, half from each.

    Parameters
    ----------
    land, sea : nets with the same scale; or stand-ins with their signature, such as `FoldedNet`
    scale : HR pixels per LR pixel along one axis

    Attributes
    ----------
    weights_sha256 : digests of both files of weights, joined by "+"; None if one is not from a file
    """

    in_channels = out_channels = 1

    def __init__(self, land: nn.Module, sea: nn.Module, *, scale: int = 5) -> None:
        super().__init__()
        self.land, self.sea, self.scale = land, sea, scale

    @property
    def weights_sha256(self) -> str | None:
        """Digests of both files of weights."""
        digests = [net.weights_sha256 for net in nets_of(self)]
        return None if None in digests else "+".join(map(str, digests))

    def forward(self, lr: Tensor, is_land: Tensor | None = None) -> Tensor:
        """Super-resolve (B, 1, H, W) metres to (B, 1, scale*H, scale*W) metres; see `joined`."""
        return self.joined(lr, is_land, lambda net, image: net(image)[:, :1])

    def joined(self, lr: Tensor, is_land: Tensor | None, apply: Callable[[nn.Module, Tensor], Tensor]) -> Tensor:
        """Apply a function of a net and its input to both nets and join the results along the coast.

        A net is applied only if the image has cells of its kind.

        Parameters
        ----------
        lr : (B, 1, H, W), metres, without voids
        is_land : (B, 1, H, W), bool; None takes cells above sea level
        apply : maps a net and its input to (B, C, scale*H, scale*W)
        """
        land_cells = lr > SEA_LEVEL_M if is_land is None else is_land
        if not land_cells.any():
            return apply(self.sea, lr)
        land = apply(self.land, torch.where(land_cells, lr, SEA_LEVEL_M))
        if land_cells.all():
            return land
        sea, weight = apply(self.sea, torch.where(land_cells, SEA_LEVEL_M, lr)), self.land_weight(land_cells)
        return torch.where(weight == 1, land, torch.where(weight == 0, sea, (land + sea) / 2))

    def land_weight(self, land_cells: Tensor) -> Tensor:
        """Return the weight of the net for land (B, 1, scale*H, scale*W): 1 on land, 1/2 beside it, 0 at sea."""
        land = functional.interpolate(land_cells.float(), scale_factor=self.scale, mode="nearest")
        return (land + functional.max_pool2d(land, 3, stride=1, padding=1)) / 2


def nets_of(model: nn.Module) -> tuple[DemSrNet, ...]:
    """Return the nets that a model consists of.

    Parameters
    ----------
    model : a `DemSrNet`, or a `CoastNet` of two
    """
    parts = (model.land, model.sea) if isinstance(model, CoastNet) else (model,)
    return tuple(part for part in parts if isinstance(part, DemSrNet))
