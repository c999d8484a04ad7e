"""Properties of a raster file that its user declares because the file lacks them or states them wrongly."""

from dataclasses import asdict, dataclass
from typing import get_args

from demsr.dem.units import METRES_PER_UNIT, metres_per_unit
from demsr.dem.vertical import named_datum
from demsr.errors import GridError
from demsr.options import Positive, Registration

DECLARED_PREFIX = "declared: "
"""Start of the note that lists declarations, which are no assumptions."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Declared properties of a raster file; None leaves a property to the file.

    Attributes
    ----------
    crs : any text that PROJ understands
    vertical_datum : a name of `demsr.dem.vertical.DATUMS`
    unit : unit of the heights, see `demsr.dem.units.metres_per_unit`
    positive : direction of the heights, "down" for depths
    nodata : number that is void, as stored or after scale and offset, beside those that the file declares
    registration : "area" or "point"
    layer : variable name, or band number counted from 1, of the elevation

    Raises
    ------
    DatumError : unknown vertical datum
    GridError : unknown unit, direction or registration
    """

    crs: str | None = None
    vertical_datum: str | None = None
    unit: str | None = None
    positive: Positive | None = None
    nodata: float | None = None
    registration: Registration | None = None
    layer: str | None = None

    def __post_init__(self) -> None:
        """Check all names."""
        if self.vertical_datum is not None:
            named_datum(self.vertical_datum, where="declared")
        if self.unit is not None and metres_per_unit(self.unit) is None:
            message = f"declared unit is {self.unit!r}; it must be one of {', '.join(METRES_PER_UNIT)}"
            raise GridError(message)
        options = {"positive": get_args(Positive), "registration": get_args(Registration)}
        for key, allowed in options.items():
            if (value := getattr(self, key)) is not None and value not in allowed:
                message = f"declared {key} is {value!r}; it must be one of {', '.join(allowed)}"
                raise GridError(message)

    def notes(self) -> list[str]:
        """Return a list with one note that names all declarations, or an empty list."""
        declarations = [f"{key} {value}" for key, value in asdict(self).items() if value is not None]
        return [DECLARED_PREFIX + ", ".join(declarations)] if declarations else []
