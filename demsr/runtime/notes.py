"""Notes of finished work, from which an interrupted run continues, covered by a checksum with the files of the work."""

import json
from pathlib import Path
from typing import Any

from demsr.runtime.files import read_json, sha256_of_file, sha256_of_text, write_json


def write_note(note: Path, value: Any, *files: Path) -> None:
    """Write what a finished piece of work has found, after its files: a whole note means that they are complete.

    Parameters
    ----------
    note : .json to write
    value : JSON types only
    files : written by the work
    """
    write_json(note, {"value": value, "sha256": _sha256(value, files)})


def read_note(note: Path, *files: Path) -> Any | None:
    """Return the value of a note, None if the note or a file is missing, damaged or another one.

    Parameters
    ----------
    note : written by `write_note`
    files : written by the work; those that do not exist count as well
    """
    try:
        found = read_json(note)
        return found["value"] if found["sha256"] == _sha256(found["value"], files) else None
    except (OSError, ValueError, KeyError, TypeError):  # missing, no JSON, or no note
        return None


def _sha256(value: Any, files: tuple[Path, ...]) -> str:
    """Return one SHA-256 over a value and the files that exist."""
    digests = [sha256_of_file(file) if file.is_file() else None for file in files]
    return sha256_of_text(json.dumps([value, digests], sort_keys=True))
