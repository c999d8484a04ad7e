"""Read YAML that people edit, within bounds of time and memory, and explain what pydantic finds wrong with it."""

from pathlib import Path
from reprlib import Repr
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from demsr.errors import ParamsError

if TYPE_CHECKING:
    from ruamel.yaml import YAML  # of the extra `fetch`; models are read without it

_EXPLANATIONS = {
    "extra_forbidden": "unknown key, remove it or correct its name",
    "unexpected_keyword_argument": "unknown key, remove it or correct its name",
    "string_pattern_mismatch": "names have small letters, digits and hyphens, such as gulf-of-mexico",
}
_MOST_BYTES = 1 << 20
_MOST_VALUES = 20_000  # aliases count as often as their values are repeated
_DEEPEST = 20
_MOST_MISTAKES = 20
_LONGEST_REASON = 300
_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict = 2, 4, 4
_SHORT.maxstring, _SHORT.maxlong, _SHORT.maxother = 120, 40, 120


def read_yaml(path: Path, yaml: "YAML | None" = None) -> Any:
    """Return the content of a YAML file.

    Parameters
    ----------
    path : of the file, UTF-8
    yaml : loader to use; None loads plain values

    Raises
    ------
    ParamsError : the file is missing, is not YAML, or is larger or more deeply nested than any file of parameters
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode()
        _check_size(text)
        return (yaml or YAML(typ="safe")).load(text)
    except (OSError, ValueError, YAMLError) as error:  # ValueError: impossible numbers and dates, other encodings
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        message = f"{path}: cannot be read as YAML ({reason}); correct it or restore it with `git checkout {path}`"
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
    mistakes = error.errors()
    for mistake in mistakes[:_MOST_MISTAKES]:
        key = ".".join(str(part) for part in mistake["loc"]) or "the whole file"
        shown = _SHORT.repr(mistake["input"])
        secret = "://" in shown and ("@" in shown or "..." in shown)
        hidden = mistake["type"] == "missing" or secret or isinstance(mistake["input"], dict)
        found = "" if hidden else f" is {shown}"
        allowed = _EXPLANATIONS.get(mistake["type"], mistake["msg"].removeprefix("Value error, "))
        lines.append(f"{_shortened(key)}{found}: {_shortened(allowed)}")
    if len(mistakes) > _MOST_MISTAKES:
        lines.append(f"and {len(mistakes) - _MOST_MISTAKES} more mistakes")
    return f"{where}: " + "; ".join(lines)


def _check_size(text: str) -> None:
    """Refuse what would take unbounded time to load or to show; parsing stops at the first value too many."""
    from ruamel.yaml import YAML
    from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

    if len(text) > _MOST_BYTES:
        message = f"it has more than {_MOST_BYTES} bytes"
        raise ValueError(message)
    anchored: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []  # anchor of each collection that is not closed, and the count before it
    count = 0
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, AliasEvent):
            count += anchored.get(event.anchor, _MOST_VALUES)  # without a value: an alias of what contains it
        elif isinstance(event, CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                anchored[anchor] = count - before
        elif isinstance(event, ScalarEvent | CollectionStartEvent):
            if isinstance(event, CollectionStartEvent):
                opened.append((event.anchor, count))
            elif event.anchor is not None:
                anchored[event.anchor] = 1
            count += 1
        if len(opened) > _DEEPEST or count > _MOST_VALUES:
            message = f"it has more than {_MOST_VALUES} values or {_DEEPEST} levels, repeated ones included"
            raise ValueError(message)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."
