"""Manifest of the input files with their checksums, written by `fetch` and verified by later stages."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from demsr.dem.read.declared import Declared
from demsr.dem.read.gdal import raster_name, sidecar_files
from demsr.errors import ParamsError
from demsr.runtime.files import read_json, sha256_of_file, sha256_of_text, write_json
from demsr.runtime.project import cache_folder

CACHED = "cache:"


@dataclass(frozen=True)
class InputFile:
    """Input file as listed in the manifest.

    Attributes
    ----------
    path : path of the file; "cache:" stands for the cache folder, which differs between machines
    bytes : size
    sha256 : checksum, for local rasters also of the files that GDAL reads with it
    given_name : name of the raster; empty where the file name is used
    product, origin : name of the data sheet and address of a fetched file
    declared : properties from the data sheet that the file does not state, keyword arguments of `Declared`
    range_m : lowest and highest possible elevation of the product
    fetched_on : date of the download, for products without versions
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
        """Name of the raster, which identifies its region and split."""
        return self.given_name or raster_name(Path(self.path))

    @property
    def place(self) -> Path:
        """Path of the file on this machine."""
        if self.path.startswith(CACHED):
            return cache_folder() / self.path.removeprefix(CACHED)
        return Path(self.path)


def describe_file(path: Path) -> InputFile:
    """Return the manifest entry of a local file."""
    return InputFile(path=str(path), bytes=path.stat().st_size, sha256=_checksum(path))


def write_manifest(path: Path, inputs: Mapping[str, Sequence[InputFile]]) -> None:
    """Write a manifest as JSON, without empty fields and download dates.

    Parameters
    ----------
    path : file to write
    inputs : kind (land, marine, lr, lr_tid) -> input files
    """
    write_json(path, {kind: [_fields(entry) for entry in entries] for kind, entries in inputs.items()})


def read_manifest(path: Path) -> dict[str, list[InputFile]]:
    """Return the input files of a manifest by kind."""
    return {kind: [_input_file(**entry) for entry in entries] for kind, entries in read_json(path).items()}


def verified_path(entry: InputFile) -> Path:
    """Return the path of an input file whose content still has the checksum of the manifest.

    Parameters
    ----------
    entry : entry of the manifest

    Raises
    ------
    ParamsError : the file is missing or has changed; a damaged file of the cache is removed
    """
    path = entry.place
    if entry.path.startswith(CACHED):
        if not path.is_file() or sha256_of_file(path) != entry.sha256:
            path.unlink(missing_ok=True)  # otherwise the cache would trust it
            message = (
                f"{path}: this fetched file is missing or damaged, and is now removed; run `dvc repro --force "
                "--single-item fetch` to download it again, then `dvc repro`"
            )
            raise ParamsError(message)
    elif not path.is_file() or _checksum(path) != entry.sha256:
        message = f"{path}: the file is missing or has changed since `fetch` listed it; run `dvc repro` again"
        raise ParamsError(message)
    return path


def declared_for(name: str, overrides: Mapping[str, Mapping[str, Any]], entry: InputFile | None = None) -> Declared:
    """Return the declared properties of a raster: those of the user, over those of its data sheet.

    Parameters
    ----------
    name : name of the raster
    overrides : name -> properties that the user declares, keyword arguments of `Declared`; None means not declared
    entry : manifest entry of a fetched file
    """
    declared = {key: value for key, value in overrides.get(name, {}).items() if value is not None}
    return Declared(**{**(entry.declared if entry else {}), **declared})


def _input_file(*, range_m: list[float] | None = None, **fields: Any) -> InputFile:
    return InputFile(**fields, range_m=(range_m[0], range_m[1]) if range_m else None)


def _fields(entry: InputFile) -> dict[str, Any]:
    """Return the fields that are not empty; the date is left out, so that repeated downloads are equal."""
    required = ("path", "bytes", "sha256")
    fields = {key: value for key, value in asdict(entry).items() if value or key in required}
    fields.pop("fetched_on", None)
    return fields


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file, or of its checksum and those of the files that GDAL reads with it."""
    beside, own = sidecar_files(path), sha256_of_file(path)
    return sha256_of_text("".join([own, *map(sha256_of_file, beside)])) if beside else own
