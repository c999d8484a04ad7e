"""Plan of a sweep from params.yaml, a profile and a file of search spaces."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from demsr.errors import ParamsError
from demsr.model.checkpoint import read_config
from demsr.pairs.pair_file import PairFile
from demsr.params import Model, Params, Training
from demsr.profiles import merge_profile
from demsr.runtime.fingerprint import code_sha256, work_key
from demsr.search.space import Space, read_space
from demsr.search.sweep_plan import SweepPlan
from demsr.search.trial import Stage, TrialSetup
from demsr.tracking.runs import InputData
from demsr.training.resume import CODE

_DOMAINS: dict[Stage, str] = {"pretrain": "land", "finetune": "marine"}
_SECTIONS: dict[str, type[BaseModel]] = {"model": Model, "pretrain": Training, "finetune": Training}


def read_plan(
    name: str,
    stage: Stage,
    space_path: Path,
    *,
    profile: str | None = None,
    section: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    workers: int = 0,
    params_path: Path = Path("params.yaml"),
) -> SweepPlan:
    """Read the plan of a sweep on the pairs of `dvc repro`.

    Parameters
    ----------
    name : name of the sweep
    stage : training stage of the pipeline
    space_path : YAML file with a section for each profile
    profile : profile of the net and the training; None for params.yaml. The pairs are the same in both cases
    section : section of the space; None for the profile
    overrides : values that replace those of the space
    workers : limit of processes that read pairs in each trial
    params_path : params.yaml of the project

    Returns
    -------
    the plan

    Raises
    ------
    ParamsError, PairsError, CheckpointError : a file is missing or a value is not allowed
    """
    params = Params.read(params_path)
    if profile is not None and profile != params.base.profile:
        params = with_training_of(profile, params, params_path)
    profile = profile or params.base.profile
    space = read_space(space_path, section or profile, overrides)
    if (space.num_blocks is None) != (stage == "finetune"):
        message = f"{space_path}, {profile}: num_blocks must be searched in pretraining, and only there"
        raise ParamsError(message)
    recipe = params.pretrain if stage == "pretrain" else params.finetune
    reference, *_ = space.first_candidates(recipe.learning_rate)
    domain = params.paths.pairs / _DOMAINS[stage]
    inputs = InputData(domain / "train.h5", "training"), InputData(domain / "valid.h5", "validation")
    folder = params.paths.work.resolve() / "sweeps" / name
    setup = _trial_setup(params, stage, space, inputs, folder)
    return SweepPlan(
        name=name,
        profile=profile,
        space=space,
        setup=replace(setup, workers=min(setup.workers, workers)),
        inputs=inputs,
        reference=reference,
        folder=folder,
        results=params.paths.results / "sweeps" / name,
        baselines=params.evaluate.model_dump(include={"linear_filter_size", "batch_size"}),
    )


def _trial_setup(
    params: Params, stage: Stage, space: Space, inputs: tuple[InputData, InputData], folder: Path
) -> TrialSetup:
    """Combine net and training of params.yaml with the budget of a space; a pretrained model brings its own net."""
    recipe = params.pretrain if stage == "pretrain" else params.finetune
    train, valid = (data.path.resolve() for data in inputs)
    md5 = (inputs[0].md5, inputs[1].md5)
    unit = PairFile(train).unit
    start = params.paths.models.resolve() / "pretrained" if stage == "finetune" else None
    pretrained = read_config(start) if start else None
    sha256 = pretrained.weights_sha256 if pretrained else None
    net = pretrained.net.model_dump() if pretrained else params.net_options()
    budget = {"max_epochs": space.epochs, "steps_per_epoch": space.steps_per_epoch, "patience": space.epochs}
    budget["validate_every_epochs"] = 1
    return TrialSetup(
        stage=stage,
        train=train,
        valid=valid,
        md5=md5,
        sizes=(train.stat().st_size, valid.stat().st_size),
        unit=unit,
        start=start,
        start_sha256=sha256,
        work=folder,
        cache=folder / f"features-{work_key([*md5, sha256], code=())}",
        net=net | ({"features": space.features} if space.features else {}),
        fit=recipe.model_dump(exclude={"batch_size", "workers", "devices"}) | budget,
        batch_size=recipe.batch_size,
        workers=recipe.workers,
        code=code_sha256(CODE),
    )


def with_training_of(profile: str, params: Params, path: Path) -> Params:
    """Replace the net and the trainings by those of another profile.

    Parameters
    ----------
    profile : name of the profile
    params : parameters to start from; their data sections stay
    path : params.yaml, into which the profile is merged

    Returns
    -------
    the new parameters

    Raises
    ------
    ParamsError : the profile does not exist
    """
    other = merge_profile(profile, path)
    sections = {name: section.model_validate(other[name]) for name, section in _SECTIONS.items()}
    return params.model_copy(update=sections)
