"""Degradation `real`: LR is a published grid such as GEBCO, and HR of another survey is averaged onto its cells."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from demsr.dem.dem import Dem
from demsr.dem.grid import Box, Grid
from demsr.dem.read.declared import Declared
from demsr.dem.read.gdal import raster_name
from demsr.dem.read.header import read_header
from demsr.dem.read.raster import read_dem, read_elevation
from demsr.pairs.align import align_hr
from demsr.pairs.area import Area
from demsr.pairs.degradations.base import Degradation, RegionLr
from demsr.pairs.split import Region, is_within_gap
from demsr.runtime.files import sha256_of_file


@dataclass(frozen=True)
class RealLr(Degradation):
    """File of a real LR grid.

    Attributes
    ----------
    path : raster with LR elevation
    tid : raster with GEBCO's type identifiers of the same cells, None where there is none
    vertical_datum : datum of the file if it names none
    declared : user's corrections of the file's metadata
    grid : grid of the file
    sha256 : digests of both files, joined
    assumptions : assumptions made while reading the metadata
    """

    path: Path
    tid: Path | None
    vertical_datum: str
    declared: Declared
    grid: Grid
    sha256: str = ""
    assumptions: tuple[str, ...] = ()

    name = "real"
    has_own_grid = True

    def __str__(self) -> str:
        """Return the name of the file."""
        return self.path.name

    @cached_property
    def _bounds(self) -> Box:
        return self.grid.lonlat_bounds()

    def applies_to(self, region: Region, *, scale_free: bool) -> bool:  # noqa: ARG002
        """Whether the LR grid overlaps the region; the spacing of HR does not matter here."""
        return is_within_gap(region.grid, [self._bounds], gap_lr=0, scale=1)

    def patch_grid(self, region: Region, *, scale: int) -> Grid:
        """Return the region in whole LR cells with a margin of one: outermost cells may reach beyond the region."""
        if not self.grid.is_geographic:
            return region.grid
        west, south, east, north = region.grid.lonlat_bounds()
        width, height = self.grid.pixel_width, self.grid.pixel_height
        rows, cols = math.ceil((north - south) / height) + 2, math.ceil((east - west) / width) + 2
        return replace(self.grid, rows=rows, cols=cols, west=west - width, north=north + height).refine(scale)

    def region_lr(self, region: Region, hr: Dem, *, scale: int, seed: int) -> RegionLr:  # noqa: ARG002
        """Return the LR grid around a region, and HR averaged onto its cells after co-registration.

        Raises
        ------
        GridError : the grids do not match, share too few cells, or lie too far apart for co-registration
        """
        bounds = hr.grid.lonlat_bounds()
        lr = read_dem(self.path, declared=self.declared, vertical_datum=self.vertical_datum, within=bounds)
        aligned, found = align_hr(lr, hr, scale=scale)
        tid = None if self.tid is None else read_elevation(read_header(self.tid, is_elevation=False), within=bounds)[0]
        name = f"{region.name}, LR {raster_name(self.path)}"
        east_m, north_m = found.shift_m
        shift = {"coregistration": found.verdict, "east_m": east_m, "north_m": north_m, "bias_m": found.bias_m}
        spread = {"std_before_m": found.std_before_m, "std_after_m": found.std_after_m}
        area = Area.from_dem(name, aligned, degradation=self.name, lr_source=lr.source, **shift, **spread)
        return RegionLr(hr=aligned, area=area, elevation_m=lr.elevation_m, tid=tid)


def describe_real_lr(
    paths: Sequence[Path], tids: Sequence[Path], *, vertical_datum: str, declared: Mapping[str, Declared]
) -> list[RealLr]:
    """Describe files of real LR grids, each with the type identifiers of the same cells if there are any.

    Parameters
    ----------
    paths : rasters with LR elevation
    tids : rasters with type identifiers
    vertical_datum : datum of files that name none
    declared : user's corrections of metadata, by raster name
    """
    tid_of_cells = {_cells(read_header(path, is_elevation=False).grid): path for path in tids}
    found = []
    for path in paths:
        own = declared.get(raster_name(path), Declared())
        header = read_header(path, own)
        tid = tid_of_cells.get(_cells(header.grid))
        sha256 = "".join(sha256_of_file(file) for file in (path, tid) if file)
        found.append(RealLr(path, tid, vertical_datum, own, header.grid, sha256, header.assumptions))
    return found


def _cells(grid: Grid) -> tuple[int, ...]:
    """Return size and position of a grid, to a hundredth of a cell."""
    west, north = (round(100 * place) for place in (grid.west / grid.pixel_width, grid.north / grid.pixel_height))
    return grid.rows, grid.cols, west, north
