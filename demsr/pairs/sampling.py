"""Reach the number of pairs that is asked for: denser patches where there are too few, a random draw where too many."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demsr.errors import PairsError
from demsr.options import Split

_VALID_SHARE = 0.2  # at most, of the number asked for, as in the paper
_MOST_OVERLAP = 8  # patches along one patch's side
_AIM = 0.95  # of the stride that would just suffice on even ground


@dataclass(frozen=True)
class Sampling:
    """How a number of pairs was reached.

    Attributes
    ----------
    asked : training and validation pairs together
    strides_hr : HR pixels between training patches, as they were tried
    candidates : pairs of training and validation at the last stride
    kept : those that were drawn
    """

    asked: int
    strides_hr: tuple[int, ...]
    candidates: Mapping[str, int]
    kept: Mapping[Split, int]

    def as_json(self) -> dict[str, Any]:
        """Return it with a sentence for people."""
        tried = " and then ".join(str(stride) for stride in self.strides_hr)
        how = (
            f"asked for {self.asked:,} pairs of training and validation; patches every {tried} HR pixels gave "
            f"{self.candidates['train']:,} and {self.candidates['valid']:,}, of which {self.kept['train']:,} and "
            f"{self.kept['valid']:,} were drawn at random"
        )
        return {
            "asked": self.asked,
            "strides_hr": list(self.strides_hr),
            "candidates": dict(self.candidates),
            "kept": dict(self.kept),
            "how": how,
        }


def quotas(asked: int, candidates: Mapping[str, int]) -> dict[Split, int]:
    """Return how many pairs of training and validation to keep; validation has a fifth at most.

    Raises
    ------
    PairsError : there is no candidate for validation
    """
    if not candidates["valid"]:
        message = "a number of pairs is asked for, and no patch can validate; give larger or fuller held-out rasters"
        raise PairsError(message)
    valid = min(candidates["valid"], max(1, int(asked * _VALID_SHARE)))
    return {"train": asked - valid, "valid": valid}


def denser_stride(stride_hr: int, candidates: int, wanted: int, *, patch_hr: int, step: int, domain: str) -> int:
    """Return the stride at which a region will hold as many patches.

    Parameters
    ----------
    patch_hr : side of a patch in HR pixels
    step : strides are multiples of this

    Raises
    ------
    PairsError : patches would overlap too much
    """
    least = max(step, patch_hr // _MOST_OVERLAP // step * step)
    if stride_hr <= least or not candidates:
        message = (
            f"{domain}: {wanted:,} training pairs are asked for, patches every {stride_hr} HR pixels give "
            f"{candidates:,}; give more regions, or lower pairs.{domain}.count"
        )
        raise PairsError(message)
    enough = int(stride_hr * math.sqrt(candidates / wanted) * _AIM)
    return max(least, min(stride_hr - step, enough // step * step))


def drawn(counts: Sequence[int], kept: int, random: np.random.Generator) -> list[NDArray[np.int64]]:
    """Return which pairs of each piece to keep, in order, each as likely as any other."""
    chosen = np.sort(random.choice(sum(counts), size=kept, replace=False))
    edges = np.cumsum([0, *counts])
    return [
        chosen[(chosen >= first) & (chosen < last)] - first for first, last in zip(edges[:-1], edges[1:], strict=True)
    ]
