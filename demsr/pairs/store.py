"""LR/HR pairs in HDF5, in the layout of the paper's data set. The only importer of h5py.

A file holds one split: datasets `32_32` and `160_160` (N, 1, H, W) float32 in metres, as in the published MindEarth
set; beside them, per sample, where it lies, and per area, what it is. The same pairs give the same bytes.
"""

import contextlib
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from demsr.dem.dem import SYNTHETIC, Dem
from demsr.errors import PairsError
from demsr.pairs.cut import Patch, pair_kind
from demsr.pairs.source_types import KINDS

BLOCK_MEAN, FITTED, REAL = DEGRADATIONS = ("block mean", "fitted", "real")
METRES, SCALED = "m", "scaled"  # units of the values; scaled to 0..1 over a range that is not known
_SIZE_NAME = re.compile(r"^(\d+)_\1$")
_SAMPLE_FIELDS = {
    "area": np.int32,
    "row": np.int64,
    "col": np.int64,
    "lon": np.float64,
    "lat": np.float64,
    "pixel_width_m": np.float64,
    "pixel_height_m": np.float64,
    "lr_measured_share": np.float64,
    "lr_interpolated_share": np.float64,
    "lr_predicted_share": np.float64,
}
_CHUNK = 256  # pairs written at a time
_MOST_PACKED = 1032  # bytes that one byte of a deflate stream can stand for (zlib Technical Details)
_TEXT = h5py.string_dtype()


@dataclass(frozen=True, kw_only=True)
class Area:
    """What all samples of one region share.

    Attributes
    ----------
    pair_kind : 15 to 3 arc-seconds, or only a factor of five
    degradation : where LR comes from, one of `DEGRADATIONS`
    lr_source : the real grid or the model behind LR
    coregistration : what was found when HR was laid on a real LR grid, and whether HR was moved
    east_m, north_m, bias_m : by how much HR was moved and raised
    std_before_m, std_after_m : standard deviation of LR minus block means of HR, without and with the shift
    """

    name: str
    source: str
    pair_kind: str
    registration: str
    vertical_datum: str
    crs: str
    pixel_size: str
    degradation: str = BLOCK_MEAN
    lr_source: str = "mean of each block"
    coregistration: str = ""
    east_m: float = 0.0
    north_m: float = 0.0
    bias_m: float = 0.0
    std_before_m: float = math.nan
    std_after_m: float = math.nan

    @property
    def synthetic(self) -> bool:
        """Whether the terrain was made, not measured."""
        return self.source.startswith(SYNTHETIC)

    @classmethod
    def of(cls, name: str, dem: Dem, **lr: Any) -> Self:
        """Describe a region of a raster; `lr` says where LR comes from, unless it is the mean of each block."""
        grid = dem.grid
        unit = "degree" if grid.is_geographic else "CRS unit"
        return cls(
            name=name,
            source=dem.source,
            pair_kind=pair_kind(grid),
            registration=grid.registration,
            vertical_datum=dem.stated_datum,
            crs=grid.crs,
            pixel_size=f"{grid.pixel_width:.10g} x {grid.pixel_height:.10g} {unit}",
            **lr,
        )


class PairWriter:
    """Append pairs to a new file, one region after the other; memory does not grow with their number."""

    def __init__(self, path: Path, *, patch_lr: int, scale: int, attributes: dict[str, Any]) -> None:
        self._output = _Output(path, "w+b")
        self._file = h5py.File(self._output, "w", libver="v110", track_order=False)
        sizes = (patch_lr, patch_lr * scale)
        self._images = [self._growing(f"{size}_{size}", (1, size, size), np.dtype(np.float32)) for size in sizes]
        self._fields = {
            name: self._growing(f"sample/{name}", (), np.dtype(kind)) for name, kind in _SAMPLE_FIELDS.items()
        }
        self._areas: list[Area] = []
        self._file.attrs.update({"units": METRES, "positive": "up", "scale": scale, **attributes})

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the areas and close the file."""
        with self._output.checked():
            try:
                if kind is None:
                    for field in fields(Area):
                        values = [getattr(area, field.name) for area in self._areas]
                        kind_of = _TEXT if field.type is str else np.dtype(np.float64)
                        self._file.create_dataset(f"area/{field.name}", data=values, dtype=kind_of, track_times=False)
            finally:
                self._file.close()
                self._output.close()

    def append(self, area: Area, patches: Iterable[Patch]) -> int:
        """Add the pairs of one area, some hundred at a time, and return their number."""
        remaining, count = iter(patches), 0
        while chunk := list(islice(remaining, _CHUNK)):
            if not count:
                self.begin(area)
            lr, hr = (np.stack([getattr(patch, name) for patch in chunk])[:, None] for name in ("lr", "hr"))
            self.add_values(lr, hr, _sample_values(chunk))
            count += len(chunk)
        return count

    def begin(self, area: Area) -> None:
        """Let what is added from now on belong to an area."""
        self._areas.append(area)

    def add_values(
        self, lr: NDArray[np.float32], hr: NDArray[np.float32], samples: Mapping[str, Sequence[Any]] | None = None
    ) -> None:
        """Add (n, 1, h, w) and (n, 1, scale*h, scale*w); what is not known of samples is NaN, or -1 for indices."""
        first, count = len(self._images[0]), len(lr)
        values: dict[str, Any] = {"area": [len(self._areas) - 1] * count, **(samples or {})}
        with self._output.checked():
            for dataset in (*self._images, *self._fields.values()):
                dataset.resize(first + count, axis=0)
            for dataset, image in zip(self._images, (lr, hr), strict=True):
                dataset[first:] = image
            for name, field in self._fields.items():
                unknown = -1 if field.dtype.kind == "i" else np.nan
                field[first:] = values.get(name, np.full(count, unknown))

    def append_file(self, path: Path, *, only: Sequence[int] | None = None) -> int:
        """Add the areas and pairs of another file of the same layout and return how many pairs these are.

        Compressed pairs are copied as they are.

        Parameters
        ----------
        only : indices of the pairs to add, rising; None for all
        """
        with _reading(path), h5py.File(path, "r") as other, self._output.checked():
            chosen = np.arange(len(other["sample/area"])) if only is None else np.asarray(only)
            first, count = len(self._images[0]), len(chosen)
            for dataset in (*self._images, *self._fields.values()):
                dataset.resize(first + count, axis=0)
            for dataset in self._images:
                source = other[dataset.name]
                for place, index in enumerate(chosen.tolist()):
                    mask, pair = source.id.read_direct_chunk((index, 0, 0, 0))
                    dataset.id.write_direct_chunk((first + place, 0, 0, 0), pair, mask)
            for name, field in self._fields.items():
                field[first:] = other[f"sample/{name}"][:][chosen] + (len(self._areas) if name == "area" else 0)
            self._areas += _read_areas(other, most=len(other["sample/area"]))
            return count

    def _growing(self, name: str, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> h5py.Dataset:
        compression = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if shape else {}
        return self._file.create_dataset(
            name,
            shape=(0, *shape),
            maxshape=(None, *shape),
            dtype=dtype,
            chunks=(1 if shape else 1024, *shape),
            track_times=False,
            **compression,
        )


class _Output(io.FileIO):
    """A file that keeps its first failure and takes in silence what follows.

    HDF5 crashes at exit when it could not write all it had; `checked` reports the failure once HDF5 is out of the way.
    """

    _failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of `data`; after a failure, none."""
        rest = memoryview(data).cast("B")
        while len(rest) and self._failure is None:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self._failure = error
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None, /) -> int:
        """Change the length; after a failure, leave it."""
        if self._failure is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self._failure = error
        return size or 0

    @contextlib.contextmanager
    def checked(self) -> Iterator[None]:
        """Raise the failure, if there was one, at the end of a block, and not what HDF5 made of it."""
        try:
            yield
        finally:
            if self._failure is not None:
                raise self._failure


class PairFile:
    """Read pairs one by one; opened lazily, once in each process, so that worker processes may hold it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open_in: tuple[int, h5py.File] | None = None
        with _reading(path), h5py.File(path, "r") as file:
            names = sorted((name for name in file if _SIZE_NAME.match(name)), key=lambda name: int(name.split("_")[0]))
            if len(names) != 2:
                found = sorted(file)[:12]
                message = f"{path}: has {found}; a file of pairs holds two datasets such as 32_32 and 160_160"
                raise PairsError(message)
            self._names = names
            lr_shape, hr_shape = (file[name].shape for name in names)
            if not _pair_up(lr_shape, hr_shape):
                message = (
                    f"{path}: {names} have shapes {lr_shape} and {hr_shape}; they must be (N, 1, H, H), "
                    "HR finer than LR, with at least one sample"
                )
                raise PairsError(message)
            _check_room(path, [file[name] for name in names])
            self.attributes = dict(file.attrs)
            self.areas = _read_areas(file, most=lr_shape[0])
            self.samples = {
                name: _column(file["sample"][name], lr_shape[0])[:] for name in _SAMPLE_FIELDS if "sample" in file
            }
        self.count, self.patch_lr, self.scale = lr_shape[0], lr_shape[2], hr_shape[2] // lr_shape[2]
        self.channels = max(lr_shape[1], hr_shape[1])
        self.unit = METRES if self.attributes.get("units") == METRES else SCALED

    def __len__(self) -> int:
        """Return the number of pairs."""
        return int(self.count)

    def pair(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return lr (1, h, w) and hr (1, scale*h, scale*w) in metres; voids of hr are NaN."""
        with _reading(self.path):
            lr, hr = (self._file()[name][index].astype(np.float32) for name in self._names)
        return lr, hr

    def pixel_size_m(self, index: int) -> tuple[float, float]:
        """Return width and height of the HR pixels of a pair, NaN where unknown."""
        return float(self.samples["pixel_width_m"][index]), float(self.samples["pixel_height_m"][index])

    def batches(self, size: int) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32]]]:
        """Yield (indices, lr, hr) in order."""
        for first in range(0, len(self), size):
            part = slice(first, min(first + size, len(self)))
            with _reading(self.path):
                lr, hr = (self._file()[name][part].astype(np.float32) for name in self._names)
            yield part, lr, hr

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind when a worker process takes a copy."""
        return {**self.__dict__, "_open_in": None}

    def _file(self) -> h5py.File:
        if self._open_in is None or self._open_in[0] != os.getpid():
            self._open_in = os.getpid(), h5py.File(self.path, "r")
        return self._open_in[1]


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn h5py's errors into one that names the file and the way out."""
    try:
        yield
    except PairsError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError, MemoryError, AttributeError, TypeError) as error:
        message = f"{path}: is no whole HDF5 file of pairs ({error}); fetch it again or run `dvc repro pairs`"
        raise PairsError(message) from error


def _pair_up(lr_shape: tuple[int, ...], hr_shape: tuple[int, ...]) -> bool:
    """Whether all HR pixels lie in LR pixels, the same number along both axes."""
    if len(lr_shape) != 4 or len(hr_shape) != 4 or 0 in lr_shape + hr_shape or lr_shape[0] != hr_shape[0]:
        return False
    scale = hr_shape[2] // lr_shape[2]
    return scale > 1 and lr_shape[2] == lr_shape[3] and hr_shape[2:] == (scale * lr_shape[2], scale * lr_shape[3])


def _check_room(path: Path, images: Sequence[h5py.Dataset]) -> None:
    """Refuse a few bytes that declare gigabytes of pairs: HDF5 would make them up."""
    declared, stored = sum(math.prod(image.shape) * image.dtype.itemsize for image in images), path.stat().st_size
    if declared > _MOST_PACKED * stored:
        message = f"{declared} bytes of pairs are declared, {stored} bytes are there"
        raise ValueError(message)


def _column(dataset: h5py.Dataset, count: int) -> h5py.Dataset:
    if dataset.shape != (count,):
        message = f"{dataset.name} has shape {dataset.shape}, needed is {(count,)}"
        raise ValueError(message)
    return dataset


def _read_areas(file: h5py.File, *, most: int) -> list[Area]:
    """Return the areas, at most as many as there are pairs."""
    if "area" not in file:
        return []
    count = min(most, len(file["area"]["name"]))
    stored = {field.name: _column(file["area"][field.name], count) for field in fields(Area)}
    columns = [
        column.asstr()[:] if h5py.check_string_dtype(column.dtype) else column[:].tolist() for column in stored.values()
    ]
    return [Area(**dict(zip(stored, values, strict=True))) for values in zip(*columns, strict=True)]


def _sample_values(patches: list[Patch]) -> dict[str, list[Any]]:
    middles = []
    for patch in patches:
        west, south, east, north = patch.grid.lonlat_bounds()
        middles.append(((west + east) / 2, (south + north) / 2))
    sizes = [patch.grid.pixel_size_m() for patch in patches]
    return {
        "row": [patch.row for patch in patches],
        "col": [patch.col for patch in patches],
        "lon": [lon for lon, _ in middles],
        "lat": [lat for _, lat in middles],
        "pixel_width_m": [width for width, _ in sizes],
        "pixel_height_m": [height for _, height in sizes],
        **{f"lr_{kind}_share": [patch.lr_shares[kind] for patch in patches] for kind in KINDS},
    }
