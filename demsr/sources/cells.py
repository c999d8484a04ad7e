"""Longitude-latitude boxes and the regular cells that downloads are requested in."""

import math
from collections.abc import Iterator

from demsr.dem.grid import Box


def cells(box: Box, size_deg: float = 1.0) -> Iterator[Box]:
    """Yield the cells of a regular grid that a box touches, row by row from the south-west.

    Parameters
    ----------
    box : degrees; east is less than west across the antimeridian
    size_deg : side of a cell
    """
    for west, south, east, north in split_at_antimeridian(box):
        for row in range(math.floor(south / size_deg), math.ceil(north / size_deg)):
            for col in range(math.floor(west / size_deg), math.ceil(east / size_deg)):
                yield col * size_deg, row * size_deg, (col + 1) * size_deg, (row + 1) * size_deg


def cell_name(cell: Box) -> str:
    """Return the name of a cell from its south-west corner: n43w121, or n4825w12450 in hundredths of a degree."""
    west, south = cell[:2]
    whole = all(float(edge).is_integer() for edge in cell)
    lat, lon, width = (abs(south), abs(west), 0) if whole else (abs(south) * 100, abs(west) * 100, 2)
    north_south, east_west = "ns"[south < 0], "ew"[west < 0]
    return f"{north_south}{round(lat):0{2 + width}d}{east_west}{round(lon):0{3 + width}d}"


def split_at_antimeridian(box: Box) -> list[Box]:
    """Return one box, or two if it crosses the antimeridian, with longitudes from -180 to 180."""
    west, south, east, north = box
    return [box] if west < east else [(west, south, 180.0, north), (-180.0, south, east, north)]


def intersection(one: Box, other: Box) -> Box | None:
    """Return the intersection of two boxes, None if it is empty."""
    west, south = max(one[0], other[0]), max(one[1], other[1])
    east, north = min(one[2], other[2]), min(one[3], other[3])
    return (west, south, east, north) if west < east and south < north else None


def box_text(box: Box) -> str:
    """Return a box for messages, such as `6 to 14 east, 44 to 48 north`."""
    west, south, east, north = box
    return f"{west:g} to {east:g} east, {south:g} to {north:g} north"


def box_key(box: Box) -> str:
    """Return a box as text that is unique to it, for download keys."""
    return " ".join(repr(float(edge)) for edge in box)
