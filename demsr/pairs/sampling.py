"""Reach a requested number of pairs: denser patches if there are too few, a random draw if there are too many."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demsr.errors import PairsError
from demsr.options import Split

_MAX_VALID_SHARE = 0.2  # of the requested number, as in the paper
_MAX_OVERLAP = 8  # patches along the side of a patch
_STRIDE_MARGIN = 0.95  # relative to the stride that would suffice on uniform terrain


@dataclass(frozen=True)
class Sampling:
    """Record of how a requested number of pairs was reached.

    Attributes
    ----------
    asked : requested number of training and validation pairs together
    strides_hr : strides tried, HR pixels between training patches
    candidates : training and validation pairs at the last stride
    kept : training and validation pairs after the draw
    """

    asked: int
    strides_hr: tuple[int, ...]
    candidates: Mapping[Split, int]
    kept: Mapping[Split, int]

    def as_json(self) -> dict[str, Any]:
        """Return the record with a summary sentence `how`."""
        tried = " and then ".join(str(stride) for stride in self.strides_hr)
        how = (
            f"asked for {self.asked:,} pairs of training and validation; patches every {tried} HR pixels gave "
            f"{self.candidates['train']:,} and {self.candidates['valid']:,}, of which {self.kept['train']:,} and "
            f"{self.kept['valid']:,} were drawn at random"
        )
        return {**asdict(self), "strides_hr": list(self.strides_hr), "how": how}


def quotas(asked: int, candidates: Mapping[Split, int]) -> dict[Split, int]:
    """Return the number of training and validation pairs to keep; validation gets at most a fifth.

    Parameters
    ----------
    asked : requested number of pairs together
    candidates : available pairs by split

    Raises
    ------
    PairsError : there is no candidate for validation
    """
    if not candidates["valid"]:
        message = "pairs: no validation pair can be cut, a requested count needs some; give larger held-out rasters"
        raise PairsError(message)
    valid = min(candidates["valid"], max(1, int(asked * _MAX_VALID_SHARE)))
    return {"train": asked - valid, "valid": valid}


def denser_stride(stride_hr: int, candidates: int, wanted: int, *, patch_hr: int, step: int, domain: str) -> int:
    """Return a smaller stride that gives about the requested number of patches.

    Parameters
    ----------
    stride_hr : HR pixels between patches so far
    candidates : patches at this stride
    wanted : patches required
    patch_hr : side of a patch in HR pixels
    step : strides are multiples of this number of HR pixels
    domain : "land" or "marine", for the message

    Raises
    ------
    PairsError : the stride cannot be reduced further
    """
    least = max(step, patch_hr // _MAX_OVERLAP // step * step)
    if stride_hr <= least or not candidates:
        message = (
            f"{domain}: {wanted:,} training pairs are asked for, patches every {stride_hr} HR pixels give "
            f"{candidates:,}; give more regions, or lower pairs.{domain}.count"
        )
        raise PairsError(message)
    enough = int(stride_hr * math.sqrt(candidates / wanted) * _STRIDE_MARGIN)
    return max(least, min(stride_hr - step, enough // step * step))


def draw_pairs(counts: Sequence[int], kept: int, random: np.random.Generator) -> list[NDArray[np.int64]]:
    """Draw pairs without replacement, all with the same probability.

    Parameters
    ----------
    counts : number of pairs of each region
    kept : number of pairs to draw
    random : random generator

    Returns
    -------
    indices : for each region, the indices of its drawn pairs in ascending order
    """
    chosen = np.sort(random.choice(sum(counts), size=kept, replace=False))
    edges = np.cumsum([0, *counts])
    parts = np.split(chosen, np.searchsorted(chosen, edges[1:-1]))
    return [part - first for part, first in zip(parts, edges[:-1], strict=True)]
