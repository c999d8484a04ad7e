"""Apply a model to a raster file, or tell beforehand what that takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import demsr
from demsr.dem.grid import Box, Grid, describe_spacing
from demsr.dem.read.header import read_header
from demsr.dem.read.raster import window_within
from demsr.errors import ParamsError, RasterError
from demsr.inference.estimate import GLOBE, CostEstimate, default_tile_px, plan
from demsr.inference.load import BUILTIN, load_model
from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tiles import (
    LocalWorkers,
    SourceReader,
    Workers,
    check_source,
    measured_seam_m,
    super_resolve_file,
)
from demsr.options import InferencePrecision
from demsr.output.product import check_target


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """How a model is applied.

    Attributes
    ----------
    model : see `demsr.inference.load.load_model`
    device : "auto", "cpu", "cuda", ...
    precision, consistent, uncertain, halo_px : see `demsr.inference.super_resolver.SuperResolver`
    tile_px : side of the tiles in LR pixels; None takes what fits in memory
    ray : address of a Ray cluster that computes the tiles, "local" to start one here; None is this process
    workers : how many there, None takes all
    """

    model: str = BUILTIN
    device: str = "auto"
    precision: InferencePrecision = "auto"
    consistent: bool = False
    uncertain: bool = False
    halo_px: int | None = None
    tile_px: int | None = None
    ray: str | None = None
    workers: int | None = None

    def resolver(self) -> SuperResolver:
        """Load the model and make it ready."""
        net = load_model(self.model, device=self.device)
        return SuperResolver(
            net, precision=self.precision, consistent=self.consistent, uncertain=self.uncertain, halo_px=self.halo_px
        )


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was made, and how fast: LR pixels computed per second, reading and writing included."""

    grid: Grid
    vertical_datum: str
    scale: int
    lr_px_per_second: float


def apply_to_file(
    raster: SourceReader,
    target: Path,
    recipe: InferenceOptions,
    *,
    command: str,
    resume: bool = False,
    overwrite: bool = False,
) -> Done:
    """Super-resolve a raster file into a product.

    Parameters
    ----------
    raster : from `demsr.inference.tiles.opened`
    target : .tif, .nc, or a folder of tiles, see `demsr.output.product.write_product`
    command : what the product records as the way to make it again
    resume, overwrite : go on with, or throw away, what an earlier run has left

    Raises
    ------
    RasterError, GridError, VoidError : the raster or the target is of no use
    CheckpointError, ParamsError : the model or the way to apply it is of no use
    """
    started = time.monotonic()
    check_source(raster)
    _refuse_to_destroy(raster, target)
    resolver = recipe.resolver()
    surface = raster.surface
    check_target(target, surface.grid.refine(resolver.scale))
    tile_px = recipe.tile_px or default_tile_px(resolver)
    how = {
        "MODEL": recipe.model,
        "MODEL_SHA256": str(resolver.net.weights_sha256),
        "DEMSR_VERSION": demsr.__version__,
        "PRECISION": resolver.precision,
        "CONSISTENT": _where(raster, resolver),
        "UNCERTAINTY": str(resolver.uncertain),
        "TILE_PX": str(tile_px),
        "HALO_PX": str(resolver.halo_px),
        "INPUT": surface.header.path.name,
        "INPUT_SHA256": surface.sha256,
        "INPUT_PIXEL": describe_spacing(surface.grid),
        "ASSUMED": "; ".join(surface.assumptions),
        "DEVICE": resolver.device.type if recipe.ray is None else "cluster",
    }
    if raster.tid is not None:
        how |= {"TID": raster.tid.header.path.name, "TID_SHA256": raster.tid.sha256}
    if resolver.halo_px < resolver.exact_halo_px:
        how["SEAM_M"] = f"{measured_seam_m(raster, resolver, tile_px):.3g}"
    told = {"COMMAND": command, "USE": "not for navigation"}
    identity = how | {"grid": repr(surface.grid)}
    with _workers(raster, resolver, recipe) as workers:
        product, computed = super_resolve_file(
            raster,
            target,
            resolver,
            workers,
            tile_px=tile_px,
            tags=how | told,
            identity=identity,
            resume=resume,
            overwrite=overwrite,
        )
    seconds = time.monotonic() - started
    return Done(
        grid=product.grid,
        vertical_datum=product.vertical_datum,
        scale=resolver.scale,
        lr_px_per_second=computed / seconds,
    )


def plan_region(grid: Grid, recipe: InferenceOptions) -> CostEstimate:
    """Tell what super-resolving a region takes on this device, see `demsr.inference.estimate`."""
    resolver = recipe.resolver()
    return plan(grid, resolver, tile_px=recipe.tile_px or default_tile_px(resolver))


def region_grid(source: Path | None, box: Box | None, *, globe: bool) -> Grid:
    """Return the LR grid of a raster, of the part of it in a box, of a box of 15 arc-seconds, or of the globe.

    Raises
    ------
    ParamsError : nothing of these was given, or too much
    """
    if globe == (source is not None or box is not None):
        message = "what is to be planned? Give a raster, --bbox W S E N, both, or --globe alone"
        raise ParamsError(message)
    whole = GLOBE if source is None else read_header(source).grid
    if box is not None and not whole.is_geographic:
        message = f"{source}: the raster is projected, and a box is in degrees; plan all of it"
        raise ParamsError(message)
    return window_within(whole, box, where=str(source or "globe"))[1]


@contextmanager
def _workers(raster: SourceReader, resolver: SuperResolver, recipe: InferenceOptions) -> Iterator[Workers]:
    if recipe.ray is None:
        yield LocalWorkers(raster, resolver)
    else:
        from demsr.inference.cluster import RayWorkers
        from demsr.runtime.ray_cluster import connected

        with connected(recipe.ray):
            yield RayWorkers(raster, resolver, workers=recipe.workers, device=recipe.device)


def _where(raster: SourceReader, resolver: SuperResolver) -> str:
    if not resolver.consistent:
        return "no"
    return "everywhere" if raster.tid is None else "where measured"


def _refuse_to_destroy(raster: SourceReader, target: Path) -> None:
    for path in (file for surface in raster.surfaces for file in surface.files):
        if target.exists() and target.samefile(path):
            message = f"{target}: is what is read; name another OUT"
            raise RasterError(message)
