"""Read YAML that people edit, and explain what pydantic finds wrong with it."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from demsr.errors import ParamsError

_EXPLANATIONS = {
    "extra_forbidden": "unknown key, remove it or correct its name",
    "unexpected_keyword_argument": "unknown key, remove it or correct its name",
    "string_pattern_mismatch": "names have small letters, digits and hyphens, such as gulf-of-mexico",
}


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Parameters
    ----------
    path : of the file, UTF-8

    Raises
    ------
    ParamsError : the file is missing or is not YAML
    """
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        message = f"{path}: cannot be read as YAML ({error}); correct it or restore it with `git checkout {path}`"
        raise ParamsError(message) from error


def explain(error: ValidationError, where: str) -> str:
    """Return one line that names the key, the value found and the allowed values of every mistake.

    Values that look like addresses with a password are left out.

    Parameters
    ----------
    error : raised by pydantic
    where : the file, named in front
    """
    lines = []
    for mistake in error.errors():
        key = ".".join(str(part) for part in mistake["loc"]) or "the whole file"
        secret = "@" in str(mistake["input"]) and "://" in str(mistake["input"])
        hidden = mistake["type"] == "missing" or secret or isinstance(mistake["input"], dict)
        found = "" if hidden else f" is {mistake['input']!r}"
        allowed = _EXPLANATIONS.get(mistake["type"], mistake["msg"].removeprefix("Value error, "))
        lines.append(f"{key}{found}: {allowed}")
    return f"{where}: " + "; ".join(lines)
