"""Choose which rasters to hold out, where the user has not said: whole files, of unlike terrain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from rich.progress import track

from demsr.dem.read.gdal import raster_name
from demsr.errors import ParamsError
from demsr.options import DOMAINS
from demsr.params import Harmonise
from demsr.sources.harmonise import WRITTEN, HarmoniseOptions, harmonised, recipe_of
from demsr.sources.local import RASTER_PATTERNS, find_rasters

_SCALE = 5
_LEAST_VALID_SHARE = 0.2  # of the pixels of a raster that is worth holding out
_LEAST_PATCHES = 4  # that the measured pixels make up, where enough rasters have as many
_MOST_LOOKED_AT = 200
_COAST_SHARE = (0.05, 0.95)  # of void pixels, where flat water is void


@dataclass(frozen=True)
class HeldOut:
    """Names of files without suffix."""

    valid: list[str]
    test: list[str]


@dataclass(frozen=True, kw_only=True)
class Fitness:
    """Which rasters are worth holding out, once they are harmonised.

    Attributes
    ----------
    three_arcsec : only those on 3 arc-second grids
    least_pixels : along the shorter side; smaller ones hold no patch
    """

    three_arcsec: bool = False
    least_pixels: int = 1


def choose_held_out(
    paths: Sequence[Path], recipe: HarmoniseOptions, fitness: Fitness, *, where: str = "held-out files"
) -> HeldOut:
    """Choose the flattest raster, the roughest and, where water is void, the one with most coast for the test.

    Of the others, the one of middling relief validates. Rasters of a patch or two are passed over if others suffice;
    of thousands, some hundred in even steps are looked at.

    Parameters
    ----------
    where : folder, for messages

    Raises
    ------
    ParamsError : fewer than four fit rasters with enough measured land or sea floor
    """
    relief_m, coast, measured = {}, {}, {}
    for path in track(paths[:: -(-len(paths) // _MOST_LOOKED_AT) or 1], description="choose held-out files"):
        dem, record = harmonised(path, recipe)
        if record.result != WRITTEN or dem.valid.mean() < _LEAST_VALID_SHARE:
            continue
        if (fitness.three_arcsec and not dem.grid.is_three_arcsec) or min(dem.valid.shape) < fitness.least_pixels:
            continue
        relief_m[record.name] = float(np.nanstd(dem.elevation_m))
        measured[record.name] = int(dem.valid.sum())
        void = 1 - float(dem.valid.mean()) if recipe.min_water_km2 is not None else 0.0
        coast[record.name] = void if _COAST_SHARE[0] < void < _COAST_SHARE[1] else 0.0
    if len(relief_m) < 4:
        kind = "rasters of enough size" + (" on 3 arc-second grids" if fitness.three_arcsec else "")
        found = f"{len(relief_m)} {kind} are too few to hold some out"
        message = f"{where}: {found}; give four or more, or name --valid and --test"
        raise ParamsError(message)
    roomy = [name for name in relief_m if measured[name] >= _LEAST_PATCHES * fitness.least_pixels**2]
    by_relief = sorted(roomy if len(roomy) >= 4 else relief_m, key=lambda name: relief_m[name])
    test = [by_relief[0], by_relief[-1]]
    others = by_relief[1:-1]
    most_coast = max(others, key=lambda name: coast[name])
    if coast[most_coast] and len(others) > 2:
        test.append(most_coast)
        others.remove(most_coast)
    return HeldOut(valid=[others[len(others) // 2]], test=sorted(test))


def local_changes(
    values: Mapping[str, Any],
    folders: Mapping[str, Path],
    *,
    declared: Mapping[str, Any],
    files: Mapping[str, Sequence[str]],
    exclude: Sequence[str],
    valid: Sequence[str],
    test: Sequence[str],
    lr: Path | None = None,
) -> dict[str, Any]:
    """Return the values of params.yaml that point at a user's folders, held-out files chosen where none is named.

    Parameters
    ----------
    values : of params.yaml, for how rasters are read and cut
    declared : what params.yaml says about single files; it is kept for those that are there
    folders, files : domain -> folder and patterns of file names
    valid, test : patterns of file names without suffix, in any of the folders
    lr : folder of real LR grids; those with "tid" in their names hold source types

    Raises
    ------
    ParamsError : a pattern matches no file, a folder is missing or empty, or has too few rasters to choose from
    """
    found = {domain: find_rasters(folder, include=files[domain], exclude=exclude) for domain, folder in folders.items()}
    everything = [path for paths in found.values() for path in paths]
    for pattern in (*valid, *test):
        if not _present([pattern], everything):
            message = f"no file is called {pattern!r}; there are {', '.join(map(raster_name, everything))}"
            raise ParamsError(message)
    fetch: dict[str, Any] = {}
    pairs: dict[str, Any] = {}
    real = [] if lr is None else find_rasters(lr, include=RASTER_PATTERNS, exclude=exclude)
    names = {raster_name(path) for path in (*everything, *real)}
    kept = {name: said for name, said in declared.items() if name in names}
    section = Harmonise.model_validate({**values["harmonise"], "files": kept})
    for domain, folder in folders.items():
        paths = found[domain]
        fetch[domain] = {"folder": str(folder), "include": list(files[domain]), "exclude": list(exclude)}
        named = HeldOut(valid=_present(valid, paths), test=_present(test, paths))
        if not (named.valid and named.test):
            free = [path for path in paths if not _named(path, [*named.valid, *named.test])]
            three_arcsec, side = not values["pairs"][domain]["scale_free"], _SCALE * int(values["pairs"]["patch_lr"])
            fitness = Fitness(three_arcsec=three_arcsec, least_pixels=side)
            chosen = choose_held_out(free, recipe_of(section, domain), fitness, where=str(folder))
            named = HeldOut(valid=named.valid or chosen.valid, test=named.test or chosen.test)
        pairs[domain] = {"valid": named.valid, "test": named.test}
    if lr is not None:
        tid = ["*tid*"] if any("tid" in path.name.lower() for path in real) else []
        fetch["lr"] = {"folder": str(lr), "include": RASTER_PATTERNS, "exclude": list(exclude), "tid": tid}
    for domain in folders:
        pairs[domain] |= {"degradations": ["block mean"] if lr is None else ["block mean", "real"], "count": None}
    fetch |= {"source": "local"}
    return {"fetch": fetch, "pairs": pairs, "harmonise": {"files": kept}}


def ready_changes(source: Path) -> dict[str, Any]:
    """Return the values of params.yaml that point both domains at pairs that others have made."""
    return {"fetch": {domain: {"folder": str(source)} for domain in DOMAINS}}


def _present(patterns: Sequence[str], paths: Sequence[Path]) -> list[str]:
    return [pattern for pattern in patterns if any(_named(path, [pattern]) for path in paths)]


def _named(path: Path, patterns: Sequence[str]) -> bool:
    return any(PurePath(raster_name(path)).match(pattern) for pattern in patterns)
