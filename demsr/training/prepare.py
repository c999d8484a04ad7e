"""Net and batches of the two kinds of training, for the stages and for the sweep."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from demsr.errors import ParamsError
from demsr.model.checkpoint import read_model
from demsr.model.device import best_device
from demsr.model.srnet import DemSrNet, scaled_units
from demsr.pairs.datamodule import PairDataModule, TrainPairs, ValidPairs
from demsr.pairs.pair_file import PairFile
from demsr.runtime.seeding import sub_seed
from demsr.training.features import cache_features


def new_net(*, seed: int, unit: str = "m", **options: Any) -> DemSrNet:
    """Build a net whose initial weights depend on the seed only.

    Parameters
    ----------
    seed : of the initial weights
    unit : of the elevations; unless it is "m", the net's default scale is divided by the range of the Earth
    options : arguments of `DemSrNet`
    """
    if unit != "m" and options.get("elevation_scale_m") is None:
        options = {**options, **scaled_units(options.get("formulation", "residual"))}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DemSrNet(**options)


def prepare_pretraining(
    train: PairFile, valid: PairFile, *, net_options: Mapping[str, Any], seed: int, batch_size: int, workers: int
) -> tuple[DemSrNet, PairDataModule]:
    """Return a new net and its batches, augmented by random turns and reflections.

    Parameters
    ----------
    train, valid : pairs
    net_options : keyword arguments of `DemSrNet`
    seed : base seed of weights and batches
    batch_size : pairs per batch
    workers : processes that load pairs
    """
    net = new_net(seed=sub_seed(seed, "weights"), unit=train.unit, **net_options)
    pairs = TrainPairs(train, seed=seed, augment=True), ValidPairs(valid)
    return net, PairDataModule(*pairs, batch_size=batch_size, workers=workers, seed=seed)


def prepare_finetuning(
    train: PairFile, valid: PairFile, *, start: Path, cache: Path, seed: int, batch_size: int, workers: int
) -> tuple[DemSrNet, PairDataModule]:
    """Return a pretrained net and batches of pairs with the features of its frozen layers.

    Parameters
    ----------
    train, valid : pairs
    start : folder of the pretrained model
    cache : folder of the features; one for each pretrained model and each data set
    seed : base seed of the batches
    batch_size : pairs per batch
    workers : processes that load pairs

    Raises
    ------
    ParamsError : the net is "direct" and the pairs have another unit
    """
    net = read_model(start)
    if net.formulation == "direct" and net.unit != train.unit:  # residual nets have no biases, so any unit will do
        message = f"elevations are in {net.unit} for the net and in {train.unit} in the pairs; use the unit of the net"
        raise ParamsError(message)
    features = cache_features(net, (train, valid), cache, device=best_device(), batch_size=batch_size)
    return net, PairDataModule(*features, batch_size=batch_size, workers=workers, seed=seed)
