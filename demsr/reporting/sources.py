"""What the command line says about products: the list, a data sheet, licences, and what fetching takes."""

import re
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from demsr.options import DOMAINS
from demsr.pairs.split import split_of_file
from demsr.params import Params
from demsr.sources.remote.catalogue import PRODUCTS, Product
from demsr.sources.remote.needs import Need
from demsr.sources.remote.pieces import raster_of


def print_sources() -> None:
    """Print all products as a table."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("product", "for", "spacing", "samples", "datum"):
        table.add_column(column, no_wrap=True)
    table.add_column("licence", overflow="fold")
    for product in PRODUCTS.values():
        table.add_row(*_cells(product))
    console = Console(highlight=False, markup=False)
    console.print(table)
    console.print(
        "\n* wants a login   ? no document was found for it, taken from its kin   ! no commercial use\n"
        "demsr sources PRODUCT prints the data sheet: CRS, sign, unit, voids, citation, DOI, address."
    )


def print_sheet(product: Product) -> None:
    """Print all that is known of a product."""
    table = Table(box=None, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in _sheet(product).items():
        table.add_row(label, text)
    Console(highlight=False, markup=False).print(table)


def sheets_as_markdown() -> str:
    """Return a table of what is technical and one of what is legal, for the documentation."""
    technical = ("spacing", "samples", "horizontal CRS", "vertical datum", "sign", "unit", "voids", "heights")
    legal = ("version", "licence", "commercial use", "citation", "DOI")
    sheets = {name: _sheet(product) for name, product in PRODUCTS.items()}
    tables = []
    for labels in (technical, legal):
        lines = [f"| product | {' | '.join(labels)} |", "|---" * (len(labels) + 1) + "|"]
        for name, sheet in sheets.items():
            lines.append(f"| `{name}` | {' | '.join(sheet.get(label, '') for label in labels)} |")
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)


def print_licences(products: Iterable[Product]) -> None:
    """Say under which licences the products come, those that forbid commercial use above all."""
    console = Console(highlight=False, soft_wrap=True, stderr=True)
    for product in products:
        forbidden = "[bold red]NO COMMERCIAL USE[/], " if product.commercial == "forbidden" else ""
        unclear = " (commercial use: not stated)" if product.commercial == "not stated" else ""
        console.print(f"{product.name}: {forbidden}{product.licence}{unclear}. {product.citation} {product.doi}")


def print_needs(needs: Sequence[Need], params: Params, products: Iterable[Product]) -> None:
    """Print what each region takes, and what is known of the whole."""
    table = Table(box=None)
    for column in ("region", "product", "for"):
        table.add_column(column, no_wrap=True)
    for column in ("files", "GB", "pairs"):
        table.add_column(column, justify="right", no_wrap=True)
    for need in needs:
        use = f"{need.domain} {_split(need, params)}" if need.domain in ("land", "marine") else "input"
        pairs = f"{need.pairs:,}" if need.pairs else ""
        table.add_row(need.region, need.product, use, f"{need.files:,}", f"{need.bytes / 1e9:.2f}", pairs)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    total, here = sum(need.bytes for need in needs), sum(need.here_bytes for need in needs)
    files = sum(need.files for need in needs)
    console.print(
        f"\nAt most {files:,} files and {total / 1e9:.1f} GB, of which {here / 1e9:.1f} GB are in the cache: tiles "
        "wholly at sea do not exist, and sizes are means where the provider names none.\n"
        "Pairs: patches beside each other if all was measured; pairs.<domain>.count asks for a number."
    )
    sides_px = params.pairs.patch_lr, 5 * params.pairs.patch_lr
    asked = sum(getattr(params.pairs, domain).count or 0 for domain in DOMAINS)
    if asked:
        gigabytes = 4e-9 * asked * sum(side**2 for side in sides_px)
        console.print(f"{asked:,} pairs are asked for: {gigabytes:.0f} GB before compression.")
    for product in products:
        if product.login:
            console.print(f"{product.name} wants a login: {product.login}.")
        if product.commercial != "allowed":
            console.print(f"{product.name}: commercial use {product.commercial}, {product.licence}.")


_USES = {
    "land": "truth on land",
    "marine": "truth at sea",
    "lr": "input of 15 arc-seconds, with its source types",
}


def _sheet(product: Product) -> dict[str, str]:
    """Return what is known of a product, in words; what no document says has a question mark."""
    doubt = {field: " ?" for field in product.unsure}
    rows = {
        "title": product.title,
        "version": product.version,
        "what for": _USES[product.domain],
        "spacing": product.spacing,
        "samples": f"stand for {product.registration}s" + doubt.get("registration", ""),
        "horizontal CRS": product.horizontal,
        "vertical datum": product.vertical_datum + doubt.get("vertical_datum", ""),
        "sign": f"positive {product.positive}",
        "unit": product.unit,
        "voids": "as the file says" if product.nodata is None else f"{product.nodata:g}",
        "heights": "any" if product.range_m is None else "{:g} to {:g} m".format(*product.range_m),
        "licence": product.licence + doubt.get("licence", ""),
        "commercial use": product.commercial,
        "citation": product.citation,
        "DOI": product.doi or "none found",
        "page": product.page,
        "asked for at": product.host or next((file.url for file in product.files), "addresses that you give in `urls`"),
        "login": product.login or "none",
        "note": product.note,
    }
    return {label: text for label, text in rows.items() if text}


def _cells(product: Product) -> tuple[str, ...]:
    def marked(field: str) -> str:
        return str(getattr(product, field)) + ("?" if field in product.unsure else "")

    spacing = re.sub(r" arc-seconds?", '"', product.spacing).replace(" degrees", "°").replace(" arc-minute", "'")
    forbidden = "! " if product.commercial == "forbidden" else ""
    return (
        product.name + ("*" if product.login else ""),
        product.domain,
        spacing,
        marked("registration"),
        marked("vertical_datum"),
        forbidden + marked("licence"),
    )


def _split(need: Need, params: Params) -> str:
    section = getattr(params.pairs, need.domain)
    if section.split != "files":
        return "quadrants"
    return split_of_file(raster_of(need.region, "any"), valid=section.valid, test=section.test)
