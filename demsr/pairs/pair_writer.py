"""Write pair files: HDF5 in the layout of `demsr.pairs.pair_file`. Equal pairs give equal bytes."""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from demsr.pairs.area import Area
from demsr.pairs.cut import Patch
from demsr.pairs.pair_file import METRES, SAMPLE_FIELDS, open_pairs, read_areas, reading

_CHUNK = 256  # pairs written at a time
_TEXT = h5py.string_dtype()


class PairWriter:
    """Writer of a new pair file, one area after the other; memory does not grow with the number of pairs.

    Parameters
    ----------
    path : file to create
    patch_lr : side of a patch in LR pixels
    scale : HR pixels per LR pixel along one axis
    attributes : attributes of the file, in addition to unit, direction and scale
    """

    def __init__(self, path: Path, *, patch_lr: int, scale: int, attributes: dict[str, Any]) -> None:
        self._output = _Output(path, "w+b")
        self._file = h5py.File(self._output, "w", libver="v110", track_order=False)
        sizes = (patch_lr, patch_lr * scale)
        self._images = [self._create(f"{size}_{size}", (1, size, size), np.float32) for size in sizes]
        self._fields = {name: self._create(f"sample/{name}", (), dtype) for name, dtype in SAMPLE_FIELDS.items()}
        self._areas: list[Area] = []
        self._file.attrs.update({"units": METRES, "positive": "up", "scale": scale, **attributes})

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the areas, unless the block failed, and close the file."""
        with self._output.failures_raised():
            try:
                if kind is None:
                    for field in fields(Area):
                        values = [getattr(area, field.name) for area in self._areas]
                        dtype = _TEXT if field.type is str else np.dtype(np.float64)
                        self._file.create_dataset(f"area/{field.name}", data=values, dtype=dtype, track_times=False)
            finally:
                self._file.close()
                self._output.close()

    def add_area(self, area: Area, patches: Iterable[Patch]) -> int:
        """Add the pairs of one area and return their number; an area without pairs is not stored."""
        remaining, count = iter(patches), 0
        while chunk := list(islice(remaining, _CHUNK)):
            if not count:
                self.start_area(area)
            lr, hr = (np.stack([getattr(patch, name) for patch in chunk])[:, None] for name in ("lr", "hr"))
            samples = [_sample_fields(patch) for patch in chunk]
            self.add_pairs(lr, hr, {name: [sample[name] for sample in samples] for name in samples[0]})
            count += len(chunk)
        return count

    def start_area(self, area: Area) -> None:
        """Start a new area, to which pairs belong that are added from now on."""
        self._areas.append(area)

    def add_pairs(
        self, lr: NDArray[np.float32], hr: NDArray[np.float32], samples: Mapping[str, Sequence[Any]] | None = None
    ) -> None:
        """Add pairs to the current area.

        Parameters
        ----------
        lr : (n, 1, h, w), in the unit of the file
        hr : (n, 1, scale*h, scale*w)
        samples : n values by name of `SAMPLE_FIELDS`; missing fields become NaN, or -1 for indices
        """
        count = len(lr)
        values: dict[str, Any] = {"area": [len(self._areas) - 1] * count, **(samples or {})}
        with self._output.failures_raised():
            first = self._extend(count)
            for dataset, image in zip(self._images, (lr, hr), strict=True):
                dataset[first:] = image
            for name, field in self._fields.items():
                unknown = -1 if field.dtype.kind == "i" else np.nan
                field[first:] = values.get(name, np.full(count, unknown))

    def add_file(self, path: Path, *, indices: Sequence[int] | None = None) -> int:
        """Add the areas and pairs of another pair file; compressed pairs are copied without decoding.

        Parameters
        ----------
        path : pair file of the same patch size and scale
        indices : pairs to add, in ascending order; None adds all

        Returns
        -------
        count : number of pairs added
        """
        with reading(path), open_pairs(path) as other, self._output.failures_raised():
            available = len(other["sample/area"])
            chosen = np.arange(available) if indices is None else np.asarray(indices)
            first = self._extend(len(chosen))
            for dataset in self._images:
                source = other[dataset.name]
                for offset, index in enumerate(chosen.tolist()):
                    mask, pair = source.id.read_direct_chunk((index, 0, 0, 0))
                    dataset.id.write_direct_chunk((first + offset, 0, 0, 0), pair, mask)
            for name, field in self._fields.items():
                field[first:] = other[f"sample/{name}"][:][chosen] + (len(self._areas) if name == "area" else 0)
            self._areas += read_areas(other, most=available)
            return len(chosen)

    def _create(self, name: str, shape: tuple[int, ...], dtype: type[np.generic]) -> h5py.Dataset:
        compression = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if shape else {}
        layout = {"shape": (0, *shape), "maxshape": (None, *shape), "chunks": (1 if shape else 1024, *shape)}
        return self._file.create_dataset(name, dtype=np.dtype(dtype), track_times=False, **layout, **compression)

    def _extend(self, count: int) -> int:
        """Make room for more pairs and return the index of the first."""
        first = len(self._images[0])
        for dataset in (*self._images, *self._fields.values()):
            dataset.resize(first + count, axis=0)
        return first


class _Output(io.FileIO):
    """File that remembers its first write error and ignores later writes.

    HDF5 crashes at exit if it cannot flush all its data; `failures_raised` raises the error outside of HDF5.
    """

    _failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of `data`, or nothing after an error."""
        rest = memoryview(data).cast("B")
        while len(rest) and self._failure is None:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self._failure = error
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None, /) -> int:
        """Change the length of the file, unless an error occurred before."""
        if self._failure is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self._failure = error
        return size or 0

    @contextlib.contextmanager
    def failures_raised(self) -> Iterator[None]:
        """Raise the remembered error at the end of a block, instead of the exception that HDF5 derives from it."""
        try:
            yield
        finally:
            if self._failure is not None:
                raise self._failure


def _sample_fields(patch: Patch) -> dict[str, float]:
    """Return the values of `SAMPLE_FIELDS` for one pair, its area excepted."""
    west, south, east, north = patch.grid.lonlat_bounds()
    width_m, height_m = patch.grid.pixel_size_m()
    shares = {f"lr_{kind}_share": share for kind, share in patch.lr_shares.items()}
    place = {"row": patch.row, "col": patch.col, "lon": (west + east) / 2, "lat": (south + north) / 2}
    return {**place, "pixel_width_m": width_m, "pixel_height_m": height_m, **shares}
