"""Tables of products: the list, a data sheet, licences, and the estimate of a download."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from demsr.sources.data_sheet import DataSheet
    from demsr.sources.fetch_estimate import FetchEstimate

_USES = {
    "land": "ground truth on land",
    "marine": "ground truth at sea",
    "lr": "15 arc-second input, with its source types",
}
_TECHNICAL = ("spacing", "samples", "horizontal CRS", "vertical datum", "sign", "unit", "voids", "elevations")
_LEGAL = ("version", "licence", "commercial use", "citation", "DOI")


def print_sources(sheets: Iterable["DataSheet"]) -> None:
    """Print products as a table."""
    columns = [Column(name, no_wrap=True) for name in ("product", "for", "spacing", "samples", "datum")]
    table = Table(*columns, Column("licence", overflow="fold"), box=None, padding=(0, 1, 0, 0))
    for sheet in sheets:
        table.add_row(*_cells(sheet))
    console = Console(highlight=False, markup=False)
    console.print(table)
    console.print(
        "\n* requires a login   ? not documented, taken from a similar product   ! no commercial use\n"
        "demsr sources PRODUCT prints the data sheet: CRS, sign, unit, voids, citation, DOI, address."
    )


def print_data_sheet(sheet: "DataSheet") -> None:
    """Print all fields of a data sheet."""
    table = Table(Column(style="dim", no_wrap=True), Column(overflow="fold"), box=None, show_header=False)
    for label, text in _labelled(sheet).items():
        table.add_row(label, text)
    Console(highlight=False, markup=False).print(table)


def data_sheets_as_markdown(sheets: Sequence["DataSheet"]) -> str:
    """Return a technical and a legal table of data sheets for the documentation."""
    tables = []
    for labels in (_TECHNICAL, _LEGAL):
        lines = [f"| product | {' | '.join(labels)} |", "|---" * (len(labels) + 1) + "|"]
        for sheet in sheets:
            fields = _labelled(sheet)
            lines.append(f"| `{sheet.name}` | {' | '.join(fields.get(label, '') for label in labels)} |")
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)


def print_licences(sheets: Iterable["DataSheet"]) -> None:
    """Print licences and citations on stderr, those that forbid commercial use in red."""
    console = Console(highlight=False, soft_wrap=True, stderr=True)
    for sheet in sheets:
        forbidden = "[bold red]NO COMMERCIAL USE[/], " if sheet.commercial == "forbidden" else ""
        unclear = " (commercial use: not stated)" if sheet.commercial == "not stated" else ""
        console.print(f"{sheet.name}: {forbidden}{sheet.licence}{unclear}. {sheet.citation} {sheet.doi}")


def print_fetch_estimate(
    estimates: Sequence["FetchEstimate"],
    sheets: Iterable["DataSheet"],
    *,
    splits: Mapping[str, str],
    count: int,
    patch_lr: int,
) -> None:
    """Print the estimated download of each region and of all regions together.

    Parameters
    ----------
    estimates : estimates of regions and inputs
    sheets : data sheets of their products
    splits : region -> split of its pairs
    count : number of requested pairs; 0 for all
    patch_lr : side of a patch, LR pixels
    """
    left = [Column(name, no_wrap=True) for name in ("region", "product", "for")]
    right = [Column(name, justify="right", no_wrap=True) for name in ("files", "GB", "pairs")]
    table = Table(*left, *right, box=None)
    for one in estimates:
        use = f"{one.domain} {splits[one.region]}" if one.region in splits else "input"
        pairs = f"{one.pairs:,}" if one.pairs else ""
        table.add_row(one.region, one.product, use, f"{one.files:,}", f"{one.bytes / 1e9:.2f}", pairs)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    total, cached = sum(one.bytes for one in estimates), sum(one.cached_bytes for one in estimates)
    files = sum(one.files for one in estimates)
    console.print(
        f"\nAt most {files:,} files and {total / 1e9:.1f} GB, of which {cached / 1e9:.1f} GB are in the cache: tiles "
        "entirely at sea do not exist, and sizes are means where the provider publishes none.\n"
        "Pairs: non-overlapping patches if everything is measured; pairs.<domain>.count requests a number."
    )
    if count:
        gigabytes = 4e-9 * count * (patch_lr**2 + (5 * patch_lr) ** 2)
        console.print(f"{count:,} pairs are requested: {gigabytes:.0f} GB before compression.")
    for sheet in sheets:
        if sheet.access.login:
            console.print(f"{sheet.name} requires a login: {sheet.access.instructions}.")
        if sheet.commercial != "allowed":
            console.print(f"{sheet.name}: commercial use {sheet.commercial}, {sheet.licence}.")


def _labelled(sheet: "DataSheet") -> dict[str, str]:
    """Return the fields of a data sheet by label; a question mark follows those that no document states."""
    doubt = {field: " ?" for field in sheet.unsure}
    rows = {
        "title": sheet.title,
        "version": sheet.version,
        "use": _USES[sheet.domain],
        "spacing": sheet.spacing,
        "samples": f"{sheet.registration}s" + doubt.get("registration", ""),
        "horizontal CRS": sheet.crs,
        "vertical datum": sheet.vertical_datum + doubt.get("vertical_datum", ""),
        "sign": f"positive {sheet.positive}",
        "unit": sheet.unit,
        "voids": "as the file says" if sheet.nodata is None else f"{sheet.nodata:g}",
        "elevations": "any" if sheet.range_m is None else "{:g} to {:g} m".format(*sheet.range_m),
        "licence": sheet.licence + doubt.get("licence", ""),
        "commercial use": sheet.commercial,
        "citation": sheet.citation,
        "DOI": sheet.doi or "none found",
        "page": sheet.page,
        "server": sheet.access.address or "the addresses in `urls` of a region",
        "login": sheet.access.instructions or "none",
        "note": sheet.note,
    }
    return {label: text for label, text in rows.items() if text}


def _cells(sheet: "DataSheet") -> tuple[str, ...]:
    spacing = re.sub(r" arc-seconds?", '"', sheet.spacing).replace(" degrees", "°").replace(" arc-minute", "'")
    doubt = {field: "?" for field in sheet.unsure}
    return (
        sheet.name + ("*" if sheet.access.login else ""),
        sheet.domain,
        spacing,
        sheet.registration + doubt.get("registration", ""),
        sheet.vertical_datum + doubt.get("vertical_datum", ""),
        ("! " if sheet.commercial == "forbidden" else "") + sheet.licence + doubt.get("licence", ""),
    )
