"""Net and pairs of a training that one of its processes does not survive."""

import os
import signal
from pathlib import Path

from torch import Tensor

from demsr.model.srnet import DemSrNet
from demsr.pairs.datamodule import PairDataModule, SampleKey, TrainPairs, ValidPairs
from demsr.pairs.pair_file import PairFile
from demsr.training.prepare import new_net


class MortalPairs(TrainPairs):
    """Training pairs of which the first that is read in the third epoch kills the process, once."""

    def __init__(self, pairs: PairFile, grave: Path) -> None:
        super().__init__(pairs, seed=1, augment=True)
        self.grave = grave

    def __getitem__(self, key: int | SampleKey) -> tuple[Tensor, Tensor]:
        if not isinstance(key, int) and key[0] == 2:
            try:
                self.grave.open("x").close()
                os.kill(os.getpid(), signal.SIGKILL)
            except FileExistsError:
                pass
        return super().__getitem__(key)


def net_and_data(folder: Path, _: Path | None = None, *, mortal: bool = False) -> tuple[DemSrNet, PairDataModule]:
    """Return a net and the pairs of two files, for `demsr.training.ray_train.fit_on_ray`."""
    train, valid = PairFile(folder / "train.h5"), ValidPairs(PairFile(folder / "valid.h5"))
    pairs = MortalPairs(train, folder / "killed") if mortal else TrainPairs(train, seed=1, augment=True)
    return new_net(seed=7, num_blocks=1, features=4), PairDataModule(pairs, valid, batch_size=2, workers=0, seed=1)
