from pathlib import Path

import pytest
from pair_files import make_pairs

from demsr.pairs.datamodule import PairDataModule, TrainPairs, ValidPairs


@pytest.fixture
def data(tmp_path: Path) -> PairDataModule:
    train = make_pairs(tmp_path / "train.h5", count=6)
    valid = make_pairs(tmp_path / "valid.h5", count=2, seed=2)
    pairs = TrainPairs(train, seed=1, augment=True), ValidPairs(valid)
    return PairDataModule(*pairs, batch_size=2, workers=0, seed=1)
