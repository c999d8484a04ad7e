"""Cached features of the frozen layers, so that fine-tuning computes them once and trains the tail on them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from demsr.model.srnet import DemSrNet
from demsr.pairs.datamodule import SampleKey
from demsr.pairs.pair_file import PairFile
from demsr.runtime.files import atomic_write
from demsr.runtime.notes import read_note, write_note


class CachedFeatures(Dataset[tuple[Tensor, ...]]):
    """Pairs with the features of their LR patches, not augmented.

    The features are a memory-mapped .npy file of 4 bytes per feature and LR pixel: 1 MB per pair for 256 features of
    32 x 32 pixels.

    Parameters
    ----------
    pairs : file of pairs
    features : .npy file, (N, F, h, w)
    """

    def __init__(self, pairs: PairFile, features: Path) -> None:
        self.pairs, self._path = pairs, features

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, key: int | SampleKey) -> tuple[Tensor, ...]:
        """Return lr (1, h, w), hr (1, scale*h, scale*w) in metres and features (F, h, w)."""
        index = key if isinstance(key, int) else key[1]
        lr, hr = self.pairs.pair(index)
        features = np.load(self._path, mmap_mode="r")[index]
        return torch.from_numpy(lr), torch.from_numpy(hr), torch.from_numpy(features.copy())


def cache_features(
    net: DemSrNet, pairs: Sequence[PairFile], folder: Path, *, device: torch.device, batch_size: int
) -> list[CachedFeatures]:
    """Compute the features of files of pairs, unless an interrupted run has already written them.

    Damaged files are written again. They are not checked against the model and the pairs:
    give each pretrained model and each data set a folder of its own.

    Parameters
    ----------
    net : pretrained net; on the CPU afterwards
    pairs : files of pairs
    folder : of the feature files, one for each file of pairs
    device : to compute on
    batch_size : pairs per forward pass

    Returns
    -------
    datasets : one for each file of pairs
    """
    return [_cached(net, part, folder / f"features-{part.path.stem}.npy", device, batch_size) for part in pairs]


def _cached(net: DemSrNet, pairs: PairFile, path: Path, device: torch.device, batch_size: int) -> CachedFeatures:
    note, shape = path.with_suffix(".json"), [len(pairs), net.features, pairs.patch_lr, pairs.patch_lr]
    if read_note(note, path) != shape:
        with atomic_write(path) as temporary:
            _write_features(net, pairs, temporary, device, batch_size)
        write_note(note, shape, path)
    return CachedFeatures(pairs, path)


def _write_features(net: DemSrNet, pairs: PairFile, path: Path, device: torch.device, batch_size: int) -> None:
    """Write the features as .npy, one batch after the other: in a memory map a full disk would kill the process."""
    shape = (len(pairs), net.features, pairs.patch_lr, pairs.patch_lr)
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    net = net.to(device).eval()
    with path.open("wb") as file, torch.inference_mode():
        np.lib.format.write_array_header_2_0(file, header)
        for _, lr, _ in pairs.batches(batch_size):
            features = net.deep_features(torch.from_numpy(lr).to(device)).float().cpu().numpy()
            file.write(np.ascontiguousarray(features).data)
    net.cpu()
