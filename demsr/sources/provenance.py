"""Provenance of the input: products with licence and citation, files with checksums."""

from collections.abc import Mapping, Sequence
from typing import Any

from demsr.runtime.files import sha256_of_text
from demsr.sources.data_sheet import SOURCE_TYPES, data_sheets
from demsr.sources.manifest import InputFile

_TITLES = {
    "sample": "Embedded sample: real land of Tennessee, synthetic sea floor",
    "local": "Rasters of the user",
    "pairs": "Pairs that others have made",
}
_SHEET_KEYS = ("title", "version", "vertical_datum", "licence", "commercial", "citation", "doi")


def provenance(inputs: Mapping[str, Sequence[InputFile]], *, source: str) -> dict[str, Any]:
    """Return the products of the input, one row each, and all files.

    Parameters
    ----------
    inputs : kind -> input files, as in the manifest
    source : source of the files that were not fetched: sample, local or pairs
    """
    files = [(kind, entry) for kind, entries in inputs.items() for entry in entries]
    products = sorted({entry.product for _, entry in files})
    return {
        "products": [_product_row(product, source, files) for product in products],
        "files": [_file_row(kind, entry, source) for kind, entry in files],
    }


def without_dates(products: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of products without fetch dates, as a reproducible dependency of the training stages."""
    return [{key: value for key, value in row.items() if key != "fetched_on"} for row in products]


def _file_row(kind: str, entry: InputFile, source: str) -> dict[str, Any]:
    row = {
        "kind": kind,
        "name": entry.name,
        "product": entry.product or source,
        "origin": entry.origin or entry.path,
        "bytes": entry.bytes,
        "sha256": entry.sha256,
    }
    return row | ({"fetched_on": entry.fetched_on} if entry.fetched_on else {})


def _product_row(product: str, source: str, files: Sequence[tuple[str, InputFile]]) -> dict[str, Any]:
    own = [(kind, entry) for kind, entry in files if entry.product == product]
    entries = sorted((entry for _, entry in own), key=lambda entry: entry.sha256)
    sheet = data_sheets().get(product.removesuffix(SOURCE_TYPES))
    row: dict[str, Any] = {"product": product or source}
    row |= {key: getattr(sheet, key) for key in _SHEET_KEYS} if sheet else {"title": _TITLES[source]}
    if product.endswith(SOURCE_TYPES):
        row["title"] += ", source types"
    row |= {
        "kinds": sorted({kind for kind, _ in own}),
        "files": len(entries),
        "bytes": sum(entry.bytes for entry in entries),
        "sha256": sha256_of_text("".join(entry.sha256 for entry in entries)),
    }
    if dates := [entry.fetched_on for entry in entries if entry.fetched_on]:
        row["fetched_on"] = " to ".join(sorted({min(dates), max(dates)}))
    return row
