"""Meaning of a layer by its name and attributes: elevation, depth, or something else than heights."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from demsr.errors import GridError
from demsr.options import Positive

_HEIGHTS = re.compile(r"height|altitude|elevation|depth|bathymetry|topo(graphy)?\b|\b(dem|dtm|dsm)\b|\bz\b")
_UPWARDS = re.compile(r"height|altitude|elevation|topo")
_DEPTHS = re.compile(r"depth|bathymetr|sounding|below (mean )?sea")
_OTHERS = re.compile(
    r"\btid\b|(type|source) identifier|uncert|\bstd\b|\bstd ?dev|standard (deviation|error)|variance|\brms|\bsigma\b|"
    r"\b(num|number|counts?|density|mask|flags?|quality|slope|aspect|curvature|roughness|errors?|err|distance)\b|"
    r"\b(hem|edm|flm|wbm|wam|lsm)\b|hill ?shade|shaded|categor|class(es|ification)?\b|land ?cover|reflectance|"
    r"backscatter|thickness|canopy|anomal|temperature|geoid (height above (the )?reference|undulation)|"
    r"sea surface (height|wave|salinity)"
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
    file_name : without suffix; counts only where nothing says that these are heights, and by its last word that means
        something: the slope of a DEM is "dem_slope"
    """
    texts = {"name": name, **{key: str(attributes[key]) for key in _DESCRIPTIVE if key in attributes}}
    found = [f"its {key} is {text[:60]!r}" for key, text in texts.items() if _OTHERS.search(_words(text))]
    found += [f"it has {key}" for key in _CODES if key in attributes]
    if not is_sure and dtype.itemsize == 1:
        found.append(f"its numbers have 8 bits ({dtype})")
    if not is_sure and _last(_OTHERS, file_name) > _last(_HEIGHTS, file_name):
        found.append(f"the file is called {file_name[:60]!r}")
    return found


def says_heights(name: str, attributes: Mapping[str, Any], *, has_unit: bool) -> bool:
    """Whether the name, an attribute or a unit of length of a layer says that its numbers are heights or depths."""
    texts = (name, *(str(attributes.get(key, "")) for key in _DESCRIPTIVE))
    return has_unit or any(_HEIGHTS.search(_words(text)) for text in texts)


def are_codes(distinct: int, pixels: int, span: float) -> bool:
    """Whether whole numbers from 0 to 255 look like codes: few, each in many pixels, and far apart, or a mask of two.

    Parameters
    ----------
    distinct : number of different numbers
    pixels : number of pixels
    span : difference between the highest and the lowest
    """
    apart = span >= 2 * distinct or distinct == 2
    return 1 < distinct <= _FEW and pixels >= _PIXELS_EACH * distinct and apart and span <= HIGHEST_CODE


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
    positive = str(attributes.get("positive", "")).lower()
    if positive in ("down", "up"):
        return ("down" if positive == "down" else "up"), True
    standard_name, *others = (str(attributes.get(key, "")) for key in _DESCRIPTIVE)
    for text in (standard_name, name, *others):
        is_up, is_down = _UPWARDS.search(_words(text)), _DEPTHS.search(_words(text))
        if is_up or is_down:
            return ("up", True) if is_up else (None, True)  # files often hold heights under a name of depths
    return "up", False


def _last(pattern: re.Pattern[str], text: str) -> int:
    """Return the position of the last match in a text, -1 if there is none."""
    return max((found.start() for found in pattern.finditer(_words(text))), default=-1)


def _words(text: str) -> str:
    return re.sub(r"[_\W]+", " ", text.lower()).strip()
