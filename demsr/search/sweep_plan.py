"""What a sweep is made of: its space, the training of params.yaml or of another profile, the pairs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from demsr.errors import ParamsError
from demsr.model.checkpoint import parameter_count, read_config, read_model
from demsr.model.cost import flop_per_lr_px
from demsr.pairs.pair_file import PairFile
from demsr.params import Model, Params
from demsr.params import Training as TrainingSection
from demsr.profiles import merged
from demsr.runtime.fingerprint import code_sha256, work_key
from demsr.search.space import Choice, Space, read_space
from demsr.search.trial import Stage, Training
from demsr.tracking.runs import InputData
from demsr.training.prepare import new_net
from demsr.training.resume import CODE
from demsr.training.task import valid_rmse_name

_DOMAINS: dict[Stage, str] = {"pretrain": "land", "finetune": "marine"}
_BUDGET = {"max_epochs", "steps_per_epoch", "patience", "validate_every_epochs"}  # is the space's affair


@dataclass(frozen=True)
class SweepPlan:
    """A sweep before it begins.

    Attributes
    ----------
    name : "resblocks" or "finetune"; names folders and the MLflow experiment
    reference : the choice under examination
    folder : of its book and its checkpoints
    results : folder of its report
    """

    name: str
    profile: str
    space: Space
    params: Params
    training: Training
    inputs: tuple[InputData, ...]
    reference: Choice
    folder: Path
    results: Path

    @property
    def metric(self) -> str:
        """Name of the validation RMSE."""
        return valid_rmse_name(self.training.unit)

    @cached_property
    def parts(self) -> dict[str, Any]:
        """What must not change while a sweep goes on; more trials and other finalists are welcome."""
        training = self.training
        recipe = {name: value for name, value in training.fit.items() if name not in _BUDGET | {"learning_rate"}}
        net = {name: value for name, value in training.net.items() if name != "num_blocks"}
        return {
            "space": self.space.model_dump(mode="json", exclude={"trials", "finalists"}),
            "training": {"stage": training.stage, "net": net, "batch_size": training.batch_size, **recipe},
            "pairs": list(training.md5),
            "pretrained model": training.start_sha256,
            "code": training.code,
        }

    def gone_on_with(self, *, identity: str, reference: Choice, trials: int) -> "SweepPlan":
        """Return the plan of a sweep that has begun: it keeps its reference, and its checkpoints lie apart."""
        training = replace(self.training, work=self.folder / identity)
        space = self.space.model_copy(update={"trials": trials})
        return replace(self, training=training, reference=reference, space=space)

    def group(self, choice: Choice) -> float:
        """Return what finalists are chosen by: the depth where it is searched, else the learning rate."""
        return choice.get("num_blocks", choice["learning_rate"])

    def label(self, choice: Choice) -> str:
        """Return how people call a choice."""
        rate = f"learning rate {choice['learning_rate']:.3g}"
        return f"{choice['num_blocks']:.0f} ResBlocks ({rate})" if "num_blocks" in choice else rate

    def changes(self, choice: Choice) -> dict[str, Any]:
        """Return what params.yaml must hold to train a choice."""
        found: dict[str, Any] = {self.training.stage: {"learning_rate": choice["learning_rate"]}}
        if "num_blocks" in choice:
            found["model"] = {"num_blocks": int(choice["num_blocks"]), "features": self.training.net["features"]}
        return found


@dataclass(frozen=True)
class Size:
    """How large a net is, and what it costs."""

    parameters: int
    flop_per_lr_px: float


class Sizes:
    """Sizes of the nets of a sweep, each counted once."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self._known: dict[float, Size] = {}

    def of(self, choice: Choice) -> Size:
        """Return the size of the net that a choice trains."""
        depth = choice.get("num_blocks", 0)
        if depth not in self._known:
            if self.training.start is not None:
                net = read_model(self.training.start)
            else:
                net = new_net(seed=0, **self.training.net | ({"num_blocks": int(depth)} if depth else {}))
            self._known[depth] = Size(parameter_count(net), flop_per_lr_px(net))
        return self._known[depth]


def with_training_of(profile: str, params: Params, path: Path) -> Params:
    """Return parameters whose net and trainings are those of another profile, while data stay as they are.

    Raises
    ------
    ParamsError : no such profile
    """
    other = merged(profile, path)
    sections: dict[str, type[BaseModel]] = {"model": Model, "pretrain": TrainingSection, "finetune": TrainingSection}
    return params.model_copy(update={name: kind.model_validate(other[name]) for name, kind in sections.items()})


def read_plan(
    name: str,
    stage: Stage,
    space: Path,
    *,
    profile: str | None = None,
    changes: Mapping[str, Any] | None = None,
    section: str | None = None,
    params_path: Path = Path("params.yaml"),
    workers: int = 0,
) -> SweepPlan:
    """Put a sweep together, from params.yaml in the current folder and the pairs of `dvc repro`.

    Parameters
    ----------
    space : YAML file with a section for each profile
    section : of that file, if it is not named like the profile
    profile : whose net and training are taken in the place of params.yaml's; pairs stay those that are there
    changes : to the space
    workers : most processes that read pairs, for each trial

    Raises
    ------
    ParamsError, PairsError, CheckpointError : something is missing or not allowed
    """
    params = Params.read(params_path)
    if profile is not None and profile != params.base.profile:
        params = with_training_of(profile, params, params_path)
    profile = profile or params.base.profile
    found = read_space(space, section or profile, changes)
    if (found.num_blocks is None) != (stage == "finetune"):
        message = f"{space}, {profile}: num_blocks is searched in pretraining, and in pretraining only"
        raise ParamsError(message)
    recipe = params.pretrain if stage == "pretrain" else params.finetune
    reference, *_ = found.first_choices(recipe.learning_rate)
    inputs = [
        InputData(params.paths.pairs / _DOMAINS[stage] / f"{split}.h5", context)
        for split, context in (("train", "training"), ("valid", "validation"))
    ]
    train, valid = (data.path.resolve() for data in inputs)
    unit = PairFile(train).unit
    folder = params.paths.work.resolve() / "sweeps" / name
    start = params.paths.models.resolve() / "pretrained" if stage == "finetune" else None
    pretrained = read_config(start) if start else None
    net = pretrained.net.model_dump() if pretrained else params.net_options()
    net |= {"features": found.features} if found.features else {}
    md5 = (inputs[0].md5, inputs[1].md5)
    fixed = recipe.model_dump(exclude={"batch_size", "workers", "devices", *_BUDGET})
    budget = {
        "max_epochs": found.epochs,
        "steps_per_epoch": found.steps_per_epoch,
        "patience": found.epochs,
        "validate_every_epochs": 1,
    }
    training = Training(
        stage=stage,
        train=train,
        valid=valid,
        work=folder,
        net=net,
        fit=fixed | budget,
        start=start,
        start_sha256=pretrained.weights_sha256 if pretrained else None,
        cache=folder / f"features-{work_key([*md5, pretrained and pretrained.weights_sha256], code=())}",
        batch_size=recipe.batch_size,
        workers=min(recipe.workers, workers),
        code=code_sha256(CODE),
        md5=md5,
        sizes=(train.stat().st_size, valid.stat().st_size),
        unit=unit,
    )
    return SweepPlan(
        name=name,
        profile=profile,
        space=found,
        params=params,
        training=training,
        inputs=tuple(inputs),
        reference=reference,
        folder=folder,
        results=params.paths.results / "sweeps" / name,
    )
