"""Baselines of every table of results, by name."""

import torch
from torch import nn

from demsr.model.baselines import BackProjectedBicubic, Bicubic, LinearFilter
from demsr.pairs.pair_file import PairFile

BICUBIC = "bicubic"


def baselines(train: PairFile, *, linear_filter_size: int, batch_size: int) -> dict[str, nn.Module]:
    """Return bicubic interpolation, its variants, and a fitted linear filter by name.

    Parameters
    ----------
    train : training pairs of the same domain, on which the filter is fitted
    linear_filter_size : side of the filter, LR pixels
    batch_size : pairs at a time
    """
    batches = ((torch.from_numpy(lr), torch.from_numpy(hr)) for _, lr, hr in train.batches(batch_size))
    return {
        BICUBIC: Bicubic(),
        "bicubic_a-0.5": Bicubic(a=-0.5),
        "back_projected_bicubic": BackProjectedBicubic(),
        f"linear_{linear_filter_size}x{linear_filter_size}": LinearFilter.fit(batches, size=linear_filter_size),
    }
