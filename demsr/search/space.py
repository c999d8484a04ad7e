"""Declaration of a sweep: its question, search space and budget, as in one section of a YAML file."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    StrictInt,
    ValidationError,
    model_validator,
)

from demsr.errors import ParamsError
from demsr.reporting.sweep_report import Scale
from demsr.reporting.sweeps import text_of
from demsr.runtime.validation import explain, read_yaml

Candidate = dict[str, Any]
"""Searched parameters of a trial: path in params.yaml, such as model.num_blocks -> value."""
Stage = Literal["pretrain", "finetune"]

_QUESTION = ("stage", "subject", "by", "storage")  # keys of the file that all its sections share
_EDGE = 0.04  # a value within this share of a range lies at its edge
_MOST_INTEGERS = 10_000
_Number = float


class _Section(BaseModel):
    """Part of the declaration. `_mistakes` yields what is wrong with its values; the first is reported."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for mistake in self._mistakes():
            raise ValueError(mistake)
        return self

    def _mistakes(self) -> Iterator[str]:
        return iter(())


class Distribution(_Section):
    """Values of a searched parameter: one of int, float, log and choice.

    Attributes
    ----------
    int : lowest and highest integer
    step : difference between neighbouring integers
    float : lowest and highest number
    log : lowest and highest number, sampled on a logarithmic scale
    choice : single values, in the order of pictures
    """

    int: tuple[StrictInt, StrictInt] | None = None
    step: PositiveInt = 1
    float: tuple[_Number, _Number] | None = None
    log: tuple[PositiveFloat, PositiveFloat] | None = None
    choice: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None

    @property
    def values(self) -> Sequence[Any]:
        """All values; of a continuous range, its ends."""
        if self.int is not None:
            return range(self.int[0], self.int[1] + 1, self.step)
        return self.choice or self.float or self.log or ()

    @property
    def kind(self) -> str | list[Any]:
        """What a trial log cannot change: the choices, or whether values are integers."""
        return list(self.choice) if self.choice is not None else "int" if self.int is not None else "float"

    @property
    def scale(self) -> Scale:
        """Scale on which the values lie; choices of anything but numbers are categories."""
        if self.log is not None:
            return "log"
        return "linear" if all(type(value) in (int, float) for value in self.values) else "categories"

    def __contains__(self, value: Any) -> bool:
        """Whether the parameter can take a value."""
        if self.int is not None:
            return type(value) is int and value in self.values
        if self.choice is not None:
            return value in self.choice
        low, high = self.values
        return type(value) in (int, float) and bool(low <= value <= high)

    def in_order(self, values: Iterable[Any]) -> list[Any]:
        """Return the distinct values, numbers in ascending order and choices in their own.

        Parameters
        ----------
        values : values of the parameter
        """
        return sorted(set(values), key=self.choice.index if self.choice is not None else None)

    def is_at_edge(self, value: Any) -> bool:
        """Whether a value lies at an end of a range of numbers.

        Parameters
        ----------
        value : a value of the parameter
        """
        if self.scale == "categories":
            return False
        low, high = min(self.values), max(self.values)
        if self.log is not None:
            low, value, high = math.log(low), math.log(value), math.log(high)
        margin = 0 if self.int is not None or self.choice is not None else _EDGE * (high - low)
        return not low + margin < value < high - margin

    def __str__(self) -> str:
        """Return the values in words, such as 2, 4 ... 12."""
        if self.choice is not None:
            return ", ".join(text_of(value) for value in self.choice)
        low, high = self.values[0], self.values[-1]
        return f"{low}, {low + self.step} ... {high}" if self.int else f"{low:g} to {high:g}"

    def _mistakes(self) -> Iterator[str]:
        given = [name for name in ("int", "float", "log", "choice") if getattr(self, name) is not None]
        if len(given) != 1:
            yield f"has {' and '.join(given) or 'no values'}; give one of int, float, log and choice"
        if self.step != 1 and self.int is None:
            yield f"step is {self.step}; it belongs to int only"
        if self.choice is not None:
            if len({repr(value) for value in self.choice}) < len(self.choice):
                yield f"choice is {list(self.choice)}; its values must be distinct"
            return
        low, high = getattr(self, given[0])
        if low >= high:
            yield f"{given[0]} is [{low:g}, {high:g}]; the first must be less than the second"
        if self.int is not None and (high - low) % self.step:
            yield f"int ends at {high}; it must be {low} plus a multiple of step, {self.step}"
        if len(self.values) > _MOST_INTEGERS:
            yield f"int has {len(self.values)} values, at most {_MOST_INTEGERS} are allowed; give a larger step"


class Halving(_Section):
    """Asynchronous successive halving (ASHA): stop the worst trials early.

    Attributes
    ----------
    grace_epochs : epochs before the first rung; long enough for large nets, which learn more slowly per epoch
    keep_one_of : reduction factor; one of this many trials continues past a rung
    """

    grace_epochs: PositiveInt
    keep_one_of: Annotated[int, Field(ge=2)]


class Finalists(_Section):
    """Candidates that are trained again to the end with several seeds; the verdict rests on these runs alone.

    Attributes
    ----------
    best : number of best values of `subject` to take, for each value of `by`
    always : values of `subject` and `by` to take in any case, besides those of the reference
    seeds : seeds of the weights and of the order of samples
    """

    best: PositiveInt
    always: tuple[dict[str, Any], ...] = ()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=2)]


class Space(_Section):
    """Question, search space and budget of a sweep. Parameters are named by their path in params.yaml.

    Attributes
    ----------
    stage : training stage of the pipeline
    subject : searched parameter that the verdict is about
    by : searched parameter that splits the verdict; None for none
    search : distribution of each searched parameter
    fixed : values that replace those of params.yaml in all trials
    reference : the candidate to be judged, always the first trial and always a finalist; searched parameters that it
        does not name have the value of params.yaml
    enqueue : the next trials; parameters that they do not name have the value of the reference
    trials : number of searched trials, enqueued ones included
    epochs : epochs of a trial that is not stopped early
    steps_per_epoch : None for one pass over all pairs
    halving : None trains every trial to the end
    seed : seed of the suggestions, and of the weights and samples of searched trials
    finalists : choice of the finalists and their seeds
    storage : SQLAlchemy's URL of the database that holds the state of the sweep; None for a file in its folder
    """

    stage: Stage
    subject: str
    by: str | None = None
    search: dict[str, Distribution]
    fixed: dict[str, Any] = {}
    reference: Candidate = {}
    enqueue: tuple[Candidate, ...] = ()
    trials: PositiveInt
    epochs: PositiveInt
    steps_per_epoch: PositiveInt | None = None
    halving: Halving | None = None
    seed: int = 0
    finalists: Finalists
    storage: Annotated[str, Field(pattern=r"^(postgresql|sqlite)(\+\w+)?://")] | None = None

    @property
    def group(self) -> tuple[str, ...]:
        """Paths in which finalists differ: subject and, where there is one, by."""
        return (self.subject,) if self.by is None else (self.subject, self.by)

    @property
    def paths(self) -> tuple[str, ...]:
        """All searched paths, those of `group` first."""
        return (*self.group, *(path for path in self.search if path not in self.group))

    def _mistakes(self) -> Iterator[str]:
        searched = f"search has {', '.join(self.search) or 'nothing'}"
        named = [("subject", self.subject), *([("by", self.by)] if self.by is not None else [])]
        rows = [("reference", self.reference), *(("enqueue", row) for row in self.enqueue)]
        for name, path in named + [(name, path) for name, row in rows for path in row]:
            if path not in self.search:
                yield f"{name} has {path}, {searched}; name one of them or search it"
        for name, row in rows:
            for path in (path for path, value in row.items() if value not in self.search[path]):
                yield f"{name} has {path} {row[path]!r}; it must be in the space, {self.search[path]}"
        if self.by == self.subject:
            yield f"by is {self.by}, which is the subject; name another parameter"
        if both := self.search.keys() & self.fixed.keys():
            yield f"fixed has {', '.join(sorted(both))}, which search has, too; remove one of them"
        if self.halving and self.halving.grace_epochs > self.epochs:
            yield f"halving.grace_epochs is {self.halving.grace_epochs}; it must not exceed epochs, {self.epochs}"
        if unknown := {path for row in self.finalists.always for path in row if path not in self.group}:
            yield f"finalists.always has {', '.join(sorted(unknown))}; give {' and '.join(self.group)} only"
        if len(set(self.finalists.seeds)) < len(self.finalists.seeds):
            yield f"finalists.seeds are {self.finalists.seeds}; they must be distinct"


def nested(values: Candidate) -> dict[str, dict[str, Any]]:
    """Return values by section and name.

    Parameters
    ----------
    values : values by path in params.yaml
    """
    sections: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        section, _, name = path.partition(".")
        sections.setdefault(section, {})[name] = value
    return sections


def read_space(path: Path, section: str, overrides: Mapping[str, Any] | None = None) -> Space:
    """Read one section of a file that declares a sweep.

    Parameters
    ----------
    path : YAML file with stage, subject, by and storage, and one section for each profile
    section : name of the section
    overrides : values that replace those of the file

    Returns
    -------
    the validated space

    Raises
    ------
    ParamsError : the file or the section is missing, or a value is not allowed
    """
    content = read_yaml(path)
    content = content if isinstance(content, Mapping) else {}
    if not isinstance(content.get(section), Mapping):
        names = ", ".join(name for name in content if name not in _QUESTION) or "none"
        message = f"{path}: has no section {section!r}, it has {names}; add one, or choose another with --profile"
        raise ParamsError(message)
    question = {name: content[name] for name in _QUESTION if name in content}
    try:
        return Space.model_validate({**question, **content[section], **(overrides or {})})
    except ValidationError as error:
        raise ParamsError(explain(error, f"{path}, {section}")) from error
