"""Meaning of a layer by its name and attributes: elevation, depth, or something else than heights."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from demsr.errors import GridError
from demsr.options import Positive

_HEIGHTS = re.compile(r"height|altitude|elevation|depth|bathymetry|topo(graphy)?\b|\b(dem|dtm|dsm)\b|\bz\b")
_OTHERS = re.compile(
    r"\btid\b|(type|source) identifier|uncertaint|\bstd\b|\bstd ?dev|standard (deviation|error)|variance|\brms|"
    r"\b(num|number|counts?|density|mask|flags?|quality|slope|aspect|curvature|roughness|errors?)\b|hill ?shade|"
    r"shaded|categor|class(es|ification)?\b|land ?cover|reflectance|backscatter"
)
_DESCRIPTIVE = ("standard_name", "long_name", "description")
_CODES = ("flag_values", "flag_masks", "flag_meanings")
HIGHEST_CODE = 255
_FEW, _PIXELS_EACH = 32, 50  # at most so many different numbers, each in so many pixels on average, are codes


def objections(
    name: str, attributes: Mapping[str, Any], dtype: np.dtype[Any], *, is_sure: bool, file_name: str = ""
) -> list[str]:
    """Return what speaks against a layer of heights, by its name, its attributes and its type.

    Parameters
    ----------
    name : of the variable or band
    attributes : attributes or tags
    dtype : stored type
    is_sure : from `says_heights`
    file_name : without suffix; counts only where nothing says that these are heights
    """
    texts = {"name": name, **{key: str(attributes[key]) for key in _DESCRIPTIVE if key in attributes}}
    found = [f"its {key} is {text[:60]!r}" for key, text in texts.items() if _OTHERS.search(_words(text))]
    found += [f"it has {key}" for key in _CODES if key in attributes]
    if not is_sure and dtype.itemsize == 1:
        found.append(f"its numbers have 8 bits ({dtype})")
    if not is_sure and _OTHERS.search(_words(file_name)) and not _HEIGHTS.search(_words(file_name)):
        found.append(f"the file is called {file_name[:60]!r}")
    return found


def says_heights(name: str, attributes: Mapping[str, Any], *, has_unit: bool) -> bool:
    """Whether the name, an attribute or a unit of length of a layer says that its numbers are heights or depths."""
    texts = (name, *(str(attributes.get(key, "")) for key in _DESCRIPTIVE))
    return has_unit or any(_HEIGHTS.search(_words(text)) for text in texts)


def are_codes(distinct: int, pixels: int, span: float) -> bool:
    """Whether whole numbers from 0 to 255 look like codes: few, each in many pixels, and far apart.

    Parameters
    ----------
    distinct : number of different numbers
    pixels : number of pixels
    span : difference between the highest and the lowest
    """
    return 1 < distinct <= _FEW and pixels >= _PIXELS_EACH * distinct and HIGHEST_CODE >= span >= 2 * distinct


def check_heights(found: list[str], where: str, remedy: str) -> None:
    """Raise GridError if anything speaks against heights.

    Parameters
    ----------
    found : objections
    where : first part of the message
    remedy : how to declare that these are heights all the same
    """
    if found:
        message = f"{where}: holds no elevation, it seems: {', '.join(found)}; give the elevation, or {remedy}"
        raise GridError(message)


def positive_by_name(name: str, attributes: Mapping[str, Any]) -> tuple[Positive | None, bool]:
    """Return the direction of heights by name and attributes, and whether they say it.

    Parameters
    ----------
    name : of the variable or band
    attributes : attributes or tags

    Returns
    -------
    positive : None where only the values show it, because the name means depths
    is_said : whether "up" follows from a name of heights rather than from the lack of one
    """
    meaning, positive = str(attributes.get("standard_name", "")), str(attributes.get("positive", "")).lower()
    if positive == "down":
        return "down", True
    if positive != "up" and "depth" in f"{meaning} {name}".lower():
        return None, True  # files often hold heights under such a name
    return "up", positive == "up" or bool(re.search(r"height|altitude|elevation", f"{meaning} {name}".lower()))


def _words(text: str) -> str:
    return re.sub(r"[_\W]+", " ", text.lower()).strip()
