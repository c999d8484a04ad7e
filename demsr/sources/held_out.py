"""Choice of held-out rasters, where the user names none: whole files of different terrain."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from demsr.dem.dem import Dem
from demsr.dem.grid import Box
from demsr.dem.read.gdal import raster_name
from demsr.dem.read.header import read_header
from demsr.errors import DemsrError, ParamsError
from demsr.runtime.progress import tracked
from demsr.sources.harmonise import WRITTEN, HarmoniseOptions, harmonise_raster
from demsr.sources.local_rasters import RASTER_PATTERNS, find_rasters

_SCALE = 5
_MIN_VALID_SHARE = 0.2  # of the pixels of a held-out raster
_MIN_PATCHES = 4  # of measured pixels, if enough rasters have as many
_MAX_READ = 200
_COAST_SHARE = (0.05, 0.95)  # of void pixels, where flat water is void


@dataclass(frozen=True)
class HeldOut:
    """Held-out rasters.

    Attributes
    ----------
    valid, test : names or patterns of files, without suffix
    """

    valid: list[str]
    test: list[str]


@dataclass(frozen=True, kw_only=True)
class HeldOutRule:
    """Conditions on harmonised rasters for being held out.

    Attributes
    ----------
    three_arcsec : only rasters on 3 arc-second grids
    min_side_px : pixels along the shorter side; smaller rasters contain no patch
    """

    three_arcsec: bool = False
    min_side_px: int = 1

    def allows(self, dem: Dem) -> bool:
        """Whether a raster may be held out."""
        on_grid = dem.grid.is_three_arcsec or not self.three_arcsec
        return on_grid and min(dem.valid.shape) >= self.min_side_px and bool(dem.valid.mean() >= _MIN_VALID_SHARE)


def choose_held_out(
    paths: Sequence[Path],
    options: HarmoniseOptions,
    rule: HeldOutRule,
    *,
    real: Sequence[Box] = (),
    where: str = "held-out files",
) -> HeldOut:
    """Choose the flattest and the roughest raster and, where water is void, the one with most coast, for the test.

    The raster of median relief among the others is for validation. If two or more of the others lie under a real grid,
    the raster for validation is one of them, and so is a further one for the test unless it has one already. Rasters
    with few patches are skipped if enough larger ones exist. Of very many rasters, every n-th is read.

    Parameters
    ----------
    paths : raster files
    options : how they are harmonised
    rule : conditions on held-out rasters
    real : bounds of real low-resolution grids, degrees
    where : folder, for messages

    Raises
    ------
    ParamsError : fewer than four rasters meet the conditions
    """
    relief_m, coast, measured, is_under_real = {}, {}, {}, {}
    read = paths[:: -(-len(paths) // _MAX_READ) or 1]
    for path in tracked(read, "choose held-out files", total=len(read)):
        dem, record = harmonise_raster(path, options)
        if record.result != WRITTEN or not rule.allows(dem):
            continue
        relief_m[record.name] = float(np.nanstd(dem.elevation_m))
        measured[record.name] = int(dem.valid.sum())
        void_share = 1 - float(dem.valid.mean()) if options.min_water_km2 is not None else 0.0
        is_under_real[record.name] = any(_has_centre(box, dem.grid.lonlat_bounds()) for box in real)
        coast[record.name] = void_share if _COAST_SHARE[0] < void_share < _COAST_SHARE[1] else 0.0
    if len(relief_m) < 4:
        grids = " on 3 arc-second grids" if rule.three_arcsec else ""
        message = (
            f"{where}: {len(relief_m)} rasters of sufficient size{grids} are too few to hold some out; give four or "
            "more, or name --valid and --test"
        )
        raise ParamsError(message)
    large = [name for name in relief_m if measured[name] >= _MIN_PATCHES * rule.min_side_px**2]
    by_relief = sorted(large if len(large) >= 4 else relief_m, key=lambda name: relief_m[name])
    test, others = [by_relief[0], by_relief[-1]], by_relief[1:-1]
    most_coast = max(others, key=lambda name: coast[name])
    if coast[most_coast] and len(others) > 2:
        test.append(most_coast)
        others.remove(most_coast)
    under_real = [name for name in others if is_under_real[name]]
    if len(under_real) > 1 and not any(is_under_real[name] for name in test):
        test.append(under_real.pop(len(under_real) // 2))
    others = under_real or others
    return HeldOut(valid=[others[len(others) // 2]], test=sorted(test))


def _has_centre(box: Box, other: Box) -> bool:
    """Whether a box in degrees contains the centre of another."""
    west, south, east, north = box
    lon, lat = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    return south <= lat <= north and (lon - west) % 360 <= east - west


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
    """Return the values of params.yaml for a user's folders, with held-out files chosen where none is named.

    Parameters
    ----------
    values : sections `harmonise` and `pairs` of params.yaml
    folders : domain -> folder
    declared : declared properties of single files; those of existing files are kept
    files : domain -> patterns of file names
    exclude : patterns of file names to leave out
    valid, test : patterns of held-out file names without suffix, in any of the folders
    lr : folder of real low-resolution grids; those with "tid" in their names are grids of source types

    Raises
    ------
    ParamsError : a pattern matches no file, or a folder is missing, empty or has too few rasters to choose from
    """
    found = {domain: find_rasters(folder, include=files[domain], exclude=exclude) for domain, folder in folders.items()}
    everything = [path for paths in found.values() for path in paths]
    for pattern in (*valid, *test):
        if not _used([pattern], everything):
            message = f"no file is named {pattern!r}; there are {', '.join(map(raster_name, everything))}"
            raise ParamsError(message)
    real = [] if lr is None else find_rasters(lr, include=RASTER_PATTERNS, exclude=exclude)
    boxes = _bounds(real)
    names = {raster_name(path) for path in (*everything, *real)}
    kept = {name: properties for name, properties in declared.items() if name in names}
    fetch: dict[str, Any] = {"source": "local"}
    pairs: dict[str, Any] = {}
    for domain, folder in folders.items():
        fetch[domain] = {"folder": str(folder), "include": list(files[domain]), "exclude": list(exclude)}
        held_out = HeldOut(valid=_used(valid, found[domain]), test=_used(test, found[domain]))
        if not (held_out.valid and held_out.test):
            free = [path for path in found[domain] if not _matches(path, [*held_out.valid, *held_out.test])]
            options, rule = _options(values["harmonise"], domain, kept), _rule(values["pairs"], domain)
            chosen = choose_held_out(free, options, rule, real=boxes, where=str(folder))
            held_out = HeldOut(valid=held_out.valid or chosen.valid, test=held_out.test or chosen.test)
        made = [name for name in values["pairs"][domain]["degradations"] if name != "real"]
        degradations = [*(made or ["block mean"]), *([] if lr is None else ["real"])]
        pairs[domain] = {"valid": held_out.valid, "test": held_out.test, "degradations": degradations, "count": None}
    if lr is not None:
        tid = ["*tid*"] if any("tid" in path.name.lower() for path in real) else []
        fetch["lr"] = {"folder": str(lr), "include": RASTER_PATTERNS, "exclude": list(exclude), "tid": tid}
    return {"fetch": fetch, "pairs": pairs, "harmonise": {"files": kept}}


def _bounds(paths: Sequence[Path]) -> list[Box]:
    """Return the bounds of the grids that can be read; `harmonise` names the others with the reason."""
    boxes = []
    for path in paths:
        with contextlib.suppress(DemsrError):
            boxes.append(read_header(path).grid.lonlat_bounds())
    return boxes


def _options(section: Mapping[str, Any], domain: str, declared: Mapping[str, Any]) -> HarmoniseOptions:
    grids = Path(section["geoid_grids"]) if section["geoid_grids"] else None
    common = {"declared": declared, "geoid_grids": grids, "proj_network": section["proj_network"]}
    return HarmoniseOptions(**section[domain], **common, sea_floor=domain == "marine")


def _rule(section: Mapping[str, Any], domain: str) -> HeldOutRule:
    side_px = _SCALE * int(section["patch_lr"])
    return HeldOutRule(three_arcsec=not section[domain]["scale_free"], min_side_px=side_px)


def _used(patterns: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """Return the patterns that match a file."""
    return [pattern for pattern in patterns if any(_matches(path, [pattern]) for path in paths)]


def _matches(path: Path, patterns: Sequence[str]) -> bool:
    return any(PurePath(raster_name(path)).match(pattern) for pattern in patterns)
