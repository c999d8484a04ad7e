"""One net for land and one for the sea floor, joined along the coast without a seam.

In a grid such as GEBCO, land and sea floor have different origins, and a coast is a step between them. Land cells are
the mean of the land under a Gaussian, whatever the depth beside them. So the net for land sees the sea at 0 m; the net
for the sea floor sees the land at 0 m, whose heights say nothing about the floor.
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
    name : see `DemSrNet`
    weights_sha256 : digests of both files of weights, joined by "+"; None if one is not from a file
    model_sha256 : identities of both models, likewise
    """

    in_channels = out_channels = 1

    def __init__(self, land: nn.Module, sea: nn.Module, *, scale: int = 5) -> None:
        super().__init__()
        self.name: str | None = None
        self.land, self.sea, self.scale = land, sea, scale

    @property
    def weights_sha256(self) -> str | None:
        """Digests of both files of weights."""
        return _joined([net.weights_sha256 for net in nets_of(self)])

    @property
    def model_sha256(self) -> str | None:
        """Identities of both models."""
        return _joined([net.model_sha256 for net in nets_of(self)])

    def forward(self, lr: Tensor, is_land: Tensor | None = None) -> Tensor:
        """Super-resolve (B, 1, H, W) metres to (B, 1, scale*H, scale*W) metres; see `joined`."""
        return self.joined(lr, is_land, lambda net, image: net(image)[:, :1])

    def joined(self, lr: Tensor, is_land: Tensor | None, apply: Callable[[nn.Module, Tensor], Tensor]) -> Tensor:
        """Apply a function of a net and its input to both nets and join the results along the coast.

        A net is applied only to the rectangle around the cells of its kind, as far as these depend on it.

        Parameters
        ----------
        lr : (B, 1, H, W), metres, without voids
        is_land : (B, 1, H, W), bool; None takes cells above sea level
        apply : maps a net and its input to (B, C, scale*H, scale*W)
        """
        land_cells = lr > SEA_LEVEL_M if is_land is None else is_land
        if not land_cells.any():
            return apply(self.sea, lr)
        if land_cells.all():
            return apply(self.land, lr)
        land = self._around(land_cells, self.land, torch.where(land_cells, lr, SEA_LEVEL_M), apply)
        sea = self._around(~land_cells, self.sea, torch.where(land_cells, SEA_LEVEL_M, lr), apply)
        weight = self.land_weight(land_cells)
        return torch.where(weight == 1, land, torch.where(weight == 0, sea, (land + sea) / 2))

    def _around(
        self, cells: Tensor, net: nn.Module, lr: Tensor, apply: Callable[[nn.Module, Tensor], Tensor]
    ) -> Tensor:
        """Apply a net to the rectangle around some cells and the pixel beside them; elsewhere the result is 0."""
        margin = int(net.reach_px) + 1  # type: ignore[arg-type]
        rows, cols = (_span(cells.any(dim=(0, 1, axis)), margin) for axis in (3, 2))
        part = apply(net, lr[..., rows, cols])
        whole = part.new_zeros((*part.shape[:2], self.scale * lr.shape[2], self.scale * lr.shape[3]))
        row, col = self.scale * rows.start, self.scale * cols.start
        whole[..., row : row + part.shape[2], col : col + part.shape[3]] = part
        return whole

    def land_weight(self, land_cells: Tensor) -> Tensor:
        """Return the weight of the net for land (B, 1, scale*H, scale*W): 1 on land, 1/2 beside it, 0 at sea."""
        land = functional.interpolate(land_cells.float(), scale_factor=self.scale, mode="nearest")
        return (land + functional.max_pool2d(land, 3, stride=1, padding=1)) / 2


def _joined(digests: list[str | None]) -> str | None:
    return None if None in digests else "+".join(map(str, digests))


def _span(used: Tensor, margin: int) -> slice:
    """Return the slice from the first to the last used index, and a margin; at least two wide."""
    places = used.nonzero()[:, 0]
    start, stop = max(0, int(places[0]) - margin), min(len(used), int(places[-1]) + margin + 1)
    return slice(start, max(stop, start + 2))


def nets_of(model: nn.Module) -> tuple[DemSrNet, ...]:
    """Return the nets that a model consists of.

    Parameters
    ----------
    model : a `DemSrNet`, or a `CoastNet` of two
    """
    parts = (model.land, model.sea) if isinstance(model, CoastNet) else (model,)
    return tuple(part for part in parts if isinstance(part, DemSrNet))
