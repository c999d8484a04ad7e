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
    """Return a docstring with each name and each description on a line of its own."""
    lines, section, result = docstring.splitlines(), "", []
    index = 0
    while index < len(lines):
        line = lines[index]
        if index + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[index + 1]):
            section = line
            result += [line, lines[index + 1]]
            index += 2
            continue
        if section in _SECTIONS and line and _ends_section(lines, index):
            section = ""
            result += ["Notes", "-----"]
        entry = [line]
        while section in _SECTIONS and index + 1 < len(lines) and lines[index + 1].startswith("    "):
            index += 1
            entry.append(lines[index])
        result += _expanded_entry(entry, section) if section in _SECTIONS and line else entry
        index += 1
    return "\n".join(result)


def _ends_section(lines: list[str], index: int) -> bool:
    """Whether a line is a paragraph behind the section, such as a source, and not an entry."""
    return not lines[index - 1].strip() and " : " not in lines[index]


def _expanded_entry(entry: list[str], section: str) -> list[str]:
    """Return the lines of an entry as Griffe expects them; names that share a description get it each."""
    first, more = entry[0], entry[1:]
    match = _ENTRY.fullmatch(first)
    if section in ("Returns", "Yields"):
        if match is None:
            return [":", f"    {first}", *more] if " " in first else entry
        if "," in match["names"]:
            return [":", f"    `{match['names']}`: {match['text']}", *more]
        return [f"{match['names']} :", f"    {match['text']}", *more]
    if match is None:
        return entry
    return [line for name in match["names"].split(", ") for line in (name, f"    {match['text']}", *more)]
