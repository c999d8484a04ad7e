"""Base class and types of all sections of params.yaml."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from demsr.errors import ParamsError
from demsr.runtime.validation import explain

PositiveInt = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A section: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def checked(cls, content: Any, *, where: str) -> Self:
        """Validate values.

        Parameters
        ----------
        content : nested values, as read from YAML
        where : origin of the values, for messages

        Raises
        ------
        ParamsError : a key is missing or unknown, or a value is not allowed
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ParamsError(explain(error, where)) from error
