"""Commands for raster files."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

import demsr
from demsr.cli.app import app
from demsr.cli.options import (
    BoundingBox,
    Consistency,
    Crs,
    Datum,
    Device,
    Grids,
    Halo,
    Layer,
    Model,
    Network,
    Nodata,
    Overwrite,
    Positive,
    Precision,
    Registration,
    Tile,
    Uncertainty,
    Unit,
    box_of,
    declared_of,
)


@app.command("super-resolve")
def super_resolve(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Raster to super-resolve.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help=".tif (COG), .nc (NetCDF-CF), or a folder of 1-degree tiles.")
    ],
    model: Model = "builtin",
    bbox: BoundingBox = None,
    tile: Tile = None,
    halo: Halo = None,
    device: Device = "auto",
    precision: Precision = "auto",
    consistency: Consistency = False,
    tid: Annotated[Path | None, typer.Option(help="Consistent only where these type identifiers say measured.")] = None,
    uncertainty: Uncertainty = False,
    ray: Annotated[str | None, typer.Option(help="Compute on this Ray cluster, host:port; local starts one.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many workers there; all by default.", min=1)] = None,
    preview: Annotated[Path | None, typer.Option(help="Picture of before and after to draw, .png.")] = None,
    projected: Annotated[bool, typer.Option("--projected", help="Take a raster that is not in degrees.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that ended early.")] = False,
    overwrite: Overwrite = False,
    crs: Crs = None,
    vertical_datum: Datum = None,
    unit: Unit = None,
    positive: Positive = None,
    nodata: Nodata = None,
    registration: Registration = None,
    layer: Layer = None,
) -> None:
    """Make every pixel of a raster 5 x 5 pixels; any size, in bounded memory."""
    _refuse_to_replace(target, overwrite=overwrite)
    from demsr.inference.files import InferenceOptions, apply_to_file
    from demsr.inference.preview import check_preview, refuse_projected, save_preview
    from demsr.inference.tiles import Source, opened
    from demsr.reporting.inspection import print_assumptions
    from demsr.reporting.products import print_spacing
    from demsr.sources.inspection import is_lr_of_product

    if preview is not None:
        check_preview(preview)
    declared = declared_of(crs, vertical_datum, unit, positive, nodata, registration, layer)
    recipe = InferenceOptions(
        model=model,
        device=device,
        precision=precision,
        consistent=consistency or tid is not None,
        uncertain=uncertainty,
        halo_px=halo,
        tile_px=tile,
        ray=ray,
        workers=workers,
    )
    with opened(Source(path=source, declared=declared, within=box_of(bbox), tid=tid)) as raster:
        print_assumptions(source, raster.surface.assumptions)
        if not projected:
            refuse_projected(raster.surface.grid, source)
        done = apply_to_file(raster, target, recipe, command=_command(), resume=resume, overwrite=overwrite)
        if not is_lr_of_product(raster.surface.grid):
            print_spacing(raster.surface.grid, source, scale=done.scale)
        if preview is not None:
            save_preview(preview, raster, target, scale=done.scale)
    typer.echo(
        f"{target}: {done.grid.rows} x {done.grid.cols} pixels, datum {done.vertical_datum}, by {model}, "
        f"{done.lr_px_per_second:,.0f} input pixels a second"
    )


@app.command()
def plan(
    source: Annotated[
        Path | None, typer.Argument(metavar="[IN]", help="Raster to super-resolve; none is needed.")
    ] = None,
    bbox: BoundingBox = None,
    globe: Annotated[bool, typer.Option("--globe", help="All 86,400 x 43,200 cells of GEBCO.")] = False,
    model: Model = "builtin",
    tile: Tile = None,
    halo: Halo = None,
    device: Device = "auto",
    precision: Precision = "auto",
    consistency: Consistency = False,
    uncertainty: Uncertainty = False,
    profile: Annotated[
        str | None, typer.Option(help="Tell what the regions of this profile take to fetch, such as paper.")
    ] = None,
) -> None:
    """Tell what super-resolving a region takes, or, with --profile, what fetching its data does.

    The first in tiles, operations, disk, memory, and time on this device, the second in files and gigabytes by region.
    """
    if profile is not None:
        if source or bbox or globe:
            from demsr.errors import ParamsError

            message = "--profile tells what is fetched; give it alone, or a raster, --bbox or --globe without it"
            raise ParamsError(message)
        _print_fetch_estimate(profile)
        return
    from demsr.inference.files import InferenceOptions, plan_region, region_grid
    from demsr.reporting.products import print_cost_estimate

    grid = region_grid(source, box_of(bbox), globe=globe)
    recipe = InferenceOptions(
        model=model,
        device=device,
        precision=precision,
        consistent=consistency,
        uncertain=uncertainty,
        halo_px=halo,
        tile_px=tile,
    )
    print_cost_estimate(plan_region(grid, recipe), grid)


@app.command()
def inspect(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Rasters of any format.")],
    crs: Crs = None,
    vertical_datum: Datum = None,
    unit: Unit = None,
    positive: Positive = None,
    nodata: Nodata = None,
    registration: Registration = None,
    layer: Layer = None,
) -> None:
    """Print what is understood of a raster, what had to be assumed, and what it is good for."""
    from demsr.errors import DemsrError, RasterError
    from demsr.reporting.inspection import print_inspection
    from demsr.sources.inspection import inspect_raster

    declared = declared_of(crs, vertical_datum, unit, positive, nodata, registration, layer)
    wrong = []
    for source in sources:
        try:
            print_inspection(inspect_raster(source, declared))
        except DemsrError as error:
            wrong.append(str(error))
    if wrong:
        raise RasterError("; ".join(wrong))


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Raster of any format.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Cloud-optimised GeoTIFF to write.")],
    to: Annotated[str, typer.Option(help="Vertical datum of OUT, such as EGM2008.")],
    crs: Crs = None,
    vertical_datum: Datum = None,
    unit: Unit = None,
    positive: Positive = None,
    nodata: Nodata = None,
    registration: Registration = None,
    layer: Layer = None,
    geoid_grids: Grids = None,
    proj_network: Network = False,
    overwrite: Overwrite = False,
) -> None:
    """Bring heights to another vertical datum, by real geoid grids only."""
    from demsr.dem.dem import write_dem
    from demsr.dem.geoid import convert_datum
    from demsr.dem.read.raster import read_raster
    from demsr.errors import RasterError
    from demsr.reporting.inspection import print_assumptions

    if target.is_dir():
        message = f"{target}: is a folder; name a file in it"
        raise RasterError(message)
    if target.suffix.lower() not in (".tif", ".tiff"):
        message = f"{target}: is written as a GeoTIFF; give a name that ends in .tif"
        raise RasterError(message)
    _refuse_to_replace(target, overwrite=overwrite)
    declared = declared_of(crs, vertical_datum, unit, positive, nodata, registration, layer)
    reading = read_raster(source, declared=declared)
    print_assumptions(source, reading.assumptions)
    result = convert_datum(reading.dem, to, grids=geoid_grids, network=proj_network)
    tags = {"DEMSR_VERSION": demsr.__version__, "ASSUMED": "; ".join(reading.assumptions)}
    write_dem(target, result, tags=tags)
    typer.echo(f"{target}: heights above {to}, from {reading.dem.vertical_datum}")


def _print_fetch_estimate(profile: str) -> None:
    from demsr.download.cache import Cache
    from demsr.options import DOMAINS
    from demsr.pairs.split import split_of_file
    from demsr.profiles import profile_params
    from demsr.reporting.sources import print_fetch_estimate
    from demsr.sources.fetch_estimate import estimate_fetch
    from demsr.sources.fetch_request import FetchRequest
    from demsr.sources.protocols.base import raster_name

    params = profile_params(profile, Path("params.yaml"))
    request = FetchRequest.from_options(params.fetch.remote.model_dump())
    splits = {}
    for region in request.regions:
        section, name = getattr(params.pairs, region.domain), raster_name(region.name, "any")
        by_file = section.split == "files"
        splits[region.name] = split_of_file(name, valid=section.valid, test=section.test) if by_file else "quadrants"
    estimates = estimate_fetch(request, Cache(), patch_lr=params.pairs.patch_lr)
    count = sum(getattr(params.pairs, domain).count or 0 for domain in DOMAINS)
    sheets = request.data_sheets()
    print_fetch_estimate(estimates, sheets, splits=splits, count=count, patch_lr=params.pairs.patch_lr)


def _command() -> str:
    """Return the command that makes the same file again, however often it was broken off."""
    return shlex.join(["demsr", *(word for word in sys.argv[1:] if word not in ("--resume", "--overwrite"))])


def _refuse_to_replace(target: Path, *, overwrite: bool) -> None:
    from demsr.errors import RasterError

    if target.exists() and not overwrite:
        message = f"{target}: exists already; choose another name or add --overwrite"
        raise RasterError(message)
