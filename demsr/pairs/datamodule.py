"""Load pairs for training: order and augmentation depend on (seed, epoch, index) alone.

A resumed run, another number of workers or another number of devices therefore reads the same pairs in the same
orientations.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from demsr.errors import ParamsError
from demsr.runtime.seeding import generator

if TYPE_CHECKING:
    from demsr.pairs.pair_file import PairFile

SampleKey = tuple[int, int]  # epoch, index


class EpochSampler(Sampler[SampleKey]):
    """Sampler that yields every index once per epoch, distributed over the devices.

    Parameters
    ----------
    count : number of samples
    seed : base seed of the order
    rank : index of this device
    world_size : number of devices
    """

    def __init__(self, count: int, *, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.count, self.seed, self.rank, self.world_size = count, seed, rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which determines the order; Lightning calls this before every epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[SampleKey]:
        """Yield (epoch, index); if the devices do not divide the count, the first indices are repeated."""
        order = generator(self.seed, "order", self.epoch).permutation(self.count)
        padded = np.resize(order, len(self) * self.world_size)
        return iter([(self.epoch, int(index)) for index in padded[self.rank :: self.world_size]])

    def __len__(self) -> int:
        """Return the number of samples per device."""
        return -(-self.count // self.world_size)


class ValidPairs(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of a file without augmentation.

    Parameters
    ----------
    pairs : file of pairs
    """

    def __init__(self, pairs: "PairFile") -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, key: int | SampleKey) -> tuple[Tensor, Tensor]:
        """Return lr (1, h, w) and hr (1, scale*h, scale*w) in the unit of the file, by index or (epoch, index)."""
        lr, hr = self.pairs.pair(key if isinstance(key, int) else key[1])
        return torch.from_numpy(lr), torch.from_numpy(hr)


class TrainPairs(ValidPairs):
    """Pairs of a file in one of the eight orientations of the square, drawn from (seed, epoch, index).

    Parameters
    ----------
    pairs : file of pairs
    seed : base seed of the orientations
    augment : False keeps the stored orientation
    """

    def __init__(self, pairs: "PairFile", *, seed: int, augment: bool) -> None:
        super().__init__(pairs)
        self.seed, self.augment = seed, augment

    def __getitem__(self, key: int | SampleKey) -> tuple[Tensor, Tensor]:
        """Return lr (1, h, w) and hr (1, scale*h, scale*w) in the unit of the file, by (epoch, index)."""
        epoch, index = (0, key) if isinstance(key, int) else key
        lr, hr = self.pairs.pair(index)
        orientation = int(generator(self.seed, "orientation", epoch, index).integers(8)) if self.augment else 0
        return torch.from_numpy(orient(lr, orientation)), torch.from_numpy(orient(hr, orientation))


class PairDataModule(LightningDataModule):
    """Loaders of training and validation batches; several devices share a batch.

    Parameters
    ----------
    train : data set whose keys are (epoch, index)
    valid : data set whose keys are indices; None trains without validation, see `keep="last"` of `fit`
    batch_size : pairs per step on all devices together
    workers : number of processes that read pairs
    seed : base seed of the order
    """

    def __init__(
        self,
        train: Dataset[tuple[Tensor, ...]],
        valid: Dataset[tuple[Tensor, ...]] | None,
        *,
        batch_size: int,
        workers: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.train, self.valid = train, valid
        self.batch_size, self.workers, self.seed = batch_size, workers, seed

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Return batches in the order of the epoch."""
        rank, world_size = self._rank_and_world_size()
        count = len(self.train)  # type: ignore[arg-type]
        return self._loader(self.train, EpochSampler(count, seed=self.seed, rank=rank, world_size=world_size))

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]] | list[None]:
        """Return batches in file order; every device reads all of them, so that the metric is exact."""
        return self._loader(self.valid) if self.valid is not None else []

    def _rank_and_world_size(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)

    def _loader(
        self, dataset: Dataset[tuple[Tensor, ...]], sampler: EpochSampler | None = None
    ) -> DataLoader[tuple[Tensor, ...]]:
        _, world_size = self._rank_and_world_size()
        if self.batch_size % world_size:
            message = f"batch_size is {self.batch_size}; it must be a multiple of the {world_size} devices"
            raise ParamsError(message)
        return DataLoader(
            dataset,
            batch_size=self.batch_size // world_size,
            sampler=sampler,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )


def orient(image: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Return (C, H, W) rotated by orientation % 4 quarter turns and, from 4 on, reflected."""
    turned = np.rot90(image, orientation % 4, axes=(1, 2))
    return np.ascontiguousarray(turned[:, :, ::-1] if orientation >= 4 else turned)
