"""Net and batches of the two kinds of training, for the stages and for the sweep."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demsr.model.checkpoint import read_model
from demsr.model.device import best_device
from demsr.model.srnet import DemSrNet
from demsr.pairs.datamodule import PairDataModule, TrainPairs, ValidPairs
from demsr.pairs.store import PairFile
from demsr.runtime.seeding import sub_seed
from demsr.training.features import cache_features
from demsr.training.fit import check_unit, new_net


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
    ParamsError : the net cannot be trained on pairs of this unit
    """
    net = read_model(start)
    check_unit(net, train.unit)
    features = cache_features(net, (train, valid), cache, device=best_device(), batch_size=batch_size)
    return net, PairDataModule(*features, batch_size=batch_size, workers=workers, seed=seed)
