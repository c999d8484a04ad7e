"""Take over pairs that others have made, such as those of MindEarth: heights scaled to 0..1, without places."""

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demsr.errors import PairsError
from demsr.pairs.cut import READY_MADE
from demsr.pairs.store import METRES, SCALED, Area, PairFile, PairWriter
from demsr.runtime.files import atomic_write

_BATCH = 64
_ROOM = 1e-3  # beyond 0..1, for rounding


def adopt_pairs(
    source: Path, target: Path, *, domain: str, split: str, scaled_range_m: tuple[float, float] | None
) -> int:
    """Write pairs in the layout of demsr and return their number; a file of demsr's own is copied as it is.

    Parameters
    ----------
    source : HDF5 with two datasets such as 32_32 and 160_160, (N, 1, H, W)
    scaled_range_m : metres that 0 and 1 stand for; None keeps scaled values, and results are in such units

    Raises
    ------
    PairsError : not such a file, several channels, values that are not finite or, to be turned into metres, not 0..1
    """
    pairs = PairFile(source)
    if pairs.areas:
        with atomic_write(target) as temporary:
            shutil.copyfile(source, temporary)
        return len(pairs)
    if pairs.channels != 1:
        message = f"{source}: its pairs have {pairs.channels} channels; demsr trains on elevation alone, keep the first"
        raise PairsError(message)
    low, high = scaled_range_m or (0.0, 1.0)
    attributes = {"domain": domain, "split": split, "units": SCALED if scaled_range_m is None else METRES}
    area = Area(
        name=f"{source.parent.name or domain} {source.stem}",
        source=source.name,
        pair_kind=READY_MADE,
        registration="unknown",
        vertical_datum="unknown",
        crs="unknown",
        pixel_size="unknown",
        degradation="unknown",
        lr_source="unknown",
    )
    with (
        atomic_write(target) as temporary,
        PairWriter(temporary, patch_lr=pairs.patch_lr, scale=pairs.scale, attributes=attributes) as writer,
    ):
        writer.begin(area)
        for _, lr, hr in pairs.batches(_BATCH):
            for values in (lr, hr):
                _check(values, source, scaled=scaled_range_m is not None)
            writer.add_values(low + (high - low) * lr, low + (high - low) * hr)
    return len(pairs)


def _check(values: NDArray[np.float32], source: Path, *, scaled: bool) -> None:
    if not np.isfinite(values).all():
        message = f"{source}: holds values that are not finite; pairs must be whole, leave these out"
        raise PairsError(message)
    if scaled and (values.min() < -_ROOM or values.max() > 1 + _ROOM):
        message = (
            f"{source}: values from {values.min():g} to {values.max():g} are not scaled to 0..1; "
            "set pairs.scaled_range_m to null"
        )
        raise PairsError(message)
