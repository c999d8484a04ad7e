"""Data sheets of the products that can be fetched, read from the TOML files in `data_sheets/`.

None of the addresses was tried against the live services; `docs/sources.md` says so, source by source.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from demsr.errors import FetchError, ParamsError
from demsr.options import Positive, Registration
from demsr.sources.protocols import protocol_class, protocol_names
from demsr.sources.protocols.base import STRICT, Protocol

SOURCE_TYPES = "-tid"  # suffix of the names of source type grids
AS_SERVED = "as served"  # version of products that change without one
_COMMON = "common"  # table of a file whose keys all its products share

Number = int | float  # not turned into one another, so that manifests keep their bytes
Table = TypeVar("Table")


@dataclass(frozen=True, kw_only=True)
class DataSheet:
    """What a product is according to its provider's documents, and how it is accessed.

    Attributes
    ----------
    name : name in params.yaml
    title, version : as published
    domain : what it is ground truth for, land or marine; "lr" for 15 arc-second inputs
    spacing : in the provider's words
    registration : whether a sample stands for an area or a point
    crs : EPSG code, "projected", or "as the file says"
    vertical_datum : a name in `demsr.dem.vertical.DATUMS`
    positive, unit : direction and unit of the stored numbers
    nodata : value of voids; None where the files declare it or have none
    range_m : lowest and highest possible elevation; other values point to a wrong unit or sign
    unsure : fields for which no document was found, taken from a similar product
    licence, citation, doi : as published
    commercial : whether the licence allows commercial use; for information, not legal advice
    page : web page of the product
    note : remarks
    access : protocol with its parameters
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: str
    title: str
    version: str
    domain: Literal["land", "marine", "lr"]
    spacing: str
    registration: Registration
    crs: str = "EPSG:4326"
    vertical_datum: str
    positive: Positive = "up"
    unit: str = "m"
    nodata: Number | None = None
    range_m: tuple[Number, Number] | None = None
    unsure: tuple[str, ...] = ()
    licence: str
    commercial: Literal["allowed", "forbidden", "not stated"]
    citation: str
    doi: str = ""
    page: str
    note: str = ""
    access: Protocol

    def source_types(self) -> Self:
        """Return the data sheet of the grid of source types that belongs to an input.

        Raises
        ------
        FetchError : it has none
        """
        if (access := self.access.source_types()) is None:
            message = f"{self.name}: has no grid of source types; set fetch.remote.tid to false"
            raise FetchError(message)
        return replace(self, name=self.name + SOURCE_TYPES, range_m=None, access=access)


@cache
def data_sheets() -> dict[str, DataSheet]:
    """Return all data sheets by name: land, marine, then inputs."""
    sheets = []
    for file in sorted(files("demsr.sources").joinpath("data_sheets").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            sheets += parse_data_sheets(file.read_text(encoding="utf-8"), where=file.name)
    order = ("land", "marine", "lr")
    return {sheet.name: sheet for sheet in sorted(sheets, key=lambda sheet: order.index(sheet.domain))}


def data_sheet(name: str, *, where: str = "product") -> DataSheet:
    """Return a data sheet by the name of its product.

    Parameters
    ----------
    name : name of the product
    where : where the name comes from, for the message

    Raises
    ------
    ParamsError : there is no such product
    """
    if (sheet := data_sheets().get(name)) is None:
        message = f"{where} is {name!r}; `demsr sources` lists the products: {', '.join(data_sheets())}"
        raise ParamsError(message)
    return sheet


def parse_data_sheets(text: str, *, where: str) -> list[DataSheet]:
    """Return the data sheets of a TOML file: one table per product, over the keys of the table `common`.

    Parameters
    ----------
    text : content of the file
    where : name of the file, for messages

    Raises
    ------
    ParamsError : no TOML, a key is unknown or missing, or a value is not allowed
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{where}: cannot be read as TOML ({error}); correct it"
        raise ParamsError(message) from error
    common = tables.pop(_COMMON, {})
    return [_data_sheet(name, {**common, **table}, common, where=f"{where}: {name}") for name, table in tables.items()]


def _data_sheet(name: str, table: Mapping[str, Any], common: Mapping[str, Any], *, where: str) -> DataSheet:
    access = {**common.get("access", {}), **table.get("access", {})}
    protocol = access.pop("protocol", None)
    if protocol not in protocol_names():
        message = f"{where}: access.protocol is {protocol!r}; it must be one of {', '.join(protocol_names())}"
        raise ParamsError(message)
    checked = _checked(protocol_class(protocol), access, where=f"{where}.access")
    return _checked(DataSheet, {**table, "name": name, "access": checked}, where=where)


def _checked(kind: type[Table], values: Mapping[str, Any], *, where: str) -> Table:
    """Return a dataclass made of checked values; unknown keys are refused."""
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        from demsr.runtime.validation import explain  # needs ruamel.yaml, which listing the sources does not

        raise ParamsError(explain(error, where)) from error
