"""Report of a product: the result beside its input, its uncertainty, and its errors where the truth is known."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from demsr.dem.grid import describe_spacing
from demsr.dem.read.declared import Declared
from demsr.dem.read.header import read_header
from demsr.dem.vertical import NOT_STATED
from demsr.dem.windows import Window
from demsr.errors import OutsideError, VoidError
from demsr.output.stored import StoredProduct, open_product
from demsr.pages import statistics
from demsr.pages.charts import Line, line_chart
from demsr.pages.encode import encode_band
from demsr.pages.find_input import find_input, is_recorded, recorded_declarations
from demsr.pages.markup import notes, paragraph, properties, section, table
from demsr.pages.page import LARGEST_BYTES, Written, check_page, page, write_page
from demsr.pages.scenes import BACK_PROJECTED, BICUBIC, RESULT, Result, Scene, open_result
from demsr.pages.viewer import viewer
from demsr.reporting.progress import look_progress

_PART_PX = 1280  # side of the parts that are measured and shown, pixels of the product
_SMALL_PX = 640  # side of a part that is shown where the larger one makes too large a page
_MOST_PARTS = 9
_SIGMA_LEVELS = 1000
_METHODS = (BICUBIC, BACK_PROJECTED, RESULT)
_STYLES = {"input": "s-input", BICUBIC: "s-bicubic", BACK_PROJECTED: "s-input", RESULT: "s-result", "truth": "s-truth"}


def report_result(
    target: Path,
    html: Path | None = None,
    *,
    source: Path | None = None,
    against: Path | None = None,
    at: tuple[float, float] | None = None,
    declared: Declared | None = None,
    overwrite: bool = False,
    notify: Callable[[str], None] | None = None,
) -> Written:
    """Write a page about a product, in time and size that do not grow with it, the reading of its input aside.

    Parameters
    ----------
    target : product of `demsr super-resolve`
    html : page to write; None for the name of the product with .html
    source : input of the product; None to find it by the name and the SHA-256 that the product records
    against : raster with the truth, as fine as the product or finer
    at : longitude and latitude of the part to show; None for the roughest of those that are measured
    declared : properties of the input; None for those that the recorded command declared
    overwrite : replace an existing page
    notify : called with each note about assumptions

    Raises
    ------
    RasterError, GridError, DatumError, VoidError : a raster cannot be used, or the page cannot be written
    OutsideError : the truth, or the place to show, is outside the product
    """
    html = check_page(html or target.with_name(f"{target.stem}.html"), overwrite=overwrite)
    product = open_product(target)
    found = source or find_input(target, product.tags)
    remarks = []
    if source is not None and "INPUT" in product.tags and not is_recorded(source, product.tags):
        remarks.append(f"{source.name} is not the recorded input {product.tags['INPUT']}, by its SHA-256")
    if declared in (None, Declared()):
        declared = recorded_declarations(product.tags)
    if against is not None:
        remarks += _datum_remarks(product, against)
    for remark in remarks if notify else ():
        notify(remark)  # type: ignore[misc]
    with open_result(product, found, declared=declared, against=against, progress=look_progress) as result:
        parts, count = _parts(result.region, _PART_PX // result.scale)
        scenes = [scene for part in parts if not np.isnan((scene := result.scene(part)).sr).all()]
        _check_measured(scenes, target, against)
        shown = max(scenes, key=statistics.roughness) if at is None else result.scene(_around(result, at))
        overview = result.overview() if count > 1 else None
        remarks += result.source.assumptions
    title = f"{target.name}: super-resolved elevation"
    body = _body(product, scenes, count, against, remarks)
    text = _page(title, body, shown, overview, product)
    if len(text.encode()) > LARGEST_BYTES:
        text = _page(title, body, _smaller(shown), overview, product)
    return Written(html, write_page(html, text), _summary(scenes, against))


def _parts(region: Window, side: int) -> tuple[list[Window], int]:
    """Return up to nine parts of a region, spread evenly, and the number of parts that it has."""
    rows, cols = (_edges(length, side) for length in (region.rows, region.cols))
    parts = [
        Window(region.row + top, region.col + left, bottom - top, right - left)
        for top, bottom in zip(rows[:-1], rows[1:], strict=True)
        for left, right in zip(cols[:-1], cols[1:], strict=True)
    ]
    chosen = np.unique(np.linspace(0, len(parts) - 1, _MOST_PARTS).round().astype(int))
    return [parts[index] for index in chosen], len(parts)


def _edges(length: int, side: int) -> list[int]:
    """Divide a length into equal parts no longer than a side."""
    count = math.ceil(length / side)
    return [index * length // count for index in range(count + 1)]


def _around(result: Result, at: tuple[float, float]) -> Window:
    """Return the part around a place, shifted into the region."""
    grid, region, side = result.source.grid, result.region, _PART_PX // result.scale
    row, col = (round(place) for place in grid.index(*at))
    inside = region.row <= row < region.row + region.rows and region.col <= col < region.col + region.cols
    if not inside:
        west, south, east, north = grid.window(region.row, region.col, region.rows, region.cols).lonlat_bounds()
        message = f"{result.product.path}: {at[0]:g} {at[1]:g} is outside; name a place in "
        message += f"{west:g} to {east:g} east, {south:g} to {north:g} north"
        raise OutsideError(message)
    rows, cols = min(side, region.rows), min(side, region.cols)
    top = min(max(row - rows // 2, region.row), region.row + region.rows - rows)
    left = min(max(col - cols // 2, region.col), region.col + region.cols - cols)
    return Window(top, left, rows, cols)


def _check_measured(scenes: Sequence[Scene], target: Path, against: Path | None) -> None:
    if not scenes:
        message = f"{target}: has no measured pixel where it was looked at; name a product with elevations"
        raise VoidError(message)
    if against is not None and not any(np.isfinite(scene.truths.get(RESULT, np.nan)).any() for scene in scenes):
        message = f"{against}: has no measured pixel on those of {target}; name a raster of the same ground"
        raise VoidError(message)


def _smaller(scene: Scene) -> Scene:
    """Return the middle of a scene."""
    rows, cols = (min(_SMALL_PX // scene.scale, length) for length in scene.lr.shape)
    return scene.part(Window((scene.lr.shape[0] - rows) // 2, (scene.lr.shape[1] - cols) // 2, rows, cols))


def _datum_remarks(product: StoredProduct, against: Path) -> list[str]:
    """Return a sentence where the truth has another vertical datum, or none."""
    own, other = product.header.vertical_datum, read_header(against).vertical_datum
    if own == other:
        return []
    names = [name or NOT_STATED for name in (other, own)]
    return [
        f"{against.name}: vertical datum {names[0]}, that of the product is {names[1]}; errors include the difference"
    ]


def _page(title: str, body: str, shown: Scene, overview: Scene | None, product: StoredProduct) -> str:
    scenes = [_encoded("Part at full resolution" if overview else "Whole product", shown)]
    if overview is not None:
        scenes.append(_encoded("Whole product, with means of pixels", overview))
    values = [image for scene in (shown, overview) if scene is not None for image in (scene.sr, scene.lr)]
    data = {
        "scenes": scenes,
        "range": [min(float(np.nanmin(image)) for image in values), max(float(np.nanmax(image)) for image in values)],
        "datum": product.header.vertical_datum or NOT_STATED,
    }
    return page(
        title, _head(product) + viewer(has_sigma=shown.sigma is not None, has_truth=bool(shown.truths)) + body, data
    )


def _head(product: StoredProduct) -> str:
    tags, grid = product.tags, product.grid
    made = (
        f"made from {tags.get('INPUT', 'an input without a name')} with the model {tags.get('MODEL', 'not recorded')}"
    )
    pixels = f"{grid.rows:,} x {grid.cols:,} pixels of {describe_spacing(grid)}"
    return paragraph(f"{pixels}, {made}. Detail that is added is likely, not measured: not for navigation.")


def _encoded(title: str, scene: Scene) -> dict[str, Any]:
    grid = scene.grid
    bands = {"sr": encode_band(scene.sr), "lr": encode_band(scene.lr)}
    if scene.sigma is not None:
        bands["sigma"] = encode_band(scene.sigma, levels=_SIGMA_LEVELS)
    if scene.truths:
        bands["truth"] = encode_band(scene.truths[RESULT])
    return {
        "title": f"{title}: {grid.rows} x {grid.cols} pixels of {describe_spacing(grid)}",
        "scale": scene.scale,
        "offset": list(scene.offset_px),
        "corner": [grid.west, grid.north],
        "size": [grid.pixel_width, grid.pixel_height],
        "metres": list(grid.pixel_size_m()),
        "degrees": grid.is_geographic,
        "bands": bands,
    }


def _body(
    product: StoredProduct, scenes: Sequence[Scene], count: int, against: Path | None, remarks: Sequence[str]
) -> str:
    cells = f"{scenes[0].lr.shape[0]} x {scenes[0].lr.shape[1]} cells of the input"
    over = "over the whole product" if count == 1 else f"over {len(scenes)} of {count} parts of about {cells}"
    if against is not None:
        over += f", where {against.name} reaches"
    return "".join(
        [
            _errors(scenes, against, over) if against is not None else "",
            _terrain(scenes, over, has_truth=against is not None),
            _block_means(product, scenes, over),
            _provenance(product, remarks),
        ]
    )


def _errors(scenes: Sequence[Scene], against: Path, over: str) -> str:
    scenes = [scene for scene in scenes if scene.truths]
    found = {name: statistics.errors(scenes, name) for name in _METHODS}
    head = ["method", "RMSE (m)", "gain over bicubic", "bias (m)", "MAE (m)", "NMAD (m)", "LE90 (m)"]
    head += ["slope RMSE (deg)", "aspect RMSE (deg)", "shift east (px)", "shift south (px)"]
    keys = (
        "bias_m",
        "mae_m",
        "nmad_m",
        "le90_m",
        "slope_rmse_deg",
        "aspect_rmse_deg",
        "shift_east_px",
        "shift_south_px",
    )
    reference = found[BICUBIC]["rmse_m"]
    rows = [
        [
            name,
            f"{one['rmse_m']:.3g}",
            f"{_gain(one['rmse_m'], reference):+.1f} %",
            *(f"{one[key]:.3g}" for key in keys),
        ]
        for name, one in found.items()
    ]
    shares = statistics.coverage(scenes)
    covered = ", ".join(f"{share:.1f} % within {factor:g} standard errors" for factor, share in shares)
    return section(
        f"Errors against {against.name}",
        table(head, rows, caption=f"error = method - truth, {over}; pixels are those of the product (px)"),
        paragraph(
            f"The uncertainty layer covers the errors of {covered}; of normal errors it would be 68.3 and 90.0 %."
        )
        if shares
        else "",
        paragraph(
            "Flat water of the truth, such as the sea at 0 m, is left out. A truth of another origin, date or datum "
            "differs from the input as well: what bicubic interpolation misses is the measure, not zero."
        ),
    )


def _gain(rmse: float, reference: float) -> float:
    return 100 * (1 - rmse / reference) if reference else 0.0


def _terrain(scenes: Sequence[Scene], over: str, *, has_truth: bool) -> str:
    with_truth = [scene for scene in scenes if scene.truths] if has_truth else list(scenes)
    names = [BICUBIC, RESULT, *(["truth"] if has_truth else [])]
    charts = []
    if (classes := statistics.slope_shares(with_truth, names)) is not None:
        middles, shares = classes
        lines = [Line(name, middles, shares[name], _STYLES[name]) for name in names]
        charts.append(line_chart("Slopes", lines, x="slope (degrees)", y="share of the pixels (%)", log_y=True))
    reference = "truth" if has_truth else BICUBIC
    spectra = {
        name: found
        for name in ([BICUBIC, RESULT] if has_truth else [RESULT])
        if (found := statistics.spectrum(with_truth, name, reference)) is not None
    }
    ratio = [
        Line(name, one.wavelength_m, 10 * np.log10(one.power_ratio), _STYLES[name]) for name, one in spectra.items()
    ]
    title = f"Spectrum: power relative to {'the truth' if has_truth else BICUBIC}"
    charts.append(line_chart(title, ratio, x="wavelength (m)", y="power ratio (dB)", log_x=True))
    if has_truth:
        coherence = [Line(name, one.wavelength_m, one.coherence, _STYLES[name]) for name, one in spectra.items()]
        title = "Coherence with the truth"
        charts.append(line_chart(title, coherence, x="wavelength (m)", y="coherence, squared", log_x=True))
    resolved = "; ".join(f"{name} down to {one.coherent_to_m:,.0f} m" for name, one in spectra.items())
    return section(
        "Terrain",
        paragraph(f"Numbers are {over}."),
        f'<div class="charts">{"".join(charts)}</div>\n',
        paragraph(f"Coherence with the truth is above one half for {resolved}.") if has_truth and resolved else "",
        "" if spectra else paragraph("There is no spectrum: no part of 160 x 160 pixels is without a void."),
    )


def _block_means(product: StoredProduct, scenes: Sequence[Scene], over: str) -> str:
    found = statistics.consistency(scenes)
    if found is None:
        return ""
    stated = product.tags.get("CONSISTENT", "not recorded")
    return section(
        "Consistency of block means",
        paragraph(
            f"The mean of the pixels of a cell differs from the input by {found.rms_m:.3g} m (RMS), by at most "
            f"{found.p95_m:.3g} m in 95 % of the cells and {found.largest_m:.3g} m in all. "
            f"There are {found.cells:,} cells, {over}."
        ),
        paragraph(
            f"Consistency was enforced: {stated}. Without --consistency a difference is no error: the cells of GEBCO, "
            "for example, are not means."
        ),
    )


def _provenance(product: StoredProduct, remarks: Sequence[str]) -> str:
    grid = product.grid
    west, south, east, north = grid.lonlat_bounds()
    described = {
        "pixels": f"{grid.rows:,} x {grid.cols:,} of {describe_spacing(grid)}",
        "extent": f"{west:g} to {east:g} east, {south:g} to {north:g} north",
        "vertical datum": product.header.vertical_datum or NOT_STATED,
    }
    tags = {name.lower().replace("_", " "): text for name, text in product.tags.items() if text}
    hidden = ("vertical datum", "area or point")
    tags = {name: text for name, text in sorted(tags.items()) if name not in hidden}
    return section(
        "Provenance",
        properties({**described, **tags}),
        "<h3>Assumptions and remarks</h3>\n" + notes(dict.fromkeys(remarks)) if remarks else "",
    )


def _summary(scenes: Sequence[Scene], against: Path | None) -> str:
    """Return the main number in one sentence."""
    if against is not None:
        scenes = [scene for scene in scenes if scene.truths]
        bicubic, own = (statistics.errors(scenes, name)["rmse_m"] for name in (BICUBIC, RESULT))
        return f"RMSE {own:.3g} m, bicubic {bicubic:.3g} m, gain {_gain(own, bicubic):+.1f} %"
    found = statistics.consistency(scenes)
    return "" if found is None else f"block means differ from the input by {found.rms_m:.3g} m RMS"
