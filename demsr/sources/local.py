"""Rasters that a user already has: find them in a folder and record their identity."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

from demsr.dem.header import RASTER_SUFFIXES, companions, raster_name
from demsr.errors import ParamsError
from demsr.files import sha256_of, sha256_of_text, write_json

RASTER_PATTERNS = [f"*{suffix}" for suffix in (*RASTER_SUFFIXES, ".zip")]


@dataclass(frozen=True)
class InputFile:
    """One raster of the input, as the manifest lists it."""

    path: str
    bytes: int
    sha256: str


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
    """Write the input files of each domain as JSON."""
    write_json(path, {domain: [asdict(entry) for entry in entries] for domain, entries in inputs.items()})


def read_manifest(path: Path) -> dict[str, list[InputFile]]:
    """Read what `write_manifest` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {domain: [InputFile(**entry) for entry in entries] for domain, entries in content.items()}


def checked_path(entry: InputFile) -> Path:
    """Return the path of an input file after comparing its content with the manifest.

    Raises
    ------
    ParamsError : the file is gone or has changed since it was listed
    """
    path = Path(entry.path)
    if not path.is_file() or _identity(path) != entry.sha256:
        message = f"{path}: the file has changed or gone since `fetch` listed it; run `dvc repro` again"
        raise ParamsError(message)
    return path


def _identity(path: Path) -> str:
    """Return the SHA-256 of a file, or of its own and those of the files that GDAL reads with it."""
    beside = companions(path) if path.suffix.lower() in RASTER_SUFFIXES else []
    own = sha256_of(path)
    return sha256_of_text("".join([own, *map(sha256_of, beside)])) if beside else own
