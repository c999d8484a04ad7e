"""Commands for raster files."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import demsr
from demsr.cli.app import app
from demsr.cli.options import (
    BoundingBox,
    GeoidGrids,
    Overwrite,
    ProjNetwork,
    checked_box,
    takes_declared,
    takes_model_options,
)
from demsr.options import Placement

if TYPE_CHECKING:
    from demsr.dem.read.declared import Declared


@app.command("super-resolve")
@takes_declared
@takes_model_options
def super_resolve(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Raster to super-resolve.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help=".tif (COG), .nc (NetCDF-CF), or a folder of 1-degree tiles.")
    ],
    *,
    declared: "Declared",
    options: dict[str, Any],
    bbox: BoundingBox = None,
    tid: Annotated[
        Path | None,
        typer.Option(help="GEBCO type identifier grid: says what is land, and limits --consistency to measured cells."),
    ] = None,
    ray: Annotated[
        str | None, typer.Option(help="Compute on the Ray cluster at host:port; local starts one on this machine.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Number of Ray workers; all by default.", min=1)] = None,
    work: Annotated[
        str | None, typer.Option(help="With --ray: s3://bucket/folder by which nodes exchange raster and tiles.")
    ] = None,
    preview: Annotated[Path | None, typer.Option(help="Draw a picture of input and result, .png.")] = None,
    placement: Annotated[
        Placement, typer.Option(help="Position of OUT: that of the cells, or of the SRTM in the land of GEBCO.")
    ] = "nominal",
    projected: Annotated[bool, typer.Option("--projected", help="Accept a raster that is not in degrees.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Super-resolve a raster of any size.

    Every pixel becomes 5 x 5 pixels. Memory does not depend on the size of the raster.
    """
    from demsr.inference.files import super_resolve_file

    result = super_resolve_file(
        source,
        target,
        within=checked_box(bbox),
        tid=tid,
        declared=declared,
        placement=placement,
        projected=projected,
        ray=ray,
        workers=workers,
        work=work,
        preview=preview,
        resume=resume,
        overwrite=overwrite,
        command=_command(),
        notify=_printer(source),
        **options,
    )
    typer.echo(
        f"{target}: {result.grid.rows} x {result.grid.cols} pixels, datum {result.vertical_datum or 'not stated'}, "
        f"model {options['model']}, {result.lr_px_per_second:,.0f} input pixels per second"
    )
    typer.echo(f"What to expect: {result.expected}")
    if result.measured_percent is not None:
        typer.echo(f"Measured: {result.measured_percent:.1f} % of the input cells, by its type identifiers")
    typer.echo(f"Look at it: {shlex.join(['demsr', 'report', str(target)])}")


@app.command()
@takes_model_options
def plan(
    source: Annotated[Path | None, typer.Argument(metavar="[IN]", help="Raster to super-resolve.")] = None,
    *,
    options: dict[str, Any],
    bbox: BoundingBox = None,
    globe: Annotated[bool, typer.Option("--globe", help="All 86,400 x 43,200 cells of GEBCO.")] = False,
    profile: Annotated[
        str | None, typer.Option(help="Estimate the downloads of a profile, such as paper, instead.")
    ] = None,
) -> None:
    """Estimate the cost of a region or a profile.

    Prints tiles, operations, disk, memory and time on this device; with --profile, the files and gigabytes to download.
    """
    if profile is not None:
        if source or bbox or globe:
            from demsr.errors import ParamsError

            message = "--profile estimates downloads; give it alone, or a raster, --bbox or --globe without it"
            raise ParamsError(message)
        _print_fetch_estimate(profile)
        return
    from demsr.dem.read.header import read_header
    from demsr.dem.read.identity import GEBCO
    from demsr.inference.estimate import estimate_cost, region_grid
    from demsr.inference.land_law import land_law
    from demsr.inference.load import choose_operator, load_model
    from demsr.inference.super_resolver import SuperResolver
    from demsr.reporting.products import print_cost_estimate

    grid = region_grid(source, checked_box(bbox), globe=globe)
    product = GEBCO if source is None else read_header(source).product
    model, device, tile_px = (options.pop(name) for name in ("model", "device", "tile_px"))
    operator, _ = choose_operator(model, options.pop("operator"), product)
    net = load_model(model, device=device, operator=operator)
    resolver = SuperResolver(net, **options, law=land_law(net, grid))
    print_cost_estimate(estimate_cost(grid, resolver, tile_px=tile_px), grid)


@app.command()
@takes_declared
def inspect(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Rasters of any format.")],
    *,
    declared: "Declared",
) -> None:
    """Describe rasters and their possible uses.

    Prints properties, assumptions made to read each file, and possible uses; of a 15 arc-second grid and a finer raster
    of the same ground also how the one was sampled from the other.
    """
    from demsr.errors import DemsrError, RasterError
    from demsr.pairs.fit_gaussian import fit_gaussians
    from demsr.reporting.inspection import print_inspection, print_sampling
    from demsr.sources.inspection import inspect_raster

    failures, readable = [], []
    for source in sources:
        try:
            print_inspection(inspect_raster(source, declared))
            readable.append(source)
        except DemsrError as error:
            failures.append(str(error))
    for where, found in fit_gaussians(readable, declared):
        print_sampling(where, found)
    if failures:
        raise RasterError("; ".join(failures))


@app.command()
@takes_declared
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Raster of any format.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Cloud-optimised GeoTIFF to write.")],
    *,
    declared: "Declared",
    to: Annotated[str, typer.Option(help="Vertical datum of OUT, such as EGM2008.")],
    geoid_grids: GeoidGrids = None,
    proj_network: ProjNetwork = False,
    overwrite: Overwrite = False,
) -> None:
    """Convert elevation to another vertical datum.

    Uses geoid grids of PROJ; without the grid the conversion is refused.
    """
    from demsr.dem.geoid import convert_datum
    from demsr.dem.geotiff import write_dem
    from demsr.dem.read.raster import read_raster
    from demsr.errors import RasterError
    from demsr.runtime.files import local_path

    target = local_path(target)
    if target.is_dir():
        message = f"{target}: is a folder; name a file in it"
        raise RasterError(message)
    if target.suffix.lower() not in (".tif", ".tiff"):
        message = f"{target}: OUT is written as a GeoTIFF; name a file that ends in .tif"
        raise RasterError(message)
    if target.exists() and not overwrite:
        message = f"{target}: exists already; choose another name or add --overwrite"
        raise RasterError(message)
    reading, notify = read_raster(source, declared=declared, require_datum=True), _printer(source)
    for assumption in reading.assumptions:
        notify(assumption)
    result = convert_datum(reading.dem, to, grids=geoid_grids, network=proj_network)
    tags = {"DEMSR_VERSION": demsr.__version__, "ASSUMED": "; ".join(reading.assumptions)}
    write_dem(target, result, tags=tags)
    typer.echo(f"{target}: elevation above {to}, converted from {reading.dem.vertical_datum}")


def _command() -> str:
    """Return the command that makes the same file again."""
    return shlex.join(["demsr", *(word for word in sys.argv[1:] if word not in ("--resume", "--overwrite"))])


def _printer(source: Path) -> Callable[[str], None]:
    """Return a function that prints a note about a file on stderr."""
    from demsr.errors import printable

    return lambda note: typer.echo(printable(f"{source.name}: {note}"), err=True)


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
