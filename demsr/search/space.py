"""What a sweep searches, for how long, and who decides in the end: one YAML file beside the command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from demsr.errors import ParamsError
from demsr.runtime.validation import explain, read_yaml

Choice = dict[str, float]  # num_blocks and learning_rate, as far as they are searched


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LearningRates(_Section):
    """Learning rates, searched on a logarithmic scale."""

    low: PositiveFloat
    high: PositiveFloat

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.low >= self.high:
            message = f"low is {self.low:g} and high is {self.high:g}; low must be less"
            raise ValueError(message)
        return self


class Depths(_Section):
    """Numbers of ResBlocks: low, low + step, ... high.

    Attributes
    ----------
    reference : the depth under examination; always tried first, always a finalist
    enqueue : depths that are tried next, at the profile's own learning rate
    """

    low: PositiveInt
    high: PositiveInt
    step: PositiveInt = 1
    reference: PositiveInt
    enqueue: tuple[PositiveInt, ...] = ()

    @model_validator(mode="after")
    def _holds_what_it_tries(self) -> Self:
        allowed = range(self.low, self.high + 1, self.step)
        if not allowed or allowed[-1] != self.high:
            message = f"high is {self.high}; from low, {self.low}, it must be a number of steps of {self.step} away"
            raise ValueError(message)
        for name, depth in [("reference", self.reference), *(("enqueue", depth) for depth in self.enqueue)]:
            if depth not in allowed:
                message = f"{name} has {depth}; it must be one of {self.low}, {self.low + self.step} ... {self.high}"
                raise ValueError(message)
        return self


class Halving(_Section):
    """Asynchronous successive halving (ASHA): who is worst at an epoch stops there.

    Attributes
    ----------
    grace_epochs : no trial stops before; deep nets learn slower per epoch and must survive it
    keep_one_of : of so many trials that reach a rung, one goes on
    """

    grace_epochs: PositiveInt
    keep_one_of: Annotated[int, Field(ge=2)]


class Finalists(_Section):
    """Who is trained again, to the end, with several seeds: the verdict rests on these alone.

    Attributes
    ----------
    best : how many of the best depths, or learning rates where depth is not searched
    always : depths that are finalists whatever the search found, beside the reference
    seeds : of weights and order of the samples
    """

    best: PositiveInt
    always: tuple[PositiveInt, ...] = ()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=2)]


class Space(_Section):
    """A sweep.

    Attributes
    ----------
    num_blocks : depths; None where depth is not searched
    features : width of the nets; None takes that of params.yaml
    trials : how many are searched, those that are enqueued included
    epochs, steps_per_epoch : of a trial that is not stopped; None takes all pairs once
    halving : None trains all trials to the end
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
    def _fits_together(self) -> Self:
        if self.halving and self.halving.grace_epochs > self.epochs:
            message = f"halving.grace_epochs is {self.halving.grace_epochs}; it must not exceed epochs, {self.epochs}"
            raise ValueError(message)
        known = {self.num_blocks.reference, *self.num_blocks.enqueue} if self.num_blocks else set()
        if unknown := set(self.finalists.always) - known:
            message = f"finalists.always has {sorted(unknown)}; name them in num_blocks.enqueue, so that they are tried"
            raise ValueError(message)
        if len(set(self.finalists.seeds)) < len(self.finalists.seeds):
            message = f"finalists.seeds are {self.finalists.seeds}; no seed may come twice"
            raise ValueError(message)
        return self

    def first_choices(self, learning_rate: float) -> list[Choice]:
        """Return what is tried first, at the learning rate of the profile; the reference comes before all.

        Raises
        ------
        ParamsError : that rate is not in the space
        """
        if not self.learning_rate.low <= learning_rate <= self.learning_rate.high:
            message = (
                f"learning_rate of params.yaml is {learning_rate:g}, the sweep's from {self.learning_rate.low:g} to "
                f"{self.learning_rate.high:g}; widen the sweep's, since the present rate is always tried"
            )
            raise ParamsError(message)
        rate = {"learning_rate": learning_rate}
        if self.num_blocks is None:
            return [rate]
        depths = dict.fromkeys((self.num_blocks.reference, *self.num_blocks.enqueue))
        return [{"num_blocks": depth, **rate} for depth in depths]


def read_space(path: Path, profile: str, changes: Mapping[str, Any] | None = None) -> Space:
    """Read the space of a profile.

    Parameters
    ----------
    changes : values that replace some of the file

    Raises
    ------
    ParamsError : no such file or profile, or values that are not allowed
    """
    content = read_yaml(path)
    if not isinstance(content, Mapping) or not isinstance(content.get(profile), Mapping):
        names = ", ".join(content) if isinstance(content, Mapping) else "none"
        message = f"{path}: has no section {profile!r}, it has {names}; add one, or choose another with --profile"
        raise ParamsError(message)
    try:
        return Space.model_validate({**content[profile], **(changes or {})})
    except ValidationError as error:
        raise ParamsError(explain(error, f"{path}, {profile}")) from error
