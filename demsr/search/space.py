"""Search space and budget of a sweep: one section of a YAML file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from demsr.errors import ParamsError
from demsr.runtime.validation import explain, read_yaml

Candidate = dict[str, float]
"""Hyperparameters of a trial: learning_rate, and num_blocks where depth is searched."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LearningRates(_Section):
    """Range of learning rates, sampled on a logarithmic scale."""

    low: PositiveFloat
    high: PositiveFloat

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low >= self.high:
            message = f"low is {self.low:g} and high is {self.high:g}; low must be less"
            raise ValueError(message)
        return self


class Depths(_Section):
    """Range of depths in ResBlocks: low, low + step, ... high.

    Attributes
    ----------
    low, high : smallest and largest depth
    step : difference between neighbouring depths
    reference : the depth to be judged; always the first trial and always a finalist
    enqueue : depths of the next trials, at the learning rate of the profile
    """

    low: PositiveInt
    high: PositiveInt
    step: PositiveInt = 1
    reference: PositiveInt
    enqueue: tuple[PositiveInt, ...] = ()

    @property
    def values(self) -> range:
        """All depths, in ascending order."""
        return range(self.low, self.high + 1, self.step)

    @model_validator(mode="after")
    def _check_depths(self) -> Self:
        if self.high not in self.values:
            message = f"high is {self.high}; it must be low, {self.low}, plus a multiple of step, {self.step}"
            raise ValueError(message)
        for name, depth in [("reference", self.reference), *(("enqueue", depth) for depth in self.enqueue)]:
            if depth not in self.values:
                message = f"{name} has {depth}; it must be one of {self.low}, {self.low + self.step} ... {self.high}"
                raise ValueError(message)
        return self


class Halving(_Section):
    """Asynchronous successive halving (ASHA): stop the worst trials early.

    Attributes
    ----------
    grace_epochs : epochs before the first rung; long enough for deep nets, which learn more slowly per epoch
    keep_one_of : reduction factor; one of this many trials continues past a rung
    """

    grace_epochs: PositiveInt
    keep_one_of: Annotated[int, Field(ge=2)]


class Finalists(_Section):
    """Candidates that are trained again to the end with several seeds; the verdict rests on these runs alone.

    Attributes
    ----------
    best : number of best depths to take; of learning rates where depth is not searched
    always : depths to take in any case, besides the reference
    seeds : seeds of the weights and of the order of samples
    """

    best: PositiveInt
    always: tuple[PositiveInt, ...] = ()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=2)]


class Space(_Section):
    """Search space and budget of a sweep.

    Attributes
    ----------
    num_blocks : depths; None where depth is not searched
    features : width of the nets; None takes the width of params.yaml
    learning_rate : learning rates
    trials : number of searched trials, enqueued ones included
    epochs : epochs of a trial that is not stopped early
    steps_per_epoch : None for one pass over all pairs
    halving : None trains every trial to the end
    seed : seed of the suggestions, and of the weights and samples of searched trials
    finalists : choice of the finalists and their seeds
    """

    num_blocks: Depths | None = None
    features: PositiveInt | None = None
    learning_rate: LearningRates
    trials: PositiveInt
    epochs: PositiveInt
    steps_per_epoch: PositiveInt | None = None
    halving: Halving | None = None
    seed: int = 0
    finalists: Finalists

    @model_validator(mode="after")
    def _check_sections(self) -> Self:
        if self.halving and self.halving.grace_epochs > self.epochs:
            message = f"halving.grace_epochs is {self.halving.grace_epochs}; it must not exceed epochs, {self.epochs}"
            raise ValueError(message)
        enqueued = {self.num_blocks.reference, *self.num_blocks.enqueue} if self.num_blocks else set()
        if unknown := set(self.finalists.always) - enqueued:
            message = f"finalists.always has {sorted(unknown)}; add them to num_blocks.enqueue, so that they are tried"
            raise ValueError(message)
        if len(set(self.finalists.seeds)) < len(self.finalists.seeds):
            message = f"finalists.seeds are {self.finalists.seeds}; they must be distinct"
            raise ValueError(message)
        return self

    def first_candidates(self, learning_rate: float) -> list[Candidate]:
        """Return the enqueued candidates, the reference first.

        Parameters
        ----------
        learning_rate : learning rate of the profile, common to all of them

        Raises
        ------
        ParamsError : the space does not contain this learning rate
        """
        low, high = self.learning_rate.low, self.learning_rate.high
        if not low <= learning_rate <= high:
            message = (
                f"learning_rate of params.yaml is {learning_rate:g}, the space has {low:g} to {high:g}; "
                "widen the space, since the present rate is always tried"
            )
            raise ParamsError(message)
        rate = {"learning_rate": learning_rate}
        if self.num_blocks is None:
            return [rate]
        depths = dict.fromkeys((self.num_blocks.reference, *self.num_blocks.enqueue))
        return [{"num_blocks": depth, **rate} for depth in depths]


def read_space(path: Path, section: str, overrides: Mapping[str, Any] | None = None) -> Space:
    """Read one section of a file of search spaces.

    Parameters
    ----------
    path : YAML file with one section for each profile
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
    if not isinstance(content, Mapping) or not isinstance(content.get(section), Mapping):
        names = ", ".join(content) if isinstance(content, Mapping) else "none"
        message = f"{path}: has no section {section!r}, it has {names}; add one, or choose another with --profile"
        raise ParamsError(message)
    try:
        return Space.model_validate({**content[section], **(overrides or {})})
    except ValidationError as error:
        raise ParamsError(explain(error, f"{path}, {section}")) from error
