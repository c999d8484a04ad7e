"""Plan of a sweep from params.yaml, a profile and the file that declares the sweep."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from demsr.errors import ParamsError
from demsr.model.checkpoint import read_config
from demsr.pairs.pair_file import PairFile
from demsr.params import Model, Params, Training
from demsr.profiles import merge_profile
from demsr.runtime.dvc_files import DvcFiles
from demsr.runtime.fingerprint import code_sha256, work_key
from demsr.runtime.validation import explain
from demsr.search.space import Candidate, Space, Stage, nested, read_space
from demsr.search.sweep_plan import SweepPlan
from demsr.search.trial import TrialSetup
from demsr.tracking.runs import InputData
from demsr.training.prepare import new_net
from demsr.training.resume import CODE

_DOMAINS: dict[Stage, str] = {"pretrain": "land", "finetune": "marine"}
_SECTIONS: dict[str, type[BaseModel]] = {"model": Model, "pretrain": Training, "finetune": Training}
_REFUSED = {
    "max_epochs": "the sweep has a number of epochs of its own; set `epochs`",
    "patience": "trials train for all their epochs; set `epochs` and `halving`",
    "validate_every_epochs": "trials are validated after every epoch; leave it out",
    "devices": "a trial has one device; see --gpus-per-trial",
    "workers": "they are part of the resources of a trial; see --cpus-per-trial",
}


def read_plan(
    file: Path,
    *,
    name: str | None = None,
    profile: str | None = None,
    section: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    workers: int = 0,
    params_path: Path = Path("params.yaml"),
) -> SweepPlan:
    """Read the plan of a sweep on the pairs of `dvc repro`.

    Parameters
    ----------
    file : YAML file that declares the sweep, with a section for each profile
    name : name of the sweep; None for that of the file
    profile : profile of the net and the training; None for params.yaml. The pairs are the same in both cases
    section : section of the file; None for the profile
    overrides : values that replace those of the section
    workers : limit of processes that read pairs in each trial
    params_path : params.yaml of the project

    Returns
    -------
    the plan

    Raises
    ------
    ParamsError, PairsError, CheckpointError : a file is missing or a value is not allowed
    """
    name, params = name or file.stem, Params.read(params_path)
    if profile is not None and profile != params.base.profile:
        params = _with_training_of(profile, params, params_path)
    profile = profile or params.base.profile
    space, where = read_space(file, section or profile, overrides), f"{file}, {section or profile}"
    params = _with_fixed_values(params, space, where)
    domain = params.paths.pairs / _DOMAINS[space.stage]
    inputs = InputData(domain / "train.h5", "training"), InputData(domain / "valid.h5", "validation")
    folder = params.paths.work.resolve() / "sweeps" / name
    setup = _trial_setup(params, space, inputs, folder)
    plan = SweepPlan(
        name=name,
        profile=profile,
        space=space,
        setup=replace(setup, workers=min(setup.workers, workers)),
        inputs=inputs,
        reference=_reference(params, space, where),
        folder=folder,
        results=params.paths.results / "sweeps" / name,
        baselines=params.evaluate.model_dump(include={"linear_filter_size", "batch_size"}),
    )
    _check_candidates(plan, where)
    return plan


def _with_training_of(profile: str, params: Params, path: Path) -> Params:
    """Return the parameters with the net and the trainings of another profile; the data sections stay."""
    other = merge_profile(profile, path)
    sections = {name: section.model_validate(other[name]) for name, section in _SECTIONS.items()}
    return params.model_copy(update=sections)


def _with_fixed_values(params: Params, space: Space, where: str) -> Params:
    """Return the parameters with the fixed values of a space, after a check of every value that a trial can get."""
    for path in (*space.search, *space.fixed):
        _check_path(path, space.stage, where)
    params = _changed(params, space.fixed, where)
    for path, distribution in space.search.items():
        for value in distribution.values:
            _changed(params, {path: value}, where)
    return params


def _check_path(path: str, stage: Stage, where: str) -> None:
    """Raise ParamsError if a trial cannot change a parameter; unknown names are left to the models of params.yaml."""
    section, _, name = path.partition(".")
    changeable = (stage,) if stage == "finetune" else ("model", stage)
    reason = _REFUSED.get(name) if section in _DOMAINS else None
    if section == "model" and stage == "finetune":
        reason = "fine-tuning trains on features of a frozen pretrained net; search it with `stage: pretrain`"
    elif section not in changeable or not name:
        reason = f"it is the same in all trials of {stage}; name a parameter of {' or '.join(changeable)}"
    if reason is not None:
        message = f"{where}: a sweep cannot set {path}: {reason}"
        raise ParamsError(message)


def _changed(params: Params, values: Mapping[str, Any], where: str) -> Params:
    """Return the parameters with other values by path; raise ParamsError if one is not allowed."""
    content = params.model_dump(by_alias=True)
    for section, changes in nested(dict(values)).items():
        content[section] |= changes
    try:
        return Params.model_validate(content, strict=True)
    except ValidationError as error:
        raise ParamsError(explain(error, where)) from error


def _reference(params: Params, space: Space, where: str) -> Candidate:
    """Return the reference of a space: its own values, and those of the parameters."""
    reference = {}
    for path, distribution in space.search.items():
        section, _, name = path.partition(".")
        value = reference[path] = space.reference.get(path, getattr(getattr(params, section), name))
        if value not in distribution:
            message = (
                f"{where}: the reference has {path} {value!r} from params.yaml, the space has {distribution}; "
                "widen the space, or give `reference` another value"
            )
            raise ParamsError(message)
    return reference


def _check_candidates(plan: SweepPlan, where: str) -> None:
    """Raise ParamsError if there is no net for an enqueued candidate, or if a certain finalist is never tried."""
    for candidate in plan.first_candidates:
        try:
            new_net(seed=0, **plan.setup.of(candidate).net | {"num_blocks": 1})  # whose depth never matters
        except ValueError as error:
            message = f"{where}: {plan.label(candidate)} is impossible: {error}; change `reference` or `enqueue`"
            raise ParamsError(message) from error
    tried = [plan.key(candidate) for candidate in plan.first_candidates]
    for values in plan.space.finalists.always:
        if plan.key({**plan.reference, **values}) not in tried:
            message = f"{where}: finalists.always has {values}; add it to `enqueue`, so that it is tried"
            raise ParamsError(message)


def _trial_setup(params: Params, space: Space, inputs: tuple[InputData, InputData], folder: Path) -> TrialSetup:
    """Combine net and training of params.yaml with the budget of a space; a pretrained model brings its own net."""
    recipe = params.pretrain if space.stage == "pretrain" else params.finetune
    train, valid = (data.path.resolve() for data in inputs)
    md5 = (inputs[0].md5, inputs[1].md5)
    start = params.paths.models.resolve() / "pretrained" if space.stage == "finetune" else None
    pretrained = read_config(start) if start else None
    sha256 = pretrained.weights_sha256 if pretrained else None
    files = [DvcFiles.of([train, valid], md5)]
    files += [DvcFiles.of([path for path in sorted(start.iterdir()) if path.is_file()])] if start else []
    budget = {"max_epochs": space.epochs, "steps_per_epoch": space.steps_per_epoch, "patience": space.epochs}
    return TrialSetup(
        stage=space.stage,
        train=train,
        valid=valid,
        md5=md5,
        unit=PairFile(train).unit,
        start=start,
        start_sha256=sha256,
        files=tuple(files),
        work=folder,
        cache=folder / f"features-{work_key([*md5, sha256], code=())}",
        net=pretrained.net.model_dump() if pretrained else params.net_options(),
        training=recipe.model_dump(exclude={"workers", "devices"}) | budget | {"validate_every_epochs": 1},
        workers=recipe.workers,
        code=code_sha256(CODE),
    )
