"""Super-resolve a raster file: open, check, plan tiles, compute, write, draw a preview."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import demsr
from demsr.dem.grid import Box, Grid, describe_spacing
from demsr.dem.read.declared import Declared
from demsr.dem.read.identity import LAND_OFFSET_ARCSEC, LAND_SIGMA_M
from demsr.dem.windows import Window
from demsr.errors import GridError, ParamsError, RasterError, missing_extras
from demsr.inference.expectation import expected_gain, measured_percent
from demsr.inference.land_law import land_law
from demsr.inference.load import BUILTIN, choose_operator, load_model
from demsr.inference.object_store import ObjectStore
from demsr.inference.source import RasterSource, SourceReader, open_source
from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tile_plan import BANDS, TilePlan
from demsr.inference.tile_store import TileStore, tile_store
from demsr.inference.tiles import LocalWorkers, Workers, measure_seam_m, product_grid, product_window
from demsr.options import InferencePrecision, Operator, Placement
from demsr.output.formats import check_target, write_product
from demsr.output.product import Product
from demsr.reporting.progress import look_progress, tile_progress
from demsr.runtime.files import local_path
from demsr.runtime.fingerprint import work_key


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """The written product.

    Attributes
    ----------
    target : path of the product
    grid : of the product
    vertical_datum : of the product, None where the input does not state one
    lr_px_per_second : LR pixels computed per second, reading and writing included
    expected : sentence on the gain over bicubic interpolation that the model card states for such an input
    measured_percent : share of the cells of the input that its type identifiers call measured, None without them
    """

    target: Path
    grid: Grid
    vertical_datum: str | None
    lr_px_per_second: float
    expected: str
    measured_percent: float | None


def super_resolve_file(
    source: str | Path,
    target: str | Path,
    *,
    model: str | Path = BUILTIN,
    operator: Operator | None = None,
    device: str = "auto",
    precision: InferencePrecision = "auto",
    consistent: bool = False,
    uncertain: bool = False,
    within: Box | None = None,
    tid: str | Path | None = None,
    declared: Declared | None = None,
    placement: Placement = "nominal",
    projected: bool = False,
    tile_px: int | None = None,
    halo_px: int | None = None,
    ray: str | None = None,
    workers: int | None = None,
    work: str | None = None,
    preview: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    command: str = "demsr.super_resolve_file",
    notify: Callable[[str], None] | None = None,
) -> FileResult:
    """Replace every pixel of a raster file by 5 x 5 pixels, in memory that does not depend on the size of the raster.

    The product appears under its name when it is complete. A run that was interrupted continues with `resume` and
    gives the same bytes as an uninterrupted one.

    Parameters
    ----------
    source : raster of any format that `demsr inspect` reads
    target : .tif for a COG, .nc for NetCDF-CF, a name without suffix for a folder of 1-degree COGs with STAC catalogue
    model : "builtin", "models:/NAME@ALIAS", a model folder or its .safetensors file; see `demsr.load_model`
    operator : how the cells came from the terrain, see `demsr.load_model`; None takes "gebco" for a raster whose name
        or texts say GEBCO or SRTM15+, else "blind"
    device : "auto", "cpu", "cuda", ...
    precision : of the blocks of the net; "auto" takes bf16 where the hardware supports it
    consistent : make the mean of each block of 5 x 5 pixels equal to the input pixel
    uncertain : add a band with the standard error of each pixel, metres
    within : only the cells that touch this box, degrees
    tid : GEBCO type identifier grid; implies `consistent`, but only for measured cells
    declared : properties that the file does not state, or states wrongly
    placement : "nominal" divides the cells where the file says they are; "srtm" moves the result by 1.5 arc-seconds to
        the south-west, where the land of GEBCO and SRTM15+ is
    projected : accept a raster that is not in degrees
    tile_px : side of a tile, LR pixels; None takes the largest that fits in memory
    halo_px : LR pixels computed around each tile; None takes the exact number, fewer are faster and leave seams
    ray : address of a Ray cluster that computes the tiles, "local" to start one; None computes in this process
    workers : number of Ray workers; None takes all
    work : address of an object store, such as s3://bucket/folder, by which raster and tiles travel, for nodes without
        the raster; with `ray`
    preview : .png to draw of input, bicubic interpolation and result
    resume : continue with the tiles of an interrupted run
    overwrite : replace an existing product, and discard the tiles of an interrupted run
    command : recorded in the product as the command that made it
    notify : called with each note about assumptions

    Raises
    ------
    RasterError, GridError, DatumError, VoidError : the raster cannot be used or the target cannot be written
    CheckpointError, ParamsError, TrackingError : the model cannot be used
    WorkerError : Ray workers were lost

    Examples
    --------
    >>> import demsr
    >>> result = demsr.super_resolve_file("gebco.tif", "fine.tif")
    >>> result.grid.rows, result.grid.cols
    (160, 200)
    """
    started, source, target = time.monotonic(), Path(source), local_path(target)
    if target.exists() and not overwrite:
        message = f"{target}: exists already; choose another name or add --overwrite"
        raise RasterError(message)
    check_target(target)
    if work is not None and (ray is None or "://" not in work):
        message = f"--work is {work}; give an address such as s3://bucket/folder, and a cluster by --ray"
        raise ParamsError(message)
    if preview is not None:
        with missing_extras():
            from demsr.inference.preview import check_preview
        preview = local_path(preview)
        check_preview(preview)
    tid_path = None if tid is None else Path(tid)
    described = RasterSource(path=source, declared=declared or Declared(), within=within, tid=tid_path)
    with open_source(described, look_progress) as reader:
        if notify:
            for assumption in reader.raster.assumptions:
                notify(assumption)
        _check_reader(reader, target, projected=projected)
        _check_placement(reader, placement)
        chosen, reason = choose_operator(model, operator, reader.raster.header.product)
        if notify and reason:
            notify(reason)
        net = load_model(model, device=device, operator=chosen)
        resolver = SuperResolver(
            net,
            precision=precision,
            consistent=consistent or tid is not None,
            uncertain=uncertain,
            halo_px=halo_px,
            law=land_law(net, reader.raster.grid),
        )
        plan = TilePlan.of(reader.raster.grid, resolver, tile_px)
        given = {"MODEL": str(model), "OPERATOR": chosen or "that of the model"}
        recorded = given | _provenance(reader, resolver, plan, device="cluster" if ray else None)
        more = {"PLACEMENT": placement, "COMMAND": command, "USE": "not for navigation"}
        product = _product(reader, resolver, recorded | more, placement)
        check_target(target, product.grid)
        identity = {**recorded, "grid": repr(reader.raster.grid)}
        with (
            _workers(reader, resolver, ray, workers, device, _object_store(work, identity)) as crew,
            tile_store(target, identity, resume=resume, overwrite=overwrite) as store,
        ):
            tiles, computed_px = _compute_tiles(plan, crew, store)
            reader.check_unchanged()
            grid, scale = reader.raster.grid, resolver.scale
            placed = {product_window(grid, window, scale): tiles[window] for window in plan.windows}
            write_product(target, placed, product)
        if notify and not reader.raster.grid.is_fifteen_arcsec:
            refined = f"pixels of {describe_spacing(reader.raster.grid)} become {describe_spacing(product.grid)}"
            notify(f"{refined}; the models are trained for 15 arcsec")
        if preview is not None:
            from demsr.inference.preview import save_preview

            save_preview(preview, reader, target, scale=resolver.scale)
        expected = expected_gain(model, chosen, reader.raster.grid, placement)
        measured = measured_percent(reader)
    return FileResult(
        target=target,
        grid=product.grid,
        vertical_datum=product.vertical_datum,
        lr_px_per_second=computed_px / (time.monotonic() - started),
        expected=expected,
        measured_percent=measured,
    )


def _compute_tiles(plan: TilePlan, workers: Workers, store: TileStore) -> tuple[dict[Window, Path], int]:
    """Compute the missing tiles; return the files of all tiles, and the number of computed LR pixels."""
    tiles = store.finished(plan.windows)
    computed_px = plan.lr_px - sum(window.cells for window in tiles)
    with tile_progress(total=plan.lr_px, done=plan.lr_px - computed_px) as advance:
        for window, tile in workers.compute([window for window in plan.windows if window not in tiles]):
            tiles[window] = store.add(window, tile)
            advance(window.cells)
    return tiles, computed_px


def _check_reader(reader: SourceReader, target: Path, *, projected: bool) -> None:
    grid, path = reader.raster.grid, reader.source.path
    if not (projected or grid.is_geographic):
        message = (
            f"{path}: the grid is projected, with pixels of {describe_spacing(grid)}; the models are trained on "
            "degrees: warp it to EPSG:4326, or add --projected to refine its pixels on their own grid"
        )
        raise GridError(message)
    for file in (file for raster in reader.readers for file in raster.files):
        if target.exists() and target.samefile(file):
            message = f"{target}: is the input; name another OUT"
            raise RasterError(message)


def _check_placement(reader: SourceReader, placement: Placement) -> None:
    if placement == "srtm" and not reader.raster.grid.is_fifteen_arcsec:
        message = (
            f"{reader.source.path}: pixels are {describe_spacing(reader.raster.grid)}; placement srtm is for the land "
            "of GEBCO and SRTM15+, with 15 x 15 arcsec; leave it out"
        )
        raise ParamsError(message)


def _provenance(
    reader: SourceReader,
    resolver: SuperResolver,
    plan: TilePlan,
    *,
    device: str | None,
) -> dict[str, str]:
    """Return tags with everything that the pixels depend on, model and operator aside."""
    raster = reader.raster
    consistent = "no" if not resolver.consistent else "everywhere" if reader.tid is None else "where measured"
    tags = {
        "MODEL_SHA256": str(resolver.net.model_sha256),
        "DEMSR_VERSION": demsr.__version__,
        "PRECISION": resolver.precision,
        "CONSISTENT": consistent,
        "LAND_LAW": f"Gaussian of {LAND_SIGMA_M:g} m" if resolver.law else "none",
        "UNCERTAINTY": str(resolver.uncertain),
        "TILE_PX": str(plan.tile_px),
        "HALO_PX": str(resolver.halo_px),
        "INPUT": raster.header.path.name,
        "INPUT_SHA256": raster.sha256,
        "INPUT_PIXEL": describe_spacing(raster.grid),
        "ASSUMED": "; ".join(raster.assumptions),
        "DEVICE": device or resolver.device.type,
    }
    if reader.tid is not None:
        tags |= {"TID": reader.tid.header.path.name, "TID_SHA256": reader.tid.sha256}
    if resolver.halo_px < resolver.exact_halo_px:
        tags["SEAM_M"] = f"{measure_seam_m(reader, resolver, plan.tile_px):.3g}"
    return tags


def _product(reader: SourceReader, resolver: SuperResolver, tags: dict[str, str], placement: Placement) -> Product:
    nominal = product_grid(reader.raster.grid, resolver.scale)
    offset = -LAND_OFFSET_ARCSEC / 3600
    return Product(
        grid=nominal.moved(offset, offset) if placement == "srtm" else nominal,
        nominal_grid=nominal,
        vertical_datum=reader.raster.vertical_datum,
        source=f"{reader.raster.source}, super-resolved",
        bands=BANDS[: 1 + resolver.uncertain],
        tags=tags,
    )


def _object_store(work: str | None, identity: Mapping[str, str]) -> ObjectStore | None:
    """Return the folder of an object store for the tiles with this identity."""
    return None if work is None else ObjectStore(f"{work.rstrip('/')}/{work_key(identity, code=())}")


@contextmanager
def _workers(
    reader: SourceReader,
    resolver: SuperResolver,
    ray: str | None,
    workers: int | None,
    device: str,
    store: ObjectStore | None,
) -> Iterator[Workers]:
    if ray is None:
        yield LocalWorkers(reader, resolver)
        return
    from demsr.inference.cluster import RayWorkers
    from demsr.runtime.ray_cluster import ray_connection

    with ray_connection(ray):
        yield RayWorkers(reader, resolver, workers=workers, device=device, store=store)
    if store is not None:
        store.clear()
