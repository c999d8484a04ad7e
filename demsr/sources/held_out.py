"""Choose which rasters to hold out, where the user has not said: whole files, of unlike terrain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from demsr.dem.reading import read_dem
from demsr.errors import ParamsError
from demsr.sources.local import find_rasters

_LEAST_VALID_SHARE = 0.2  # of the pixels of a raster that is worth holding out
_COAST_SHARE = (0.05, 0.95)  # of pixels at the water level


@dataclass(frozen=True)
class HeldOut:
    """Names of files without suffix."""

    valid: list[str]
    test: list[str]


def choose_held_out(paths: Sequence[Path], *, water_level_m: float | None, three_arcsec: bool = False) -> HeldOut:
    """Choose the flattest raster, the roughest and, on land, the one with most coast for the test.

    Of the others, the one of middling relief validates.

    Parameters
    ----------
    three_arcsec : pass over rasters of another spacing, of which no pairs will be cut

    Raises
    ------
    ParamsError : fewer than four such rasters with enough measured land or sea floor
    """
    relief_m, coast = {}, {}
    for path in paths:
        dem = read_dem(path, vertical_datum="MSL")  # only differences of elevation matter here
        water = dem.elevation_m == water_level_m if water_level_m is not None else ~dem.valid
        elevation = np.where(water, np.nan, dem.elevation_m)
        if np.isfinite(elevation).mean() < _LEAST_VALID_SHARE or (three_arcsec and not dem.grid.is_three_arcsec):
            continue
        relief_m[path.stem] = float(np.nanstd(elevation))
        share = float(water.mean()) if water_level_m is not None else 0.0
        coast[path.stem] = share if _COAST_SHARE[0] < share < _COAST_SHARE[1] else 0.0
    if len(relief_m) < 4:
        kind = "3 arc-second rasters" if three_arcsec else "rasters"
        message = f"{len(relief_m)} {kind} are too few to hold some out; give four or more, or name --valid and --test"
        raise ParamsError(message)
    by_relief = sorted(relief_m, key=lambda name: relief_m[name])
    test = [by_relief[0], by_relief[-1]]
    others = by_relief[1:-1]
    most_coast = max(others, key=lambda name: coast[name])
    if coast[most_coast] and len(others) > 2:
        test.append(most_coast)
        others.remove(most_coast)
    return HeldOut(valid=[others[len(others) // 2]], test=sorted(test))


def local_changes(
    folders: Mapping[str, Path], files: Mapping[str, str], *,
    exclude: Sequence[str], valid: Sequence[str], test: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Return the values of params.yaml that point at a user's folders, held-out files chosen where none is named.

    Parameters
    ----------
    folders, files : domain -> folder and pattern of file names
    valid, test : patterns of file names without suffix, in any of the folders

    Raises
    ------
    ParamsError : a pattern matches no file, a folder is missing or empty, or has too few rasters to choose from
    """
    found = {
        domain: find_rasters(folder, include=[files[domain]], exclude=exclude) for domain, folder in folders.items()
    }
    everything = [path for paths in found.values() for path in paths]
    for pattern in (*valid, *test):
        if not _present([pattern], everything):
            message = f"no file is called {pattern!r}; there are {', '.join(path.stem for path in everything)}"
            raise ParamsError(message)
    fetch: dict[str, Any] = {}
    pairs: dict[str, Any] = {}
    for domain, folder in folders.items():
        paths = found[domain]
        fetch[domain] = {"folder": str(folder), "include": [files[domain]], "exclude": list(exclude)}
        named = HeldOut(valid=_present(valid, paths), test=_present(test, paths))
        if not (named.valid and named.test):
            free = [path for path in paths if not _named(path, [*named.valid, *named.test])]
            land = domain == "land"
            chosen = choose_held_out(free, water_level_m=0.0 if land else None, three_arcsec=land)
            named = HeldOut(valid=named.valid or chosen.valid, test=named.test or chosen.test)
        pairs[domain] = {"valid": named.valid, "test": named.test}
    return {"fetch": fetch, "pairs": pairs}


def _present(patterns: Sequence[str], paths: Sequence[Path]) -> list[str]:
    return [pattern for pattern in patterns if any(_named(path, [pattern]) for path in paths)]


def _named(path: Path, patterns: Sequence[str]) -> bool:
    return any(PurePath(path.stem).match(pattern) for pattern in patterns)
