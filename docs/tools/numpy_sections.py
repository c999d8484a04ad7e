"""Griffe extension: read the project's compact numpy sections.

Docstrings state the description, with shape and unit, behind the colon (`lr : (B, 1, H, W), metres`); the type is the
annotation of the signature. Griffe expects a type behind the colon, so the description moves to the next line.
"""

import re
from typing import Any

from griffe import Extension, Object

_SECTIONS = ("Parameters", "Attributes", "Returns", "Yields", "Raises")
_ENTRY = re.compile(r"(?P<names>\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*) : (?P<text>.+)")


class NumpySections(Extension):
    """Rewrite the sections of every docstring before they are parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = expanded(obj.docstring.value)


def expanded(docstring: str) -> str:
    """Return a docstring with each description on a line of its own."""
    lines, section, result = docstring.splitlines(), "", []
    for index, line in enumerate(lines):
        underlined = index + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[index + 1].strip())
        if underlined:
            section = line.strip()
        elif section in _SECTIONS and line and not line.startswith((" ", "---")):
            if _ends_section(lines, index):
                section = ""
                result += ["Notes", "-----"]
            else:
                line = _expanded_entry(line, section)
        result.append(line)
    return "\n".join(result)


def _ends_section(lines: list[str], index: int) -> bool:
    """Whether a line without indentation is a paragraph behind the section, such as a source, not an entry."""
    return not lines[index - 1].strip() and " : " not in lines[index]


def _expanded_entry(line: str, section: str) -> str:
    entry = _ENTRY.fullmatch(line)
    if entry is None:
        return f":\n    {line}" if section in ("Returns", "Yields") and " " in line else line
    names, text = entry["names"], entry["text"]
    if section in ("Returns", "Yields"):
        return f"{names} :\n    {text}" if "," not in names else f":\n    `{names}`: {text}"
    return f"{names}\n    {text}"
