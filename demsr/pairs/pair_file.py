"""Read LR/HR pairs from HDF5, in the layout of the data set of Zhang et al. (2022).

A file holds one split: datasets such as `32_32` and `160_160`, (N, 1, H, W) float32 in metres, as in the published
MindEarth set. Groups `sample` (one value per pair) and `area` (one value per region) hold positions and metadata.
"""

import contextlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from demsr.dem.axes import PACKING
from demsr.dem.dem import out_of_range
from demsr.dem.read.integrity import objection
from demsr.dem.read.void_values import VOID_ATTRIBUTES, declared_voids
from demsr.dem.units import METRES_PER_UNIT
from demsr.errors import PairsError
from demsr.pairs.area import Area
from demsr.pairs.source_types import KINDS

METRES, SCALED = "m", "scaled"  # units; "scaled" to 0..1 over an unknown range
_INDICES: dict[str, type[np.generic]] = {"area": np.int32, "row": np.int64, "col": np.int64}
_PLACE = ("lon", "lat", "pixel_width_m", "pixel_height_m")
SAMPLE_FIELDS = _INDICES | dict.fromkeys((*_PLACE, *(f"lr_{kind}_share" for kind in KINDS)), np.float64)
"""Values stored for each pair: index of its area, HR index of its corner, centre, pixel size, shares of LR sources."""
_SIZE_NAME = re.compile(r"^(\d+)_\1$")
_LARGEST_COMPRESSION_RATIO = 1032  # of a deflate stream (zlib Technical Details)


class PairFile:
    """Pairs of an HDF5 file, read one by one or in batches.

    Each process opens the file for itself at the first read, so that worker processes can hold copies.

    Parameters
    ----------
    path : HDF5 file written by `PairWriter`, or published without metadata

    Attributes
    ----------
    count : number of pairs
    patch_lr : side of a patch in LR pixels
    scale : HR pixels per LR pixel along one axis
    channels : number of channels of LR or HR, the larger
    unit : "m" or "scaled"
    attributes : attributes of the file, such as domain and split
    areas : metadata of the regions; empty in a file without metadata
    samples : arrays of N values by name of `SAMPLE_FIELDS`; empty in a file without metadata

    Raises
    ------
    PairsError : the file is missing, broken or not a pair file, refers to other files, has another unit, or its
        numbers are packed; on reading, values that are no elevations
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open_in: tuple[int, h5py.File] | None = None
        with reading(path), open_pairs(path) as file:
            names = sorted((name for name in file if _SIZE_NAME.match(name)), key=lambda name: int(name.split("_")[0]))
            if len(names) != 2:
                found = sorted(file)[:12]
                message = f"{path}: has {found}; a pair file has two datasets such as 32_32 and 160_160"
                raise PairsError(message)
            self._names = names
            lr_shape, hr_shape = (file[name].shape for name in names)
            if not _match(lr_shape, hr_shape):
                message = (
                    f"{path}: {names} have shapes {lr_shape} and {hr_shape}; they must be (N, 1, H, H) with the same "
                    "N > 0, the sides of HR a multiple of those of LR"
                )
                raise PairsError(message)
            _check_declared_size(path, [file[name] for name in names])
            _check_storage(path, [file[name] for name in names])
            self.attributes = dict(file.attrs)
            self.unit = _unit(path, [file, *(file[name] for name in names)])
            self.areas = read_areas(file, most=lr_shape[0])
            names_of_fields = SAMPLE_FIELDS if "sample" in file else ()
            self.samples = {name: _column(file["sample"][name], lr_shape[0])[:] for name in names_of_fields}
        self.count, self.patch_lr, self.scale = lr_shape[0], lr_shape[2], hr_shape[2] // lr_shape[2]
        self.channels = max(lr_shape[1], hr_shape[1])

    def __len__(self) -> int:
        """Return the number of pairs."""
        return int(self.count)

    def pair(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return lr (1, h, w) and hr (1, scale*h, scale*w) in the unit of the file; voids of hr are NaN."""
        return self._read(index)

    def pixel_size_m(self, index: int) -> tuple[float, float]:
        """Return width and height of the HR pixels of a pair, metres, NaN where unknown."""
        return float(self.samples["pixel_width_m"][index]), float(self.samples["pixel_height_m"][index])

    def batches(self, size: int) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32]]]:
        """Yield (indices, lr, hr) in file order, `size` pairs at a time."""
        for first in range(0, len(self), size):
            part = slice(first, min(first + size, len(self)))
            yield part, *self._read(part)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the open file, for pickling."""
        return {**self.__dict__, "_open_in": None}

    def _read(self, index: int | slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with reading(self.path):
            if self._open_in is None or self._open_in[0] != os.getpid():
                self._open_in = os.getpid(), open_pairs(self.path)
            lr, hr = (self._open_in[1][name][index].astype(np.float32) for name in self._names)
        is_wrong = out_of_range if self.unit == METRES else np.isinf
        for name, values in zip(self._names, (lr, hr), strict=True):
            if (wrong := is_wrong(values)).any():
                message = f"{self.path}: {name} has the value {values[wrong][0]:g}; remove the pairs with such values"
                raise PairsError(message)
        return lr, hr


def open_pairs(path: Path) -> h5py.File:
    """Open a pair file for reading.

    Parameters
    ----------
    path : HDF5 file

    Raises
    ------
    PairsError : see `objection`
    """
    file = h5py.File(path, "r")
    if found := objection(file):
        file.close()
        message = f"{path}: {found}"
        raise PairsError(message)
    return file


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of h5py into a PairsError that names the file."""
    try:
        yield
    except PairsError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError, MemoryError, AttributeError, TypeError) as error:
        message = f"{path}: not a complete HDF5 file of pairs ({error}); fetch it again or run `dvc repro pairs`"
        raise PairsError(message) from error


def read_areas(file: h5py.File, *, most: int) -> list[Area]:
    """Return the areas of an open pair file, at most `most`; there are never more areas than pairs."""
    if "area" not in file:
        return []
    count = min(most, len(file["area"]["name"]))
    stored = {field.name: _column(file["area"][field.name], count) for field in fields(Area)}
    columns = [
        column.asstr()[:] if h5py.check_string_dtype(column.dtype) else column[:].tolist() for column in stored.values()
    ]
    return [Area(**dict(zip(stored, values, strict=True))) for values in zip(*columns, strict=True)]


def _match(lr_shape: tuple[int, ...], hr_shape: tuple[int, ...]) -> bool:
    """Whether LR and HR are square, equal in number, and HR is finer by the same integer along both axes."""
    if len(lr_shape) != 4 or len(hr_shape) != 4 or 0 in lr_shape + hr_shape or lr_shape[0] != hr_shape[0]:
        return False
    scale = hr_shape[2] // lr_shape[2]
    return scale > 1 and lr_shape[2] == lr_shape[3] and hr_shape[2:] == (scale * lr_shape[2], scale * lr_shape[3])


def _unit(path: Path, objects: Sequence[h5py.HLObject]) -> str:
    """Return the unit that a file or its datasets state; "scaled" if none does, as in the published files."""
    stated = {text for one in objects if (text := _attribute(one, "units"))} or {SCALED}
    directions = {text for one in objects if (text := _attribute(one, "positive"))}
    units = {METRES if METRES_PER_UNIT.get(text.lower()) == 1 else text for text in stated}
    if len(units) > 1 or not units <= {METRES, SCALED} or not directions <= {"up"}:
        found = ", ".join(sorted(stated | directions))[:80]
        message = f"{path}: its elevations are stated as {found!r}; required are metres, positive up, or scaled to 0..1"
        raise PairsError(message)
    return units.pop()


def _attribute(one: h5py.HLObject, name: str) -> str:
    value = one.attrs.get(name, "")
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _check_declared_size(path: Path, images: Sequence[h5py.Dataset]) -> None:
    """Refuse a small file that declares gigabytes of pairs: HDF5 would fill them in."""
    declared, stored = sum(math.prod(image.shape) * image.dtype.itemsize for image in images), path.stat().st_size
    if declared > _LARGEST_COMPRESSION_RATIO * stored:
        message = f"{declared} bytes of pairs are declared, the file has {stored} bytes"
        raise ValueError(message)


def _check_storage(path: Path, images: Sequence[h5py.Dataset]) -> None:
    """Refuse numbers that are packed, stand for voids or are not real, because pairs are read as they are stored."""
    for image in images:
        meaning = {name: image.attrs[name] for name in (*PACKING, *VOID_ATTRIBUTES) if name in image.attrs}
        voids = [number for number in declared_voids(image.dtype, meaning)["voids"] if not math.isnan(number)]
        packed = any(name in meaning and np.ravel(meaning[name])[0] != neutral for name, neutral in PACKING.items())
        if packed or voids or image.dtype.kind not in "iuf":
            found = f"{image.name[1:]} has the type {image.dtype} and the attributes {sorted(meaning)}"
            message = f"{path}: {found}; write real numbers that are not packed, NaN where void"
            raise PairsError(message)


def _column(dataset: h5py.Dataset, count: int) -> h5py.Dataset:
    if dataset.shape != (count,):
        message = f"{dataset.name} has shape {dataset.shape}, required is {(count,)}"
        raise ValueError(message)
    return dataset
