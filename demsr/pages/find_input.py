"""The input of a product, found by what the product records of it."""

import shlex
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from demsr.dem.read.declared import Declared
from demsr.dem.read.names import source_name
from demsr.errors import DemsrError, RasterError
from demsr.runtime.files import sha256_of_file

_PROGRAM, _COMMAND = "demsr", "super-resolve"


def find_input(target: Path, tags: dict[str, str]) -> Path:
    """Return the input of a product: the file of its recorded name and SHA-256, beside it or where its command read it.

    Parameters
    ----------
    target : the product
    tags : of the product

    Raises
    ------
    RasterError : there is no such file
    """
    name = tags.get("INPUT")
    if not name:
        message = f"{target}: records no input; name it with --input"
        raise RasterError(message)
    changed = []
    for candidate in _candidates(target, name, tags):
        file = source_name(candidate).path
        if file.is_file():
            if sha256_of_file(file) == tags.get("INPUT_SHA256", "").partition("+")[0]:
                return candidate
            changed.append(str(file))
    found = f"{', '.join(changed)} differs from it by its SHA-256" if changed else "it is not beside the product"
    message = (
        f"{target}: was made from {name}; {found}, nor is it where the recorded command read it; name it with --input"
    )
    raise RasterError(message)


def is_recorded(source: Path, tags: dict[str, str]) -> bool:
    """Whether a file is the recorded input of a product, byte by byte.

    Parameters
    ----------
    source : file, or name of a dataset in one
    tags : of the product
    """
    return sha256_of_file(source_name(source).path) == tags.get("INPUT_SHA256", "").partition("+")[0]


def recorded_declarations(tags: dict[str, str]) -> Declared:
    """Return the properties of the input that the recorded command declared.

    Parameters
    ----------
    tags : of the product
    """
    words = _words(tags)
    values: dict[str, Any] = {}
    for field in fields(Declared):
        option = f"--{field.name.replace('_', '-')}"
        for word, following in pairwise([*words, ""]):
            if word == option or word.startswith(f"{option}="):
                values[field.name] = word.partition("=")[2] or following
    if "nodata" in values:
        values["nodata"] = float(values["nodata"])
    return Declared(**values)


def _candidates(target: Path, name: str, tags: dict[str, str]) -> Iterator[Path]:
    """Yield the places in which the input may be."""
    yield target.absolute().parent / name
    for word in _words(tags):
        try:
            if source_name(Path(word)).path.name != name:
                continue
        except DemsrError:  # another word of the command
            continue
        yield Path(word)
        yield target.absolute().parent / word


def _words(tags: dict[str, str]) -> list[str]:
    """Return the words after `super-resolve` in the recorded command; options of demsr itself may stand before it."""
    try:
        words = shlex.split(tags.get("COMMAND", ""))
    except ValueError:  # not written by demsr
        return []
    return words[words.index(_COMMAND) + 1 :] if words[:1] == [_PROGRAM] and _COMMAND in words else []
