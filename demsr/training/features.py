"""The frozen trunk's features, computed once: fine-tuning then trains the tail alone on them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from demsr.model.srnet import DemSrNet
from demsr.pairs.datamodule import Key
from demsr.pairs.store import PairFile
from demsr.runtime.files import atomic_write


class CachedFeatures(Dataset[tuple[Tensor, ...]]):
    """Pairs with their features, in the orientation that they were cut in.

    The features lie in a memory-mapped file: 4 bytes per feature and LR pixel, so 1 MB per pair at 256 features of
    32 x 32 pixels.
    """

    def __init__(self, pairs: PairFile, features: Path) -> None:
        self.pairs, self._path = pairs, features

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, key: int | Key) -> tuple[Tensor, ...]:
        """Return lr (1, h, w), hr (1, scale*h, scale*w) in metres and features (F, h, w)."""
        index = key if isinstance(key, int) else key[1]
        lr, hr = self.pairs.pair(index)
        features = np.load(self._path, mmap_mode="r")[index]
        return torch.from_numpy(lr), torch.from_numpy(hr), torch.from_numpy(features.copy())


def cache_features(
    net: DemSrNet, pairs: Sequence[PairFile], folder: Path, *, device: torch.device, batch_size: int
) -> list[CachedFeatures]:
    """Run the trunk over sets of pairs, unless an interrupted run has already done so in this folder.

    Files in the folder are believed: give each pretrained model and each data set a folder of its own.
    """
    return [_cached(net, part, folder / f"features-{part.path.stem}.npy", device, batch_size) for part in pairs]


def _cached(net: DemSrNet, pairs: PairFile, path: Path, device: torch.device, batch_size: int) -> CachedFeatures:
    if not path.exists():
        shape = (len(pairs), net.features, pairs.patch_lr, pairs.patch_lr)
        with atomic_write(path) as temporary, torch.inference_mode():
            stored = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
            net = net.to(device).eval()
            for part, lr, _ in pairs.batches(batch_size):
                stored[part] = net.deep_features(torch.from_numpy(lr).to(device)).float().cpu().numpy()
            stored.flush()
            net.cpu()
    return CachedFeatures(pairs, path)
