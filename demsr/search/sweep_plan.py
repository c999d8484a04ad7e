"""Plan of a sweep: search space, trial setup, files, and the cost of its nets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from demsr.model.checkpoint import parameter_count
from demsr.model.cost import flop_per_lr_px
from demsr.reporting.sweeps import text_of
from demsr.search.space import Candidate, Space
from demsr.search.trial import TrialSetup
from demsr.tracking.runs import InputData
from demsr.tracking.store import EXPERIMENT
from demsr.training.prepare import new_net
from demsr.training.task import valid_rmse_name

_BUDGET = {"max_epochs", "steps_per_epoch", "patience", "validate_every_epochs"}  # parts of the space


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """Plan of a sweep.

    Attributes
    ----------
    name : names folders and the MLflow experiment
    profile : profile of the net and the training
    space : search space and budget
    setup : settings common to all trials
    inputs : pair files of training and validation
    reference : the candidate to be judged
    folder : folder of the checkpoints, and of the trial log unless the space has another storage
    results : folder of the report
    baselines : arguments of `demsr.evaluation.methods.baselines`: linear_filter_size, batch_size
    """

    name: str
    profile: str
    space: Space
    setup: TrialSetup
    inputs: tuple[InputData, InputData]
    reference: Candidate
    folder: Path
    results: Path
    baselines: Mapping[str, int]
    _costs: dict[tuple[Any, ...], dict[str, float]] = field(default_factory=dict, init=False, repr=False)

    @property
    def metric(self) -> str:
        """Name of the validation RMSE."""
        return valid_rmse_name(self.setup.unit)

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment."""
        return f"{EXPERIMENT}-{self.name}"

    @property
    def storage(self) -> str:
        """SQLAlchemy's URL of the database that holds the state of the sweep, by default a file in its folder."""
        return self.space.storage or f"sqlite:///{self.folder.resolve() / 'optuna.db'}"

    @property
    def first_candidates(self) -> list[Candidate]:
        """The reference and the enqueued candidates."""
        return [self.reference, *({**self.reference, **values} for values in self.space.enqueue)]

    @cached_property
    def invariants(self) -> dict[str, Any]:
        """Values that must not change when a sweep resumes; more trials and other finalists are allowed."""
        setup, space = self.setup, self.space
        recipe = {f"model.{name}": value for name, value in setup.net.items()}
        recipe |= {f"{setup.stage}.{name}": value for name, value in setup.training.items() if name not in _BUDGET}
        return {
            "parameters": {path: space.search[path].kind for path in sorted(space.search)},
            "space": space.model_dump(mode="json", exclude={"trials", "finalists", "storage"}),
            "training": {path: value for path, value in recipe.items() if path not in space.search},
            "pairs": list(setup.md5),
            "pretrained model": setup.start_sha256,
            "code": setup.code,
        }

    def resumed(self, *, identity: str, reference: Candidate, trials: int) -> "SweepPlan":
        """Return the plan of a sweep that has started.

        Parameters
        ----------
        identity : name of its folder of checkpoints
        reference : reference of its first start
        trials : number of searched trials
        """
        setup = replace(self.setup, work=self.folder / identity)
        return replace(self, setup=setup, reference=reference, space=self.space.model_copy(update={"trials": trials}))

    def key(self, candidate: Candidate) -> tuple[Any, ...]:
        """Return the values of subject and by, in which finalists differ.

        Parameters
        ----------
        candidate : values by path in params.yaml
        """
        return tuple(candidate[path] for path in self.space.group)

    def label(self, candidate: Candidate) -> str:
        """Return the name of a candidate in sentences and tables.

        Parameters
        ----------
        candidate : values by path in params.yaml
        """
        group = self.space.group
        texts = {path: f"{path.partition('.')[2]} {text_of(candidate[path])}" for path in self.space.paths}
        others = ", ".join(text for path, text in texts.items() if path not in group)
        return ", ".join(texts[path] for path in group) + (f" ({others})" if others else "")

    def step_cost(self, candidate: Candidate) -> float:
        """Return the operations of a candidate in a step, for each LR pixel of a patch.

        Parameters
        ----------
        candidate : values by path in params.yaml
        """
        return self.net_cost(candidate)["flop_per_lr_px"] * int(self.setup.of(candidate).training["batch_size"])

    def net_cost(self, candidate: Candidate) -> dict[str, float]:
        """Return parameters and flop_per_lr_px of the net of a candidate; each net is built once.

        Parameters
        ----------
        candidate : values by path in params.yaml
        """
        options = self.setup.of(candidate).net
        key = tuple(options.values())
        if key not in self._costs:
            net = new_net(seed=0, **options)
            self._costs[key] = {"parameters": parameter_count(net), "flop_per_lr_px": flop_per_lr_px(net)}
        return self._costs[key]
