"""Rasters that a user already has: find them in a folder and record their identity."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from demsr.dem.read.gdal import RASTER_SUFFIXES, raster_name, sidecar_files
from demsr.errors import ParamsError
from demsr.runtime.files import sha256_of_file, sha256_of_text, write_json
from demsr.runtime.project import cache_folder

RASTER_PATTERNS = [f"*{suffix}" for suffix in (*RASTER_SUFFIXES, ".zip")]
CACHED = "cache:"


@dataclass(frozen=True)
class InputFile:
    """One raster of the input, as the manifest lists it.

    Attributes
    ----------
    path : begins with "cache:" where the file is in the cache, which is elsewhere on every machine
    given_name : of the raster; empty where it is that of the file
    product, origin : data sheet and address of a file that was fetched
    declared : what the data sheet says and the file does not
    range_m : lowest and highest elevation that the product has
    fetched_on : date, of products that have no version
    """

    path: str
    bytes: int
    sha256: str
    given_name: str = ""
    product: str = ""
    origin: str = ""
    declared: dict[str, Any] = field(default_factory=dict)
    range_m: tuple[float, float] | None = None
    fetched_on: str = ""

    @property
    def name(self) -> str:
        """Return the name of the raster, which its region of the Earth and its split are told by."""
        return self.given_name or raster_name(Path(self.path))

    @property
    def place(self) -> Path:
        """Return where the file is on this machine."""
        if self.path.startswith(CACHED):
            return cache_folder() / self.path.removeprefix(CACHED)
        return Path(self.path)


def find_rasters(folder: Path, *, include: Sequence[str], exclude: Sequence[str]) -> list[Path]:
    """Return the files in a folder and below that match a pattern, sorted by path.

    Parameters
    ----------
    include, exclude : glob patterns for file names, such as "*.tif"

    Raises
    ------
    ParamsError : no such folder, no file that matches, or two files of one name
    """
    if not folder.is_dir():
        message = f"{folder}: there is no such folder; name one in params.yaml or with `demsr profile local`"
        raise ParamsError(message)
    files = filter(_is_input, folder.rglob("*"))
    kept = sorted(path for path in files if _matches(path, include) and not _matches(path, exclude))
    if not kept:
        message = (
            f"{folder}: no file matches {list(include)} without {list(exclude)}; put rasters there or change these"
        )
        raise ParamsError(message)
    stems = [raster_name(path) for path in kept]
    if doubles := sorted({stem for stem in stems if stems.count(stem) > 1}):
        message = (
            f"{folder}: several files are called {', '.join(doubles)}; names must be unique, rename or exclude some"
        )
        raise ParamsError(message)
    return kept


def find_real_lr(
    folder: Path, *, include: Sequence[str], exclude: Sequence[str], tid: Sequence[str]
) -> dict[str, list[Path]]:
    """Return real LR grids ("lr") and grids of their source types ("lr_tid"); no patterns, no files."""
    wanted = {"lr": (include, [*exclude, *tid]), "lr_tid": (tid, exclude)}
    return {
        kind: find_rasters(folder, include=patterns, exclude=others) if patterns else []
        for kind, (patterns, others) in wanted.items()
    }


def _matches(path: Path, patterns: Sequence[str]) -> bool:
    """Whether the name, with or without suffix, fits a pattern; upper and lower case are the same."""
    names = (path.name.lower(), raster_name(path).lower())
    return any(fnmatch(name, pattern.lower()) for name in names for pattern in patterns)


def _is_input(path: Path) -> bool:
    """Whether a file is one of the user's, not the remains of an interrupted write."""
    return path.is_file() and not path.name.startswith(".")


def describe_file(path: Path) -> InputFile:
    """Return path, size and SHA-256 of a file, and of those that GDAL reads with it."""
    return InputFile(path=str(path), bytes=path.stat().st_size, sha256=_identity(path))


def write_manifest(path: Path, inputs: dict[str, list[InputFile]]) -> None:
    """Write the input files of each domain as JSON, without what is empty."""
    write_json(path, {domain: [_brief(entry) for entry in entries] for domain, entries in inputs.items()})


def read_manifest(path: Path) -> dict[str, list[InputFile]]:
    """Read what `write_manifest` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {domain: [_entry(**entry) for entry in entries] for domain, entries in content.items()}


def _entry(*, range_m: list[float] | None = None, **said: Any) -> InputFile:
    return InputFile(**said, range_m=(range_m[0], range_m[1]) if range_m else None)


def _brief(entry: InputFile) -> dict[str, Any]:
    said = {key: value for key, value in asdict(entry).items() if value or key in ("path", "bytes", "sha256")}
    said.pop("fetched_on", None)  # the same files fetched another day are the same input
    return said


def checked_path(entry: InputFile) -> Path:
    """Return the path of an input file after comparing its content with the manifest.

    Raises
    ------
    ParamsError : the file is gone or has changed since it was listed
    """
    path = entry.place
    if entry.path.startswith(CACHED):
        if not path.is_file() or sha256_of_file(path) != entry.sha256:
            path.unlink(missing_ok=True)  # else it would be taken for whole again
            message = (
                f"{path}: this fetched file is gone or was damaged, and is now removed; run "
                "`dvc repro --force --single-item fetch` to get it back, then `dvc repro`"
            )
            raise ParamsError(message)
    elif not path.is_file() or _identity(path) != entry.sha256:
        message = f"{path}: the file has changed or gone since `fetch` listed it; run `dvc repro` again"
        raise ParamsError(message)
    return path


def _identity(path: Path) -> str:
    """Return the SHA-256 of a file, or of its own and those of the files that GDAL reads with it."""
    beside = sidecar_files(path) if path.suffix.lower() in RASTER_SUFFIXES else []
    own = sha256_of_file(path)
    return sha256_of_text("".join([own, *map(sha256_of_file, beside)])) if beside else own
