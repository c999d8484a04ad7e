"""Length units of elevation and their size in metres."""

_NAMES = {
    1.0: ("m", "metre", "metres", "meter", "meters"),
    0.01: ("cm",),
    0.1: ("dm",),
    1000.0: ("km",),
    0.3048: ("ft", "foot", "feet"),
    1200 / 3937: ("us-ft", "us survey foot", "us_survey_foot"),
    1.8288: ("fathom", "fathoms"),
}
METRES_PER_UNIT = {name: metres for metres, names in _NAMES.items() for name in names}
"""Unit name in lower case -> its length in metres."""
