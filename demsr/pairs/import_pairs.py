"""Import pairs from HDF5 files of other projects, such as MindEarth: scaled elevation without coordinates."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demsr.errors import PairsError
from demsr.pairs.area import READY_MADE, UNKNOWN, Area
from demsr.pairs.pair_file import METRES, SCALED, PairFile
from demsr.pairs.pair_writer import PairWriter
from demsr.runtime.files import atomic_write

_BATCH = 64
_TOLERANCE = 1e-3  # beyond 0..1, for rounding
_METADATA = ("registration", "vertical_datum", "crs", "pixel_size", "degradation", "lr_source")


def import_pairs(
    source: Path, target: Path, *, domain: str, split: str, scaled_range_m: tuple[float, float] | None
) -> int:
    """Write a pair file from published pairs and return their number; a pair file of demsr is copied unchanged.

    Parameters
    ----------
    source : HDF5 file with two datasets such as 32_32 and 160_160, (N, 1, H, W)
    target : pair file to write
    domain : "land" or "marine"
    split : "train", "valid" or "test"
    scaled_range_m : metres that 0 and 1 stand for; None keeps scaled values, and errors are in scaled units

    Raises
    ------
    PairsError : the file has another layout, several channels, values that are not finite or, if they are to be
        converted to metres, values outside 0..1
    """
    pairs = PairFile(source)
    if pairs.areas:
        with atomic_write(target) as temporary:
            shutil.copyfile(source, temporary)
        return len(pairs)
    if pairs.channels != 1:
        message = f"{source}: its pairs have {pairs.channels} channels, required is elevation alone; keep one channel"
        raise PairsError(message)
    low, high = scaled_range_m or (0.0, 1.0)
    attributes = {"domain": domain, "split": split, "units": SCALED if scaled_range_m is None else METRES}
    name = f"{source.parent.name or domain} {source.stem}"
    metadata: dict[str, Any] = dict.fromkeys(_METADATA, UNKNOWN)
    area = Area(name=name, source=source.name, pair_kind=READY_MADE, **metadata)
    with (
        atomic_write(target) as temporary,
        PairWriter(temporary, patch_lr=pairs.patch_lr, scale=pairs.scale, attributes=attributes) as writer,
    ):
        writer.start_area(area)
        for _, lr, hr in pairs.batches(_BATCH):
            for values in (lr, hr):
                _check(values, source, scaled=scaled_range_m is not None)
            writer.add_pairs(low + (high - low) * lr, low + (high - low) * hr)
    return len(pairs)


def _check(values: NDArray[np.float32], source: Path, *, scaled: bool) -> None:
    if not np.isfinite(values).all():
        message = f"{source}: contains values that are not finite; remove the pairs with such values"
        raise PairsError(message)
    if scaled and (values.min() < -_TOLERANCE or values.max() > 1 + _TOLERANCE):
        message = (
            f"{source}: values from {values.min():g} to {values.max():g}, required are values scaled to 0..1; "
            "set pairs.scaled_range_m to null"
        )
        raise PairsError(message)
