"""Muon: momentum SGD with orthogonalised steps, so that every direction of a kernel gets updates of the same size.

Source: Jordan et al. (2024), kellerjordan.github.io/posts/muon; step size that matches Adam's learning rates: Liu et
al. (2025), arXiv 2502.16982. `torch.optim.Muon` accepts matrices only, no convolution kernels.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_RMS = 0.2  # RMS of an update at a learning rate of 1, typical of Adam
_MOMENTUM, _WEIGHT_DECAY = 0.95, 0.1
_BETAS, _EPSILON = (0.9, 0.99), 1e-8


class Muon(torch.optim.Optimizer):
    """Orthogonalised steps and weight decay for kernels between features, Adam for all other parameters.

    Parameters
    ----------
    parameters : in data-flow order. Adam updates the first and the last weight, whose rows are pixels, and biases. A
        kernel (out, in, h, w) is treated as the matrix (out, in * h * w)
    lr : learning rate of both rules
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, lr: float) -> None:
        weights = [parameter for parameter in parameters if parameter.ndim > 1]
        inner = {id(weight) for weight in weights[1:-1]}
        groups = [
            {"params": [one for one in parameters if (id(one) in inner) is orthogonal], "orthogonal": orthogonal}
            for orthogonal in (True, False)
        ]
        super().__init__([group for group in groups if group["params"]], {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return the loss of `closure` if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._orthogonal if group["orthogonal"] else self._adam
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(update(parameter), alpha=group["lr"])
        return loss

    def _orthogonal(self, kernel: nn.Parameter) -> Tensor:
        assert kernel.grad is not None
        (mean,) = self._state(kernel, "mean")
        mean.lerp_(kernel.grad, 1 - _MOMENTUM)
        ahead = kernel.grad.lerp(mean, _MOMENTUM).flatten(1)
        step: Tensor = orthogonalised(ahead) * _RMS * max(ahead.shape) ** 0.5
        return step.reshape(kernel.shape) + _WEIGHT_DECAY * kernel

    def _adam(self, parameter: nn.Parameter) -> Tensor:
        assert parameter.grad is not None
        mean, square = self._state(parameter, "mean", "square")
        self.state[parameter]["steps"] = steps = self.state[parameter].get("steps", 0) + 1
        mean.lerp_(parameter.grad, 1 - _BETAS[0])
        square.lerp_(parameter.grad.square(), 1 - _BETAS[1])
        spread = (square / (1 - _BETAS[1] ** steps)).sqrt() + _EPSILON
        step: Tensor = mean / (1 - _BETAS[0] ** steps) / spread
        return step

    def _state(self, parameter: nn.Parameter, *names: str) -> list[Tensor]:
        state = self.state[parameter]
        return [state.setdefault(name, torch.zeros_like(parameter)) for name in names]


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return a matrix with the same singular vectors and singular values near one, by five Newton-Schulz steps."""
    tall = matrix.shape[0] > matrix.shape[1]
    result: Tensor = (matrix.mT if tall else matrix) / matrix.norm().clamp(min=1e-12)
    result = result.bfloat16()  # precise enough for a direction, and several times as fast
    for _ in range(5):
        gram = result @ result.mT
        result = _NEWTON_SCHULZ[0] * result + (_NEWTON_SCHULZ[1] * gram + _NEWTON_SCHULZ[2] * gram @ gram) @ result
    return (result.mT if tall else result).to(matrix.dtype)
