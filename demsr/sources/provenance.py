"""What the input is: products with licence and citation, files with checksums. For the provenance file and the card."""

from collections.abc import Mapping, Sequence
from typing import Any

from demsr.runtime.files import sha256_of_text
from demsr.sources.local import InputFile
from demsr.sources.remote.catalogue import PRODUCTS, TID

_OWN = {
    "sample": "Embedded sample: real land of Tennessee, synthetic sea floor",
    "local": "Rasters of the user",
    "pairs": "Pairs that others have made",
}
_SHEET = ("title", "version", "vertical_datum", "licence", "commercial", "citation", "doi")


def provenance(inputs: Mapping[str, Sequence[InputFile]], *, source: str) -> dict[str, Any]:
    """Return the products of the input, one row each, and all its files.

    Parameters
    ----------
    inputs : by domain, as in the manifest
    source : where files come from that were not fetched: sample, local or pairs
    """
    files = [(kind, entry) for kind, entries in inputs.items() for entry in entries]
    products = sorted({entry.product for _, entry in files})
    return {
        "products": [
            _row(product, source, [(kind, entry) for kind, entry in files if entry.product == product])
            for product in products
        ],
        "files": [
            {
                "kind": kind,
                "name": entry.name,
                "product": entry.product or source,
                "origin": entry.origin or entry.path,
                "bytes": entry.bytes,
                "sha256": entry.sha256,
                **({"fetched_on": entry.fetched_on} if entry.fetched_on else {}),
            }
            for kind, entry in files
        ],
    }


def without_dates(products: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of products without what changes when the same files are fetched again: trainings keep these."""
    return [{key: value for key, value in row.items() if key != "fetched_on"} for row in products]


def _row(product: str, source: str, files: Sequence[tuple[str, InputFile]]) -> dict[str, Any]:
    entries = sorted((entry for _, entry in files), key=lambda entry: entry.sha256)
    counted: dict[str, Any] = {
        "kinds": sorted({kind for kind, _ in files}),
        "files": len(entries),
        "bytes": sum(entry.bytes for entry in entries),
        "sha256": sha256_of_text("".join(entry.sha256 for entry in entries)),
    }
    if dates := [entry.fetched_on for entry in entries if entry.fetched_on]:
        counted["fetched_on"] = " to ".join(sorted({min(dates), max(dates)}))
    sheet = PRODUCTS.get(product.removesuffix(TID))
    said = {key: getattr(sheet, key) for key in _SHEET} if sheet else {"title": _OWN[source]}
    if product.endswith(TID):
        said["title"] += ", source types"
    return {"product": product or source, **said, **counted}
