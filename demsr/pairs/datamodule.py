"""Feed pairs to training: order and augmentation are functions of (seed, epoch, index) and of nothing else.

So a resumed run, another number of workers or another number of devices sees the same pairs in the same orientation.
"""

from collections.abc import Iterator

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from demsr.errors import ParamsError
from demsr.pairs.pair_file import PairFile
from demsr.runtime.seeding import generator

SampleKey = tuple[int, int]  # epoch, index


class EpochSampler(Sampler[SampleKey]):
    """Yield every index once per epoch, in an order that follows from (seed, epoch), shared out among devices."""

    def __init__(self, count: int, *, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.count, self.seed, self.rank, self.world_size = count, seed, rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls this before every epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[SampleKey]:
        """Yield (epoch, index); with several devices the first indices fill up the last round."""
        order = generator(self.seed, "order", self.epoch).permutation(self.count)
        padded = np.resize(order, len(self) * self.world_size)
        return iter([(self.epoch, int(index)) for index in padded[self.rank :: self.world_size]])

    def __len__(self) -> int:
        """Return the number of samples of one device."""
        return -(-self.count // self.world_size)


class TrainPairs(Dataset[tuple[Tensor, Tensor]]):
    """Pairs in one of the eight orientations of the square, drawn from (seed, epoch, index)."""

    def __init__(self, pairs: PairFile, *, seed: int, augment: bool) -> None:
        self.pairs, self.seed, self.augment = pairs, seed, augment

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, key: SampleKey) -> tuple[Tensor, Tensor]:
        """Return lr (1, h, w) and hr (1, scale*h, scale*w), metres."""
        epoch, index = key
        lr, hr = self.pairs.pair(index)
        if self.augment:
            orientation = int(generator(self.seed, "orientation", epoch, index).integers(8))
            lr, hr = orient(lr, orientation), orient(hr, orientation)
        return torch.from_numpy(lr), torch.from_numpy(hr)


class ValidPairs(Dataset[tuple[Tensor, Tensor]]):
    """Pairs as they are, in order."""

    def __init__(self, pairs: PairFile) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return lr (1, h, w) and hr (1, scale*h, scale*w), metres."""
        lr, hr = self.pairs.pair(index)
        return torch.from_numpy(lr), torch.from_numpy(hr)


class PairDataModule(LightningDataModule):
    """Loaders for training and validation, from any datasets that take such keys; devices share a batch.

    Without `valid`, train with `keep="last"`.
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
        rank, world_size = self._place()
        count = len(self.train)  # type: ignore[arg-type]
        sampler = EpochSampler(count, seed=self.seed, rank=rank, world_size=world_size)
        return self._loader(self.train, sampler=sampler)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]] | list[None]:
        """Return batches in file order; every device sees all of them, so that the metric is exact."""
        return self._loader(self.valid) if self.valid is not None else []

    def _place(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)

    def _loader(
        self, dataset: Dataset[tuple[Tensor, ...]], sampler: EpochSampler | None = None
    ) -> DataLoader[tuple[Tensor, ...]]:
        _, world_size = self._place()
        if self.batch_size % world_size:
            message = (
                f"batch_size is {self.batch_size}; it must be a multiple of the {world_size} devices that share it"
            )
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
    """Return (C, H, W) turned by orientation % 4 quarter turns and, from 4 on, mirrored."""
    turned = np.rot90(image, orientation % 4, axes=(1, 2))
    return np.ascontiguousarray(turned[:, :, ::-1] if orientation >= 4 else turned)
