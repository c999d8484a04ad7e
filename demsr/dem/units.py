"""Length units of elevation and their size in metres."""

import re

_NAMES = {
    1.0: ("m", "metre", "metres", "meter", "meters", "mtr"),
    0.001: ("mm", "millimetre", "millimetres", "millimeter", "millimeters"),
    0.01: ("cm", "centimetre", "centimetres", "centimeter", "centimeters"),
    0.1: ("dm", "decimetre", "decimetres", "decimeter", "decimeters"),
    1000.0: ("km", "kilometre", "kilometres", "kilometer", "kilometers"),
    0.3048: ("ft", "foot", "feet", "international foot", "international feet", "ft int"),
    1200 / 3937: ("us-ft", "us survey foot", "us survey feet", "us foot", "us feet", "ft us", "foot us", "survey foot"),
    1.8288: ("fathom", "fathoms", "fath"),
}
METRES_PER_UNIT = {name: metres for metres, names in _NAMES.items() for name in names}
"""Unit name in lower case -> its length in metres."""
_BY_LETTERS = {re.sub(r"\W", "", name): metres for name, metres in METRES_PER_UNIT.items()}
_MULTIPLE = re.compile(r"(\d*\.?\d+(?:e[+-]?\d+)?)\s+(\D+)")
_REFERENCE = r"\s*\b(above|over|relative|wrt|asl|amsl|msl|navd ?88|egm ?\d+|height|elevation)\b.*"


def metres_per_unit(text: str) -> float | None:
    """Return the length of a unit as people write it, such as ftUS, "m above MSL" or "0.3048 m"; None for other texts.

    Parameters
    ----------
    text : name of a unit, perhaps followed by what the heights refer to
    """
    unit = re.sub(_REFERENCE, "", re.sub(r"[()\[\]{},]", " ", text.lower().replace("_", " ")))
    if multiple := _MULTIPLE.fullmatch(unit.strip()):
        number, base = multiple.groups()
        return float(number) * (metres_per_unit(base) or 0) or None
    return _BY_LETTERS.get(re.sub(r"[\s.-]", "", unit))
